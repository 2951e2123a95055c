"""What a tale is.

Invariant: a tale is one whole story; nothing splits it between sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """A story to learn from or to measure with.

    Attributes:
        id: tells it apart from all others that are read together.
        title: for people; may be empty.
        source: the book or collection it comes from; folds keep these together.
        genre: as in ``bot.story.concept_tables.GENRES``, where known.
        format: prose, fable, screenplay or lesson.
        text: the story itself, without its title.
        licence: as its source states it.
    """

    id: str
    title: str
    source: str
    genre: str | None
    format: str
    text: str
    licence: str


@dataclass(frozen=True, slots=True)
class Split:
    """Tales in three sets that share none."""

    train: tuple[Tale, ...]
    validation: tuple[Tale, ...]
    test: tuple[Tale, ...]

    def __iter__(self) -> Iterator[tuple[Tale, ...]]:
        """Give the sets in order."""
        return iter((self.train, self.validation, self.test))
