"""A story as a file: everything in it as plain JSON, and back with nothing trusted.

The format is "roundtale-story/1": passages with all alternates and revisions,
branches and the journal, under small numbers of the file's own. Members appear by
name alone, and no id of Discord's leaves. Token ids stay behind too: on the way in
they could say something else to the model than the text that people read and that
is screened.

Invariant: what is written here, ``portable_import`` reads back whole.
"""

import json
from collections.abc import Iterable
from typing import Final

from bot.story.model import Pointer, Provenance, Story

FORMAT: Final = "roundtale-story/1"


def export_json(story: Story) -> str:
    """Return the whole story as JSON text."""
    return json.dumps(to_portable(story), ensure_ascii=False, indent=1)


def to_portable(story: Story) -> dict[str, object]:
    """Return the whole story as plain data for JSON."""
    texts = _numbers(story.texts)
    passages = _numbers(story.passages)
    branches = _numbers(story.branches)
    written = sorted(story.passages.values(), key=lambda passage: passage.id)
    authors = _numbers(
        {passage.author_id for passage in written}
        | {revision.author_id for passage in written for revision in passage.revisions}
        | {entry.author_id for entry in story.journal}
    )
    turns = {entry.id: number for number, entry in enumerate(story.journal, start=1)}
    keys: dict[Pointer, dict[int, int]] = {Pointer.HEAD: branches, Pointer.REVISION: passages}
    values: dict[Pointer, dict[int, int]] = {
        Pointer.HEAD: passages,
        Pointer.REVISION: texts,
        Pointer.TITLE: texts,
        Pointer.CONCEPT: texts,
        Pointer.ACTIVE_BRANCH: branches,
    }

    def value(pointer: Pointer, number: int | None) -> int | None:
        return number if number is None else values.get(pointer, {}).get(number, number)

    return {
        "format": FORMAT,
        "status": story.status.name.lower(),
        "created_at": story.created_at.isoformat(),
        "title": None if story.title_id is None else texts[story.title_id],
        "concept": None if story.concept_id is None else texts[story.concept_id],
        "active_branch": branches[story.active_branch_id],
        "authors": [
            {
                "id": number,
                "kind": story.authors[author].kind.value,
                "name": story.authors[author].name,
            }
            for author, number in authors.items()
        ],
        "texts": [
            {"id": number, "body": story.texts[text].body}
            | ({"is_blanked": True} if story.texts[text].is_blanked else {})
            for text, number in texts.items()
        ],
        "passages": [
            {
                "id": passages[passage.id],
                "parent": None if passage.parent_id is None else passages[passage.parent_id],
                "kind": passage.kind.value,
                "author": authors[passage.author_id],
                "at": passage.at.isoformat(),
                "text": texts[passage.text_id],
                "revisions": [
                    {
                        "text": texts[revision.text_id],
                        "author": authors[revision.author_id],
                        "at": revision.at.isoformat(),
                    }
                    for revision in passage.revisions
                ],
            }
            | ({"provenance": _provenance(passage.provenance)} if passage.provenance else {})
            for passage in written
        ],
        "branches": [
            {
                "id": number,
                "name": story.branches[branch].name,
                "head": value(Pointer.HEAD, story.branches[branch].head_id),
            }
            for branch, number in branches.items()
        ],
        "journal": [
            {
                "turn": turns[entry.turn_id],
                "kind": entry.kind.value,
                "author": authors[entry.author_id],
                "at": entry.at.isoformat(),
                "changes": [
                    {
                        "pointer": change.pointer.value,
                        "key": keys.get(change.pointer, {}).get(change.key, change.key),
                        "before": value(change.pointer, change.before),
                        "after": value(change.pointer, change.after),
                    }
                    for change in entry.changes
                ],
            }
            | ({"is_undone": True} if entry.is_undone else {})
            | ({"is_abandoned": True} if entry.is_abandoned else {})
            for entry in story.journal
        ],
    }


def _numbers(ids: Iterable[int]) -> dict[int, int]:
    """Number ids from 1 in their own order."""
    return {known: number for number, known in enumerate(sorted(ids), start=1)}


def _provenance(origin: Provenance) -> dict[str, object]:
    form = {"form": origin.form} if origin.form else {}
    return {
        "model": origin.model,
        "model_revision": origin.model_revision,
        "engine_version": origin.engine_version,
        "precision": origin.precision,
        "seed": origin.seed,
        "sampling": dict(origin.sampling),
        "finish": origin.finish,
        "prompt_tokens": origin.prompt_tokens,
        "completion_tokens": origin.completion_tokens,
        "rewinds": origin.rewinds,
        "duration_s": origin.duration_s,
    } | form
