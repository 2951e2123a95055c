"""Medians, spread, percentiles and agreement.

Invariant: pure functions of what was measured; standard library only.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Repeated measurements of one figure.

    Attributes:
        median: of all.
        low: the least.
        high: the greatest.
        repeats: how many.
    """

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Sample":
        """Summarise at least one measurement."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    @property
    def spread(self) -> float:
        """Highest less lowest, as a share of the median; 0 where that is 0."""
        return (self.high - self.low) / self.median if self.median else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` (0 < share <= 1) of the values do not exceed: nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        msg = "a percentile of nothing"
        raise ValueError(msg)
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def equal_share(
    texts: Sequence[Sequence[int]], references: Sequence[Sequence[int]]
) -> tuple[float, float]:
    """Return which share of tokens, place by place, and of whole texts is equal.

    Texts and references are paired in order. A text that ends early (an unfinished character
    is not kept) is compared as far as it goes.

    Raises:
        ValueError: there is nothing to compare.
    """
    pairs = list(zip(texts, references, strict=False))
    compared = sum(min(len(text), len(reference)) for text, reference in pairs)
    if not compared:
        msg = "an agreement about nothing"
        raise ValueError(msg)
    equal = sum(
        ours == theirs
        for text, reference in pairs
        for ours, theirs in zip(text, reference, strict=False)
    )
    whole = sum(
        all(ours == theirs for ours, theirs in zip(text, reference, strict=False))
        for text, reference in pairs
    )
    return equal / compared, whole / len(pairs)


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return slope and intercept of the least-squares line; None for fewer than two abscissae."""
    if len({x for x, _ in points}) < 2:  # noqa: PLR2004 -- a line needs two points
        return None
    found = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    return found.slope, found.intercept
