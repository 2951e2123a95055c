"""How an action enters the journal, and how pointers move.

Invariant: a recorded entry has the next number, its changes lead from where the
pointers stand, and whatever was undone before it is abandoned.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.story import tree
from bot.story.model import (
    Author,
    Branch,
    Change,
    Entry,
    EntryId,
    EntryKind,
    Passage,
    PassageId,
    Pointer,
    Revision,
    Step,
    Story,
    StoryStatus,
    Text,
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who acts, when, and where new ids come from.

    Attributes:
        author: for an answer or retry the model's author, else the member's.
        at: the time in UTC.
        new_id: gives ids that only grow.
        key: the interaction's or message's id, for the journal.
    """

    author: Author
    at: datetime
    new_id: Callable[[], int]
    key: str | None = None


def head_change(story: Story, after: PassageId) -> Change:
    """Return the move of the active branch's head."""
    return Change(Pointer.HEAD, story.active_branch_id, tree.head_id(story), after)


def record(
    story: Story,
    stamp: Stamp,
    kind: EntryKind,
    changes: Sequence[Change],
    *,
    turn_id: EntryId | None = None,
    texts: Sequence[Text] = (),
    passages: Sequence[Passage] = (),
    revisions: Sequence[tuple[PassageId, Revision]] = (),
    branches: Sequence[Branch] = (),
) -> Step:
    """Write the entry, keep the new texts and the author, move the pointers."""
    entry_id = stamp.new_id()
    joined = turn_id if turn_id is not None and _can_join(story, turn_id) else entry_id
    entry = Entry(
        id=entry_id,
        seq=story.journal[-1].seq + 1 if story.journal else 1,
        turn_id=joined,
        kind=kind,
        author_id=stamp.author.id,
        at=stamp.at,
        changes=tuple(changes),
        key=stamp.key,
    )
    abandoned = tuple(old.id for old in story.journal if old.is_undone and not old.is_abandoned)
    overtaken = frozenset(abandoned)
    journal = tuple(
        replace(old, is_abandoned=True) if old.id in overtaken else old for old in story.journal
    )
    is_known = story.authors.get(stamp.author.id) == stamp.author
    state = replace(
        story,
        texts={**story.texts, **{text.id: text for text in texts}},
        authors=story.authors if is_known else {**story.authors, stamp.author.id: stamp.author},
        journal=(*journal, entry),
    )
    state = move(state, ((change.pointer, change.key, change.after) for change in changes))
    return Step(
        story=touch(state, stamp),
        entries=(entry,),
        texts=tuple(texts),
        passages=tuple(passages),
        revisions=tuple(revisions),
        branches=tuple(branches),
        authors=() if is_known else (stamp.author,),
        abandoned=abandoned,
    )


def _can_join(story: Story, turn_id: EntryId) -> bool:
    """Tell whether a turn is done and nothing else moved its pointers since it began."""
    own = [entry for entry in story.journal if entry.turn_id == turn_id and not entry.is_undone]
    if not own:
        return False
    pointers = {(change.pointer, change.key) for entry in own for change in entry.changes}
    return not any(
        (change.pointer, change.key) in pointers
        for entry in story.journal
        if entry.seq > own[0].seq and entry.turn_id != turn_id and not entry.is_undone
        for change in entry.changes
    )


def move(story: Story, moves: Iterable[tuple[Pointer, int, int | None]]) -> Story:
    """Put pointers (with their key) on new values."""
    for pointer, key, value in moves:
        match pointer:
            case Pointer.HEAD:
                branch = replace(story.branches[key], head_id=value)
                story = replace(story, branches={**story.branches, key: branch})
            case Pointer.REVISION if value is not None:
                passage = replace(story.passages[key], text_id=value)
                story = replace(story, passages={**story.passages, key: passage})
            case Pointer.TITLE:
                story = replace(story, title_id=value)
            case Pointer.CONCEPT:
                story = replace(story, concept_id=value)
            case Pointer.STATUS if value is not None:
                story = replace(story, status=StoryStatus(value))
            case Pointer.ACTIVE_BRANCH if value is not None:
                story = replace(story, active_branch_id=value)
            case _:
                msg = f"{pointer} cannot move to {value}"
                raise AssertionError(msg)
    return story


def flag(story: Story, entry_ids: frozenset[EntryId], *, is_undone: bool) -> Story:
    """Mark entries as undone or not."""
    return replace(
        story,
        journal=tuple(
            replace(entry, is_undone=is_undone) if entry.id in entry_ids else entry
            for entry in story.journal
        ),
    )


def touch(story: Story, stamp: Stamp) -> Story:
    """Let the version grow."""
    return replace(story, version=story.version + 1, updated_at=stamp.at)
