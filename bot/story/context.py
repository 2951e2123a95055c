"""What the model will see, within a budget of tokens.

Invariants:
    - The pinned part (what the story is, and what comes next) is always there, and
      so are the last words; prompt and reply together never exceed the window.
    - The front does not change from turn to turn, and passages are dropped from it in
      blocks, so that an engine that caches prefixes keeps what it has.
    - ``count`` is the only yardstick: nothing is assumed of the tokenizer.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from bot.errors import PinnedTooLargeError, PromptTooLongError
from bot.story import tree
from bot.story.context_parts import (
    COMPLETION,
    ContextPart,
    Frame,
    PartLabel,
    Piece,
    frame_of,
    part_of,
    parts_of,
    separator,
)
from bot.story.front import current_beat, longest_beat, words_for
from bot.story.model import Concept, Passage, PassageId, Story
from bot.story.narrative import (
    PARAGRAPH,
    SENTENCE_END,
    is_generated,
    joint,
)

PINNED_SHARE = 0.4  # of the window, at most
KEPT_SHARE = 0.6  # of the budget, after a block of passages was dropped
_THIN_SHARE = 0.3  # of the budget; below it (after an undo) dropped passages come back
_GOOD_CUT = 0.5  # a sentence's start serves if it keeps this share of what a word's would
_WORD_START = re.compile(r"(?<=\s)\S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A whole prompt.

    Attributes:
        parts: in order.
        anchor: the first passage in it, to be given back at the next turn; None
            while the story is there from its root.
        prompt_tokens: what ``count`` says of all parts.
        pinned_tokens: of these, the pinned part.
        limit_tokens: what the prompt may take.
        left_out: how many passages were dropped from the front.
        is_cut: whether the last passage lost its beginning.
    """

    parts: tuple[ContextPart, ...]
    anchor: PassageId | None
    prompt_tokens: int
    pinned_tokens: int
    limit_tokens: int
    left_out: int = 0
    is_cut: bool = False

    @property
    def text(self) -> str:
        """The parts joined, messages a paragraph apart."""
        return _joined(self.parts)

    @property
    def prose(self) -> str:
        """The same without control tags, which are no words."""
        return _joined([part for part in self.parts if not part.tags])

    @property
    def opening(self) -> str:
        """The first words of the reply, where it is given some."""
        last = self.parts[-1]
        return last.text if last.label is PartLabel.OPENING else ""


Count = Callable[[Sequence[ContextPart]], int]


def _joined(parts: Sequence[ContextPart]) -> str:
    messages = groupby(parts, key=lambda part: part.role)
    return PARAGRAPH.join("".join(part.text for part in parts) for _, parts in messages)


def assemble(
    story: Story,
    *,
    count: Count,
    window_tokens: int,
    reply_tokens: int,
    budget_tokens: int = 0,
    style: str = COMPLETION,
    tokenizer_hash: str = "",
    anchor: PassageId | None = None,
    ending: int | None = None,
    passages: Sequence[Passage] | None = None,
    retell: Callable[[str], str] | None = None,
    known_tags: Collection[str] = (),
) -> Context:
    """Put a story to a model.

    Args:
        story: the story.
        count: tells how many tokens parts take when joined.
        window_tokens: prompt and reply together.
        reply_tokens: reserved for the reply.
        budget_tokens: the prompt at most; 0 is what the window leaves.
        style: "completion", "prefill" or "chat".
        tokenizer_hash: stored ids with this hash are given along with their text.
        anchor: what the context of the turn before gave.
        ending: the reply is to end the story, and this draws its first words; None where
            the story goes on.
        passages: what to go on from, root first (for another alternate, without the
            head); the story as it reads, where None.
        retell: puts a passage into the layout in which the model sees it; None leaves it.
        known_tags: control tags that the model has.

    Raises:
        PinnedTooLargeError: the pinned part would crowd out the story.
        PromptTooLongError: the reply alone leaves no room in the window.
    """
    limit = window_tokens - reply_tokens
    if budget_tokens > 0:
        limit = min(limit, budget_tokens)
    if limit < 1:
        raise PromptTooLongError(tokens=reply_tokens + 1, limit=window_tokens)
    concept = tree.concept(story)
    whole = tree.path(story)
    pieces = _pieces(story, whole if passages is None else passages, tokenizer_hash, retell)
    first_text = tree.text_of(story, whole[0]) if whole else ""
    frame = frame_of(
        concept,
        current_beat(concept),
        words_for(concept, first_text),
        style=style,
        ending=ending,
        tokenizer_hash=tokenizer_hash,
        known_tags=known_tags,
    )
    pinned = count(parts_of(frame, ()))
    _check(pinned, min(int(PINNED_SHARE * window_tokens), limit))

    def total(from_piece: int) -> int:
        return count(parts_of(frame, pieces[from_piece:]))

    start = _choose_start(frame, pieces, count, anchor=anchor, limit=limit, pinned=pinned)
    tokens = total(start)
    last = len(pieces) - 1
    if tokens > limit and start < last:
        # The sum of the pieces fell short of the whole: let the whole decide.
        start = _first(range(start + 1, last), lambda at: total(at) <= limit, last)
        tokens = total(start)
    kept = list(pieces[start:])
    is_cut = tokens > limit
    if is_cut:
        kept = [_cut(frame, pieces[last], count, limit=limit, pinned=pinned)]
        tokens = count(parts_of(frame, kept))
    return Context(
        parts=tuple(parts_of(frame, kept)),
        anchor=pieces[start].passage.id if start else None,
        prompt_tokens=tokens,
        pinned_tokens=pinned,
        limit_tokens=limit,
        left_out=start,
        is_cut=is_cut,
    )


def check_pinned(
    concept: Concept,
    *,
    count: Count,
    window_tokens: int,
    style: str = COMPLETION,
    known_tags: Collection[str] = (),
) -> int:
    """Return how many tokens a concept would pin at most, before it is taken.

    Raises:
        PinnedTooLargeError: it would take more than ``PINNED_SHARE`` of the window.
    """
    frame = frame_of(
        concept,
        longest_beat(concept),
        words_for(concept, ""),
        style=style,
        ending=None,
        tokenizer_hash="",
        known_tags=known_tags,
    )
    tokens = count(parts_of(frame, ()))
    _check(tokens, int(PINNED_SHARE * window_tokens))
    return tokens


def _check(pinned: int, limit: int) -> None:
    if pinned > limit:
        raise PinnedTooLargeError(tokens=pinned, limit=limit)


def _pieces(
    story: Story,
    passages: Sequence[Passage],
    tokenizer_hash: str,
    retell: Callable[[str], str] | None,
) -> list[Piece]:
    pieces: list[Piece] = []
    before = ""
    for passage in passages:
        text = tree.text_of(story, passage)
        if retell is not None:
            text = retell(text)
        if not text.strip():
            continue
        origin = passage.provenance
        as_written = is_generated(passage)
        ids = (
            origin.token_ids
            if as_written
            and retell is None
            and origin
            and tokenizer_hash
            and origin.tokenizer_hash == tokenizer_hash
            else None
        )
        between = joint(before, text, is_generated=as_written)
        pieces.append(Piece(passage, text, between, ids))
        before = text
    return pieces


def _choose_start(
    frame: Frame,
    pieces: Sequence[Piece],
    count: Count,
    *,
    anchor: PassageId | None,
    limit: int,
    pinned: int,
) -> int:
    """Return the first piece to keep; looks back no further than the budget reaches."""
    floor = next((at for at, piece in enumerate(pieces) if piece.passage.id == anchor), 0)
    kept = int(KEPT_SHARE * limit)
    used = pinned
    block = max(len(pieces) - 1, 0)  # where to begin after a block was dropped
    for at in range(len(pieces) - 1, -1, -1):
        used += count(_solo(frame, pieces[at]))
        if at < floor and used > kept:
            return block
        if used > limit:
            return block
        if used <= kept:
            block = at
        if at == floor and used >= _THIN_SHARE * limit:
            return at
    return 0 if used <= limit else block


def _solo(frame: Frame, piece: Piece) -> list[ContextPart]:
    part = part_of(frame, piece)
    return [separator(piece.joint), part] if piece.joint and not frame.is_chat else [part]


def _first(candidates: Sequence[int], fits: Callable[[int], bool], otherwise: int) -> int:
    """Return the smallest candidate that fits, by halving; all after one that fits do too."""
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if fits(candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[low] if low < len(candidates) else otherwise


def _cut(frame: Frame, piece: Piece, count: Count, *, limit: int, pinned: int) -> Piece:
    """Return a passage without its beginning, from a sentence's or word's start on."""
    text = piece.text

    def tail(at: int) -> Piece:
        return Piece(piece.passage, text[at:], "", None)

    def fits(at: int) -> bool:
        return count(parts_of(frame, [tail(at)])) <= limit

    end = len(text.rstrip())
    at = _first(range(1, end), fits, end)
    if at >= end:
        raise PinnedTooLargeError(tokens=pinned, limit=max(limit - 1, 0))
    room = end - at
    for starts in (
        [match.end() for match in SENTENCE_END.finditer(text, at) if match.end() < end],
        [match.start() for match in _WORD_START.finditer(text, at)],
    ):
        found = _first(starts, fits, end)
        if end - found >= _GOOD_CUT * room:
            return tail(found)
    return tail(at)
