"""Rows of equal length out of tales.

Invariants:
    - Every token of every tale stands in exactly one row, in order, and is a label there, and so
      is the end of the text after it: labels are set by place, never by comparing ids, for in
      many models the padding is the end of the text.
    - A row's piece of a tale begins with the tale's tags, or, for a share of them, without, or
      without the genre's: all that a story's prompt may begin with is shown. What marks a text's beginning stands before them, as it does where the engine writes.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from bot.training.data.tale import Tale
from bot.training.tags import Tags

IGNORED = -100
"""The label of what is not learned, as torch's cross entropy has it."""

_LEAST_PIECE = 16  # a shorter rest of a row is not worth a piece's tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How tales become rows.

    Attributes:
        window_tokens: of a row.
        start_id: what a text begins after, where that is not the end of the one before.
        end_id: the end of a text.
        pad_id: fills the last row; may be the same.
        tagged_share: of the pieces that begin with their tags.
        genre_share: of these, which have the tag of their genre too.
        seed: of the order of tales and of which pieces are tagged.
    """

    window_tokens: int
    start_id: int
    end_id: int
    pad_id: int
    tagged_share: float
    genre_share: float = 1.0
    seed: int


class Rows:
    """Rows of ids and labels, as the Trainer takes them."""

    def __init__(self, rows: Sequence[tuple[list[int], list[int]]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rows)

    def __getitem__(self, at: int) -> dict[str, list[int]]:
        """Return one row."""
        ids, labels = self._rows[at]
        return {"input_ids": ids, "labels": labels}

    def __iter__(self) -> Iterator[dict[str, list[int]]]:
        """Give the rows in order."""
        return (self[at] for at in range(len(self)))

    def some(self, count: int, seed: int) -> "Rows":
        """Return so many of the rows at most, drawn once."""
        if count >= len(self._rows):
            return self
        chance = random.Random(seed)  # noqa: S311 -- no secret
        return Rows([self._rows[at] for at in sorted(chance.sample(range(len(self)), count))])


def pack(
    tales: Sequence[Tale], tokenizer: PreTrainedTokenizerBase, tags: Tags, how: Packing
) -> Rows:
    """Pack tales into rows of one length."""
    chance = random.Random(how.seed)  # noqa: S311 -- no secret
    order = sorted(tales, key=lambda tale: tale.id)
    chance.shuffle(order)
    rows: list[tuple[list[int], list[int]]] = []
    ids: list[int] = []
    labels: list[int] = []

    def close() -> None:
        nonlocal ids, labels
        missing = how.window_tokens - len(ids)
        rows.append((ids + [how.pad_id] * missing, labels + [IGNORED] * missing))
        ids, labels = [], []

    for tale in order:
        start = [how.start_id] if how.start_id != how.end_id else []
        whole = [*encode(tokenizer, tale.text), how.end_id]
        at = 0
        while at < len(whole):
            front = _front(tale, tags, how, chance.random())
            if how.window_tokens - len(ids) < len(start) + len(front) + _LEAST_PIECE and ids:
                close()
            room = how.window_tokens - len(ids) - len(start) - len(front)
            piece = whole[at : at + room]
            at += room
            ids += start + front + piece
            labels += start + [IGNORED] * len(front) + piece
            start = []
            if len(ids) == how.window_tokens:
                close()
    if ids:
        close()
    return Rows(rows)


def _front(tale: Tale, tags: Tags, how: Packing, draw: float) -> list[int]:
    """Return the tags' ids before a piece of a tale; ``draw`` in [0, 1) tells which it gets."""
    if draw >= how.tagged_share:
        return []
    if draw >= how.tagged_share * how.genre_share:
        tale = replace(tale, genre="")
    return tags.before(tale)


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return a text's ids; what looks like a control token in it is plain text."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids
