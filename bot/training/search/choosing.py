"""The choice among settings that were tried on all folds.

Invariant: of settings that are as good as the best, within what chance may do, the simplest is taken.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a search varies.

    Attributes:
        rank: of LoRA's matrices; 0 where all weights learn.
        learning_rate: the highest.
        batch_rows: rows of a step.
    """

    rank: int
    learning_rate: float
    batch_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """Settings that were tried on all folds.

    Attributes:
        number: of the trial.
        settings: what they are.
        losses: nats a token, by fold, in the order of the folds.
    """

    number: int
    settings: Settings
    losses: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean loss of the folds."""
        return statistics.fmean(self.losses)


def choose(finalists: Sequence[Finalist]) -> Finalist:
    """Choose by the one-standard-error rule (Breiman et al. 1984), on paired differences.

    Folds differ in how hard they are, which all settings share; so the error is that of the
    differences from the best. Simplest is the lowest rank, then the lowest learning rate.
    """
    best = min(finalists, key=lambda each: each.mean)
    as_good = [each for each in finalists if each.mean - best.mean <= difference_error(each, best)]
    return min(as_good, key=lambda each: (each.settings.rank, each.settings.learning_rate))


def difference_error(one: Finalist, other: Finalist) -> float:
    """Return the standard error of the mean difference of two; 0 with a single fold."""
    differences = [a - b for a, b in zip(one.losses, other.losses, strict=True)]
    if len(differences) == 1:
        return 0.0
    return statistics.stdev(differences) / math.sqrt(len(differences))
