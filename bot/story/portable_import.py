"""Making a new story of a file in the portable format, with nothing trusted.

Invariant: what is accepted is a sound story: one forest without rings, every number
known, and a journal that leads exactly to where the pointers stand, so that undo
and redo are as exact as in a story written here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bot.locales import N_
from bot.story.actions import Stamp
from bot.story.model import (
    Author,
    AuthorKind,
    Branch,
    Change,
    Entry,
    EntryKind,
    FormOutcome,
    Passage,
    Pointer,
    Provenance,
    Revision,
    Step,
    Story,
    StoryStatus,
    Text,
)
from bot.story.portable import FORMAT
from bot.story.portable_reader import MAX_BYTES, Reader, wrong

_FAMILY = "roundtale-story/"
_MAX_AUTHORS = 1_000
_MAX_TEXTS = 100_000
_MAX_PASSAGES = 50_000
_MAX_REVISIONS = 1_000
_MAX_BRANCHES = 1_000
_MAX_ENTRIES = 200_000
_MAX_CHANGES = 16
_MAX_NAME = 200
_MAX_BODY = 200_000
_MAX_SAMPLING = 50
_STATUS: Mapping[str, StoryStatus] = {
    "writing": StoryStatus.WRITING,
    "ended": StoryStatus.ENDED,
}
_KINDS: Mapping[str, AuthorKind] = {kind.value: kind for kind in AuthorKind}
_FORMS: Mapping[str, FormOutcome] = {outcome.value: outcome for outcome in FormOutcome}
_ENTRY_KINDS: Mapping[str, EntryKind] = {kind.value: kind for kind in EntryKind}
_POINTERS: Mapping[str, Pointer] = {pointer.value: pointer for pointer in Pointer}


def import_json(data: bytes, stamp: Stamp, *, place: str, guild_id: int | None) -> Step:
    """Read what ``export_json`` gave.

    Raises:
        InvalidInputError: the file is too large, is no JSON, or is no sound story.
    """
    if len(data) > MAX_BYTES:
        raise wrong(N_("the file is larger than {limit} MB."), limit=MAX_BYTES // 1_000_000)
    try:
        parsed: object = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise wrong(N_("the file is not JSON in UTF-8.")) from error
    return from_portable(parsed, stamp, place=place, guild_id=guild_id)


def from_portable(data: object, stamp: Stamp, *, place: str, guild_id: int | None) -> Step:
    """Make a new story of plain data; whoever imports it becomes its starter.

    Raises:
        InvalidInputError: it is no sound story; the reason names what is wrong.
    """
    found = data.get("format") if isinstance(data, dict) else None
    if not isinstance(found, str) or not found.startswith(_FAMILY):
        raise wrong(N_("the file holds no story of Roundtale."))
    if found != FORMAT:
        raise wrong(
            N_("the file has the format {found}; this version of Roundtale knows {known}."),
            found=found[:40],
            known=FORMAT,
        )
    file = Reader(data)
    texts = _texts(file, stamp)
    authors = _authors(file, stamp)
    passages = _passages(file, stamp, _ids(texts), _ids(authors))
    passage_ids = _ids(passages)
    branches: dict[int, Branch] = {}
    for item in file.items("branches", _MAX_BRANCHES):
        number = _new_number(item, branches)
        head_id = item.known_or_none("head", passage_ids)
        branches[number] = Branch(
            id=stamp.new_id(), name=item.text("name", _MAX_NAME), head_id=head_id
        )
    story = Story(
        id=stamp.new_id(),
        place=place,
        guild_id=guild_id,
        starter_id=stamp.author.id,
        created_at=file.moment("created_at"),
        updated_at=stamp.at,
        version=1,
        status=_STATUS[file.choice("status", _STATUS)],
        title_id=file.known_or_none("title", _ids(texts)),
        concept_id=file.known_or_none("concept", _ids(texts)),
        active_branch_id=file.known("active_branch", _ids(branches)),
        branches={branch.id: branch for branch in branches.values()},
        passages={passage.id: passage for passage in passages.values()},
        texts={text.id: text for text in texts.values()},
        authors={author.id: author for author in (stamp.author, *authors.values())},
    )
    journal = _journal(
        file, stamp, _Numbers(_ids(texts), _ids(authors), passage_ids, _ids(branches))
    )
    story = replace(story, journal=journal)
    _check_journal(story)
    return Step(
        story=story,
        entries=journal,
        texts=tuple(story.texts.values()),
        passages=tuple(story.passages.values()),
        branches=tuple(story.branches.values()),
        authors=tuple(story.authors.values()),
    )


class _Numbers:
    """What each of the file's numbers became."""

    __slots__ = ("authors", "branches", "passages", "texts")

    def __init__(
        self,
        texts: Mapping[int, int],
        authors: Mapping[int, int],
        passages: Mapping[int, int],
        branches: Mapping[int, int],
    ) -> None:
        self.texts = texts
        self.authors = authors
        self.passages = passages
        self.branches = branches


def _ids(items: Mapping[int, Text | Author | Passage | Branch]) -> dict[int, int]:
    return {number: item.id for number, item in items.items()}


def _new_number(item: Reader, taken: Mapping[int, object]) -> int:
    number = item.integer("id", 1)
    if number in taken:
        raise wrong(N_("{where} is there twice."), where=item.place("id"))
    return number


def _texts(file: Reader, stamp: Stamp) -> dict[int, Text]:
    texts: dict[int, Text] = {}
    for item in file.items("texts", _MAX_TEXTS):
        number = _new_number(item, texts)
        body = item.text("body", _MAX_BODY)
        texts[number] = Text(stamp.new_id(), body, is_blanked=item.flag("is_blanked"))
    return texts


def _authors(file: Reader, stamp: Stamp) -> dict[int, Author]:
    authors: dict[int, Author] = {}
    for item in file.items("authors", _MAX_AUTHORS):
        number = _new_number(item, authors)
        kind = _KINDS[item.choice("kind", _KINDS)]
        authors[number] = Author(stamp.new_id(), kind, item.text("name", _MAX_NAME))
    return authors


def _passages(
    file: Reader, stamp: Stamp, texts: Mapping[int, int], authors: Mapping[int, int]
) -> dict[int, Passage]:
    items: dict[int, Reader] = {}
    for item in file.items("passages", _MAX_PASSAGES):
        items[_new_number(item, items)] = item
    # The file's order is that of writing; new ids keep it.
    ids = {number: stamp.new_id() for number in sorted(items)}
    passages: dict[int, Passage] = {}
    for number, item in sorted(items.items()):
        revisions = tuple(
            Revision(
                revision.known("text", texts),
                revision.known("author", authors),
                revision.moment("at"),
            )
            for revision in item.items("revisions", _MAX_REVISIONS)
        )
        text_id = item.known("text", texts)
        if text_id not in {revision.text_id for revision in revisions}:
            raise item.fail("revisions")
        passages[number] = Passage(
            id=ids[number],
            parent_id=item.known_or_none("parent", ids),
            kind=_KINDS[item.choice("kind", _KINDS)],
            author_id=item.known("author", authors),
            at=item.moment("at"),
            text_id=text_id,
            revisions=revisions,
            provenance=_provenance(item.child("provenance")) if item.has("provenance") else None,
        )
    _check_rings({passage.id: passage for passage in passages.values()})
    return passages


def _check_rings(passages: Mapping[int, Passage]) -> None:
    rooted: set[int] = set()
    for passage_id in passages:
        walked: set[int] = set()
        at: int | None = passage_id
        while at is not None and at not in rooted:
            if at in walked:
                raise wrong(N_("the passages form a ring."))
            walked.add(at)
            at = passages[at].parent_id
        rooted |= walked


def _provenance(item: Reader) -> Provenance:
    sampling = item.child("sampling")
    return Provenance(
        model=item.text("model", _MAX_NAME),
        model_revision=item.text("model_revision", _MAX_NAME),
        engine_version=item.text("engine_version", _MAX_NAME),
        precision=item.text("precision", _MAX_NAME),
        seed=item.integer("seed"),
        sampling={name: sampling.number(name) for name in sampling.names(_MAX_SAMPLING)},
        finish=item.text("finish", _MAX_NAME),
        prompt_tokens=item.integer("prompt_tokens"),
        completion_tokens=item.integer("completion_tokens"),
        rewinds=item.integer("rewinds"),
        duration_s=float(item.number("duration_s")),
        form=item.choice("form", _FORMS) if item.has("form") else "",
    )


def _journal(file: Reader, stamp: Stamp, numbers: _Numbers) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for seq, item in enumerate(file.items("journal", _MAX_ENTRIES), start=1):
        entry_id = stamp.new_id()
        turn = item.integer("turn", 1, seq)
        turn_id = entry_id if turn == seq else entries[turn - 1].id
        kind = _ENTRY_KINDS[item.choice("kind", _ENTRY_KINDS)]
        is_start = kind is EntryKind.START
        is_undone, is_abandoned = item.flag("is_undone"), item.flag("is_abandoned")
        if is_start != (seq == 1) or (is_start and is_undone):
            raise item.fail("kind")
        if is_abandoned and not is_undone:
            raise item.fail("is_abandoned")
        if turn != seq and entries[turn - 1].turn_id != turn_id:
            raise item.fail("turn")
        entries.append(
            Entry(
                id=entry_id,
                seq=seq,
                turn_id=turn_id,
                kind=kind,
                author_id=item.known("author", numbers.authors),
                at=item.moment("at"),
                changes=tuple(
                    _change(change, numbers, is_start=is_start)
                    for change in item.items("changes", _MAX_CHANGES)
                ),
                key=stamp.key if is_start else None,
                is_undone=is_undone,
                is_abandoned=is_abandoned,
            )
        )
    if not entries:
        raise file.fail("journal")
    return tuple(entries)


def _change(item: Reader, numbers: _Numbers, *, is_start: bool) -> Change:
    pointer = _POINTERS[item.choice("pointer", _POINTERS)]
    key = item.integer("key")
    match pointer:
        case Pointer.HEAD:
            key, values = item.known("key", numbers.branches), numbers.passages
        case Pointer.REVISION:
            key, values = item.known("key", numbers.passages), numbers.texts
        case Pointer.TITLE | Pointer.CONCEPT:
            values = numbers.texts
        case Pointer.ACTIVE_BRANCH:
            values = numbers.branches
        case Pointer.STATUS:
            values = {int(status): int(status) for status in _STATUS.values()}
    before, after = item.known_or_none("before", values), item.known_or_none("after", values)
    may_be_none = pointer in {Pointer.HEAD, Pointer.TITLE, Pointer.CONCEPT}
    if not may_be_none and (after is None or (before is None and not is_start)):
        raise item.fail("after" if after is None else "before")
    if pointer not in {Pointer.HEAD, Pointer.REVISION} and key:
        raise item.fail("key")
    return Change(pointer, key, before, after)


def _check_journal(story: Story) -> None:
    """Undo and redo everything, on the pointers alone."""
    wordings = {
        passage.id: {revision.text_id for revision in passage.revisions}
        for passage in story.passages.values()
    }
    for entry in story.journal:
        for change in entry.changes:
            values = {change.before, change.after}
            if change.pointer is Pointer.REVISION and not values <= wordings[change.key]:
                raise _unsound(entry)
    pointers = _pointers(story)
    redoable = [entry for entry in story.journal if entry.is_undone and not entry.is_abandoned]
    for entry in _by_turns(redoable):
        for change in entry.changes:
            if pointers[change.pointer, change.key] != change.before:
                raise _unsound(entry)
            pointers[change.pointer, change.key] = change.after
    pointers = _pointers(story)
    done = [entry for entry in story.journal if not entry.is_undone]
    for entry in reversed(_by_turns(done)):
        for change in reversed(entry.changes):
            if pointers[change.pointer, change.key] != change.after:
                raise _unsound(entry)
            pointers[change.pointer, change.key] = change.before


def _pointers(story: Story) -> dict[tuple[Pointer, int], int | None]:
    """Return where everything that can move stands."""
    pointers: dict[tuple[Pointer, int], int | None] = {
        (Pointer.TITLE, 0): story.title_id,
        (Pointer.CONCEPT, 0): story.concept_id,
        (Pointer.STATUS, 0): int(story.status),
        (Pointer.ACTIVE_BRANCH, 0): story.active_branch_id,
    }
    for branch in story.branches.values():
        pointers[Pointer.HEAD, branch.id] = branch.head_id
    for passage in story.passages.values():
        pointers[Pointer.REVISION, passage.id] = passage.text_id
    return pointers


def _by_turns(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries in the order of redo: turns by their last entry, each in order."""
    entries = list(entries)
    last_seqs = {entry.turn_id: entry.seq for entry in entries}
    return sorted(entries, key=lambda entry: (last_seqs[entry.turn_id], entry.seq))


def _unsound(entry: Entry) -> Exception:
    return wrong(N_("journal[{at}] does not follow from the entries around it."), at=entry.seq - 1)
