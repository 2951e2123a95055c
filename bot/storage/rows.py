"""Rows to the story's dataclasses and back.

Invariant: what ``*_row`` writes, its counterpart reads back equal; nothing here waits.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bot.storage.titles import title_key
from bot.story import tree
from bot.story.model import (
    Author,
    AuthorKind,
    Branch,
    Change,
    Entry,
    EntryKind,
    Passage,
    PassageId,
    Pointer,
    Provenance,
    Revision,
    Story,
    StoryStatus,
    StorySummary,
    Text,
)

Row = dict[str, Any]


def author_row(author: Author) -> Row:
    """Return an author's row."""
    return {
        "id": author.id,
        "kind": author.kind.value,
        "platform": author.platform,
        "user_id": author.user_id,
        "name": author.name,
    }


def author_from(row: Sequence[Any]) -> Author:
    """Return the author of a row of ``authors``."""
    id_, kind, platform, user_id, name = row
    return Author(id_, AuthorKind(kind), name, platform, user_id)


def pointer_row(story: Story) -> Row:
    """Return the columns of ``stories`` that a step can move."""
    title = tree.title(story)
    return {
        "updated_at": story.updated_at,
        "version": story.version,
        "status": int(story.status),
        "title_id": story.title_id,
        "concept_id": story.concept_id,
        "active_branch_id": story.active_branch_id,
        "title": title,
        "title_key": title_key(title),
        "passage_count": len(tree.path(story)),
    }


def story_row(story: Story) -> Row:
    """Return a new story's row."""
    return pointer_row(story) | {
        "id": story.id,
        "place": story.place,
        "guild_id": story.guild_id,
        "starter_id": story.starter_id,
        "created_at": story.created_at,
        "is_current": story.is_current,
    }


def text_row(story_id: int, text: Text) -> Row:
    """Return a text's row."""
    return {"id": text.id, "story_id": story_id, "body": text.body, "is_blanked": text.is_blanked}


def text_from(row: Sequence[Any]) -> Text:
    """Return the text of (id, body, is_blanked)."""
    id_, body, is_blanked = row
    return Text(id_, body, is_blanked)


def branch_row(story_id: int, branch: Branch) -> Row:
    """Return a branch's row."""
    return {"story_id": story_id, "id": branch.id, "name": branch.name, "head_id": branch.head_id}


def branch_from(row: Sequence[Any]) -> Branch:
    """Return the branch of (id, name, head_id)."""
    id_, name, head_id = row
    return Branch(id=id_, name=name, head_id=head_id)


def passage_row(story_id: int, passage: Passage) -> Row:
    """Return a passage's row, without its revisions and provenance."""
    return {
        "id": passage.id,
        "story_id": story_id,
        "parent_id": passage.parent_id,
        "kind": passage.kind.value,
        "author_id": passage.author_id,
        "at": passage.at,
        "text_id": passage.text_id,
    }


def passage_from(
    row: Sequence[Any],
    revisions: Mapping[PassageId, list[Revision]],
    provenances: Mapping[PassageId, Provenance],
) -> Passage:
    """Return the passage of (id, parent_id, kind, author_id, at, text_id)."""
    id_, parent_id, kind, author_id, at, text_id = row
    return Passage(
        id=id_,
        parent_id=parent_id,
        kind=AuthorKind(kind),
        author_id=author_id,
        at=at,
        text_id=text_id,
        revisions=tuple(revisions.get(id_, ())),
        provenance=provenances.get(id_),
    )


def revision_row(story_id: int, passage_id: PassageId, number: int, revision: Revision) -> Row:
    """Return a revision's row; ``number`` is 0 for the first wording."""
    return {
        "story_id": story_id,
        "passage_id": passage_id,
        "number": number,
        "text_id": revision.text_id,
        "author_id": revision.author_id,
        "at": revision.at,
    }


def revisions_from(rows: Iterable[Sequence[Any]]) -> dict[PassageId, list[Revision]]:
    """Return the revisions of (passage_id, text_id, author_id, at), rows in order."""
    found: dict[PassageId, list[Revision]] = {}
    for passage_id, text_id, author_id, at in rows:
        found.setdefault(passage_id, []).append(Revision(text_id, author_id, at))
    return found


def provenance_row(story_id: int, passage_id: PassageId, provenance: Provenance) -> Row:
    """Return a provenance's row."""
    ids = provenance.token_ids
    return {
        "passage_id": passage_id,
        "story_id": story_id,
        "model": provenance.model,
        "model_revision": provenance.model_revision,
        "engine_version": provenance.engine_version,
        "precision": provenance.precision,
        "seed": provenance.seed,
        "sampling": json.dumps(dict(provenance.sampling), separators=(",", ":")),
        "finish": provenance.finish,
        "prompt_tokens": provenance.prompt_tokens,
        "completion_tokens": provenance.completion_tokens,
        "rewinds": provenance.rewinds,
        "duration_s": provenance.duration_s,
        "tokenizer_hash": provenance.tokenizer_hash,
        "token_ids": struct.pack(f"<{len(ids)}I", *ids),
        "form": provenance.form,
    }


def provenance_from(row: Sequence[Any]) -> tuple[PassageId, Provenance]:
    """Return the passage's id and the provenance of a row of ``provenances``, story_id left out."""
    (
        passage_id,
        model,
        model_revision,
        engine_version,
        precision,
        seed,
        sampling,
        finish,
        prompt_tokens,
        completion_tokens,
        rewinds,
        duration_s,
        tokenizer_hash,
        token_ids,
        form,
    ) = row
    return passage_id, Provenance(
        model=model,
        model_revision=model_revision,
        engine_version=engine_version,
        precision=precision,
        seed=seed,
        sampling=dict(_sampling(sampling)),
        finish=finish,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        rewinds=rewinds,
        duration_s=duration_s,
        tokenizer_hash=tokenizer_hash,
        token_ids=struct.unpack(f"<{len(token_ids) // 4}I", token_ids),
        form=form,
    )


@lru_cache(maxsize=256)  # nearly all passages of a channel share their parameters
def _sampling(text: str) -> Mapping[str, float | int]:
    values: Mapping[str, float | int] = json.loads(text)
    return values


def entry_row(story_id: int, entry: Entry) -> Row:
    """Return a journal entry's row."""
    return {
        "id": entry.id,
        "story_id": story_id,
        "seq": entry.seq,
        "turn_id": entry.turn_id,
        "kind": entry.kind.value,
        "author_id": entry.author_id,
        "at": entry.at,
        "key": entry.key,
        "is_undone": entry.is_undone,
        "is_abandoned": entry.is_abandoned,
        "changes": json.dumps(
            [[c.pointer.value, c.key, c.before, c.after] for c in entry.changes],
            separators=(",", ":"),
        ),
    }


def entry_from(row: Sequence[Any]) -> Entry:
    """Return the entry of a row of ``entries``, story_id left out."""
    id_, seq, turn_id, kind, author_id, at, key, is_undone, is_abandoned, changes = row
    return Entry(
        id=id_,
        seq=seq,
        turn_id=turn_id,
        kind=EntryKind(kind),
        author_id=author_id,
        at=at,
        changes=tuple(
            Change(Pointer(pointer), key, before, after)
            for pointer, key, before, after in json.loads(changes)
        ),
        key=key,
        is_undone=is_undone,
        is_abandoned=is_abandoned,
    )


def summary_from(row: Sequence[Any]) -> StorySummary:
    """Return the summary of a row of the query in ``stories.summaries``."""
    (
        id_,
        place,
        guild_id,
        title,
        status,
        is_current,
        passages,
        updated_at,
        starter_name,
        starter_user_id,
    ) = row
    return StorySummary(
        id=id_,
        place=place,
        guild_id=guild_id,
        title=title,
        status=StoryStatus(status),
        is_current=is_current,
        passages=passages,
        updated_at=updated_at,
        starter_name=starter_name,
        starter_user_id=starter_user_id,
    )
