"""The openings that stories are written from: made for this project, so that no model knows them.

Invariant: the file's order is the openings' order, and each has a genre of its own line.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Opening:
    """First words of a story.

    Attributes:
        name: "fairy tale 1", "fairy tale 2" …
        genre: one of the words that concepts use.
        text: one sentence.
    """

    name: str
    genre: str
    text: str


@lru_cache(maxsize=1)
def openings() -> tuple[Opening, ...]:
    """Return all openings."""
    found: list[Opening] = []
    counts: dict[str, int] = {}
    source = files("bot.training.evaluation") / "openings.txt"
    for line in source.read_text("utf-8").splitlines():
        genre, _, text = line.partition("\t")
        counts[genre] = counts.get(genre, 0) + 1
        found.append(Opening(f"{genre} {counts[genre]}", genre, text))
    return tuple(found)


def spread(count: int) -> tuple[Opening, ...]:
    """Return so many openings, evenly from all genres."""
    every = openings()
    count = min(count, len(every))
    return tuple(every[at * len(every) // count] for at in range(count))
