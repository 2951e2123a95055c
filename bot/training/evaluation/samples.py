"""What is measured: stories of a model and pieces of people's, cut to the same number of words.

Invariant: a sample's text has exactly the plan's words, and ``before`` is what its writer had
just before it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.text.sentences import sentence_spans
from bot.text.words import word_spans
from bot.training.data import Tale, clean, read_tales
from bot.training.errors import NoTalesError

_BEFORE_SENTENCES = 2
_SPACES = re.compile(r"[^\S\n]+")
_SOFT_BREAK = re.compile(r"(?<!\n)\n(?!\n)")
_BREAKS = re.compile(r"\n{2,}")
_SIGNS = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One passage as the model wrote it.

    Attributes:
        text: what was kept.
        is_whole: it ends with a sentence, and no quote is open.
        discarded_words: written beyond its end, and left out so that it ends whole.
        sampled_tokens: all that were drawn, those that were rewound and those of other versions too.
        kept_tokens: of these.
        lost_tokens: of the versions of the passage that were not kept.
    """

    text: str
    is_whole: bool
    discarded_words: int
    sampled_tokens: int
    kept_tokens: int
    lost_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text that is measured.

    Attributes:
        source: the opening or the tale; samples of one are not independent.
        seed: by which it was written; for people's text the number of the piece.
        before: what stands before it.
        text: so many words.
        whole: the story as it reads, for people to read.
        turns: the model's passages; none in people's text.
    """

    source: str
    seed: int
    before: str
    text: str
    whole: str
    turns: tuple[Turn, ...] = ()


def read_people(paths: Sequence[Path]) -> list[Tale]:
    """Return the tales of files and folders, in the form in which all columns are compared.

    Raises:
        TrainingError: they cannot be read, or there are none.
    """
    found = [replace(tale, text=normalise(tale.text)) for tale in clean(read_tales(paths))]
    if not found:
        raise NoTalesError(paths=", ".join(map(str, paths)))
    return found


def read_texts(paths: Sequence[Path]) -> dict[str, str]:
    """Return the texts of ``read_people`` by id.

    Raises:
        TrainingError: they cannot be read, or there are none.
    """
    return {tale.id: tale.text for tale in read_people(paths)}


def normalise(text: str) -> str:
    """Return a text with straight quotes, single spaces and paragraphs a blank line apart.

    People's books and models differ in these; no figure is to measure that.
    """
    text = _SPACES.sub(" ", text.translate(_SIGNS).replace("\r\n", "\n"))
    paragraphs = _BREAKS.split(text.strip())
    return "\n\n".join(_SOFT_BREAK.sub(" ", part).strip() for part in paragraphs)


def cut(text: str, count: int) -> str | None:
    """Return a text's first words, up to the sign behind the last; None where there are fewer."""
    spans = word_spans(text)
    if len(spans) < count:
        return None
    end = spans[count - 1][1]
    return text[: end + 1].rstrip() if text[end : end + 1] in ".!?," else text[:end]


def pieces(tales: Mapping[str, str], *, words: int, limit: int) -> list[Sample]:
    """Return pieces of tales, each from a sentence's beginning, evenly from all tales.

    Args:
        tales: by name, normalised.
        words: in each piece.
        limit: pieces at most.
    """
    by_tale = {name: _pieces_of(name, tale, words) for name, tale in tales.items()}
    chosen: list[Sample] = []
    longest = max((len(found) for found in by_tale.values()), default=0)
    for number in range(longest):
        chosen += [found[number] for found in by_tale.values() if number < len(found)]
    return chosen[:limit]


def by_source(samples: Sequence[Sample], values: Sequence[float | None]) -> dict[str, list[float]]:
    """Return values by the source of their samples; None where a sample has none."""
    found: dict[str, list[float]] = {}
    for sample, value in zip(samples, values, strict=True):
        kept = found.setdefault(sample.source, [])
        if value is not None:
            kept.append(value)
    return found


def _pieces_of(name: str, tale: str, words: int) -> list[Sample]:
    spans = sentence_spans(tale)
    found: list[Sample] = []
    at = 0
    while at < len(spans):
        start = spans[at][0]
        text = cut(tale[start:], words)
        if text is None:
            break
        before = tale[spans[max(0, at - _BEFORE_SENTENCES)][0] : start].strip()
        found.append(Sample(source=name, seed=len(found) + 1, before=before, text=text, whole=text))
        stop = start + len(text)
        while at < len(spans) and spans[at][0] < stop:
            at += 1
    return found
