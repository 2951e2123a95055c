"""Views of a story: its path, its alternates, its words, its turns.

Invariant: nothing here changes a story; every walk is iterative and ends, even on a
damaged tree.
"""

import re
from dataclasses import replace

from bot.story.concept_fields import concept_from_json
from bot.story.model import (
    Author,
    Concept,
    Entry,
    EntryKind,
    Passage,
    PassageId,
    Pointer,
    Story,
)

# A run of letters and digits with apostrophes and hyphens inside; each ideograph and
# kana counts by itself, as is usual.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['\u2019-][^\W_{_CJK}]+)*")


def head_id(story: Story) -> PassageId | None:
    """Return the passage that the active branch points at; None in an empty story."""
    branch = story.branches.get(story.active_branch_id)
    return branch.head_id if branch else None


def head(story: Story) -> Passage | None:
    """Return the newest passage of the story as it reads."""
    newest = head_id(story)
    return None if newest is None else story.passages[newest]


def path(story: Story, head: PassageId | None = None) -> tuple[Passage, ...]:
    """Return the passages from the root to ``head`` (the active branch's, where None)."""
    at = head_id(story) if head is None else head
    found: list[Passage] = []
    while at is not None:
        passage = story.passages[at]
        found.append(passage)
        if len(found) > len(story.passages):
            msg = f"the passages of story {story.id} form a ring"
            raise ValueError(msg)
        at = passage.parent_id
    found.reverse()
    return tuple(found)


def children(story: Story, passage_id: PassageId | None) -> tuple[PassageId, ...]:
    """Return the passages that follow one (the roots, where None), oldest first."""
    return tuple(
        sorted(passage.id for passage in story.passages.values() if passage.parent_id == passage_id)
    )


def alternates(story: Story, passage_id: PassageId) -> tuple[PassageId, ...]:
    """Return the siblings by the same kind of author, oldest first, itself among them."""
    passage = story.passages[passage_id]
    return tuple(
        sibling
        for sibling in children(story, passage.parent_id)
        if story.passages[sibling].kind is passage.kind
    )


def last_head_under(story: Story, passage_id: PassageId) -> PassageId:
    """Return where the story last stood at or below a passage; itself, where it never went on."""
    elsewhere: set[PassageId] = set()
    for entry in reversed(story.journal):
        for change in entry.changes:
            if change.pointer is not Pointer.HEAD:
                continue
            for stood in (change.after, change.before):
                walked: list[PassageId] = []
                at = stood
                while at is not None and at not in elsewhere and at != passage_id:
                    walked.append(at)
                    at = story.passages[at].parent_id
                if at == passage_id and stood is not None:
                    return stood
                elsewhere.update(walked)
    return passage_id


def text_of(story: Story, passage: Passage) -> str:
    """Return a passage's current wording, exactly; "" once it was forgotten."""
    return story.texts[passage.text_id].body


def title(story: Story) -> str:
    """Return the title; "" where there is none."""
    return "" if story.title_id is None else story.texts[story.title_id].body


def concept(story: Story) -> Concept:
    """Return the concept, under the story's present title."""
    body = "" if story.concept_id is None else story.texts[story.concept_id].body
    return replace(concept_from_json(body), title=title(story))


def author_of(story: Story, passage: Passage) -> Author:
    """Return who wrote a passage."""
    return story.authors[passage.author_id]


def last_turn(story: Story) -> tuple[Entry, ...]:
    """Return the entries that the next undo takes back, in order; none where there is nothing."""
    for entry in reversed(story.journal):
        if not entry.is_undone and entry.kind is not EntryKind.START:
            return tuple(
                other
                for other in story.journal
                if other.turn_id == entry.turn_id
                and not other.is_undone
                and other.kind is not EntryKind.START
            )
    return ()


def next_turn(story: Story) -> tuple[Entry, ...]:
    """Return the entries that the next redo brings back, in order; none where there is nothing."""
    # Undo takes the turn whose last entry is the newest, so redo the oldest such.
    last_seqs = {
        entry.turn_id: entry.seq
        for entry in story.journal
        if entry.is_undone and not entry.is_abandoned
    }
    if not last_seqs:
        return ()
    turn_id = min(last_seqs, key=last_seqs.__getitem__)
    return tuple(
        entry
        for entry in story.journal
        if entry.turn_id == turn_id and entry.is_undone and not entry.is_abandoned
    )


def can_undo(story: Story) -> bool:
    """Tell whether there is a turn to take back."""
    return bool(last_turn(story))


def can_redo(story: Story) -> bool:
    """Tell whether there is an undone turn to bring back."""
    return bool(next_turn(story))


def count_words(text: str) -> int:
    """Count words; a Chinese or Japanese character counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def word_count(story: Story) -> int:
    """Count the words of the story as it reads."""
    return sum(count_words(text_of(story, passage)) for passage in path(story))
