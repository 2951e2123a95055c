"""Means with their uncertainty.

Invariant: what belongs together (the stories of one opening, the pieces of one tale) is drawn
together, for they are more alike than others; the same numbers give the same interval.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_SEED = 2019
_TAILS = (2.5, 97.5)
# Student's t, two-sided 95 %, for 1, 2, 3 … degrees of freedom (any table of it).
_T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_Z_95 = 1.96

Clusters = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it may lie, 95 %.

    Attributes:
        mean: of all values.
        low: NaN where there is one cluster only.
        high: the same.
        n: how many values.
    """

    mean: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, float | int | None]:
        """Return the numbers; NaN, which JSON does not know, as None."""
        return {
            "mean": _known(self.mean),
            "low": _known(self.low),
            "high": _known(self.high),
            "n": self.n,
        }


def bootstrap(clusters: Clusters, *, draws: int) -> Interval:
    """Return the mean of all values and its percentile interval by drawing whole clusters.

    (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.)

    Args:
        clusters: values by what they belong to; empty ones are left out.
        draws: how often.
    """
    kept = [values for values in clusters.values() if values]
    if not kept:
        return Interval(math.nan, math.nan, math.nan, 0)
    sums, counts = _sums(kept)
    mean = float(sums.sum() / counts.sum())
    if len(kept) == 1:
        return Interval(mean, math.nan, math.nan, int(counts.sum()))
    weights = _weights(len(kept), draws)
    low, high = np.percentile((weights @ sums) / (weights @ counts), _TAILS)
    return Interval(mean, float(low), float(high), int(counts.sum()))


def paired(one: Clusters, other: Clusters, *, draws: int) -> Interval:
    """Return the difference of two means, ``other`` less ``one``, by drawing what both share.

    Args:
        one: values by cluster.
        other: values by cluster; clusters that only one of them has are left out.
        draws: how often.
    """
    names = [name for name in one if one[name] and other.get(name)]
    if not names:
        return Interval(math.nan, math.nan, math.nan, 0)
    sums, counts = _sums([one[name] for name in names])
    more, others = _sums([other[name] for name in names])
    mean = float(more.sum() / others.sum() - sums.sum() / counts.sum())
    if len(names) == 1:
        return Interval(mean, math.nan, math.nan, int(others.sum()))
    weights = _weights(len(names), draws)
    found = (weights @ more) / (weights @ others) - (weights @ sums) / (weights @ counts)
    low, high = np.percentile(found, _TAILS)
    return Interval(mean, float(low), float(high), int(others.sum()))


def ratio(above: Mapping[str, float], below: Mapping[str, float], *, draws: int) -> Interval:
    """Return the quotient of two sums over texts, and its interval by drawing whole texts.

    Args:
        above: by text.
        below: by text; the same names.
        draws: how often.
    """
    upper = np.array([above[name] for name in above], dtype=np.float64)
    lower = np.array([below[name] for name in above], dtype=np.float64)
    mean = float(upper.sum() / lower.sum())
    if len(upper) == 1:
        return Interval(mean, math.nan, math.nan, 1)
    weights = _weights(len(upper), draws)
    low, high = np.percentile((weights @ upper) / (weights @ lower), _TAILS)
    return Interval(mean, float(low), float(high), len(upper))


def student(values: Sequence[float]) -> Interval:
    """Return the mean of independent values with Student's interval (for means of seeds)."""
    if not values:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Interval(mean, math.nan, math.nan, 1)
    freedom = len(values) - 1
    factor = _T_95[freedom - 1] if freedom <= len(_T_95) else _Z_95
    half = factor * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, len(values))


def never(n: int) -> float:
    """Return how often what was not seen in n passages may happen at most, 95 %.

    (The rule of three: Hanley and Lippman-Hand 1983. A bootstrap would say: never.)
    """
    return min(1.0, 3 / n)


def honest(found: Interval, units: int | None = None) -> Interval:
    """Return the interval of a share that does not take what was never or always seen as certain.

    Args:
        found: the share.
        units: how many independent ones were seen; all values, where None.
    """
    if found.n and found.mean in {0.0, 1.0}:
        width = never(units or found.n)
        return replace(found, low=max(0.0, found.mean - width), high=min(1.0, found.mean + width))
    return found


def band(values: Sequence[float]) -> tuple[float, float]:
    """Return between which values 95 % of the given ones lie."""
    low, high = np.percentile(np.asarray(values, dtype=np.float64), _TAILS)
    return float(low), float(high)


def permutation_p(
    truth: Sequence[str], guesses: Sequence[str], *, units: Sequence[str], draws: int
) -> float:
    """Return how often shuffled truths are guessed as well: the p-value of an accuracy.

    (Phipson and Smyth 2010: the observed order counts as one, so that no p is zero.)

    Args:
        truth: labels.
        guesses: labels, in the same order.
        units: what each belongs to; all of a unit have one label, and units are shuffled whole.
        draws: shuffles.
    """
    labels = sorted(set(truth) | set(guesses))
    label_of = dict(zip(units, truth, strict=True))
    names = list(label_of)
    numbers = np.array([labels.index(label_of[name]) for name in names])
    place = np.array([names.index(unit) for unit in units])
    guessed = np.array([labels.index(each) for each in guesses])
    observed = int((numbers[place] == guessed).sum())
    chance = np.random.default_rng(_SEED)
    reached = sum(
        int((chance.permutation(numbers)[place] == guessed).sum()) >= observed for _ in range(draws)
    )
    return (reached + 1) / (draws + 1)


def _sums(
    clusters: Sequence[Sequence[float]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sums = np.array([math.fsum(values) for values in clusters], dtype=np.float64)
    counts = np.array([len(values) for values in clusters], dtype=np.float64)
    return sums, counts


def _weights(clusters: int, draws: int) -> NDArray[np.float64]:
    """Return how often each cluster is drawn, (draws, clusters)."""
    chance = np.random.default_rng(_SEED)
    drawn = chance.multinomial(clusters, [1 / clusters] * clusters, size=draws)
    return drawn.astype(np.float64)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
