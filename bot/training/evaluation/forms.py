"""Formats and genres: whether a text has the form that was asked for, and tells its genre.

Invariant: what a format is, is said elsewhere; a checker is only counted here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.training.intervals import permutation_p

Checker = Callable[[str], bool]
"""Tells whether a text is correct in a format."""


@dataclass(frozen=True, slots=True)
class GenreFigures:
    """How well a model's tags tell genres.

    Attributes:
        accuracy: share of texts to which their own tag fits best.
        chance: accuracy of always guessing the commonest genre.
        p: how often shuffled genres would be told as well.
        confusion: texts by (genre, guess).
    """

    accuracy: float
    chance: float
    p: float
    confusion: Mapping[tuple[str, str], int]


def pass_rate(texts: Sequence[str], checker: Checker) -> float:
    """Return the share of texts that a checker passes."""
    return sum(map(checker, texts)) / max(1, len(texts))


def judge_genres(
    truth: Sequence[str], fits: Sequence[Mapping[str, float]], *, draws: int
) -> GenreFigures:
    """Guess each text's genre as the tag that makes it likeliest, and test that against chance.

    Args:
        truth: the texts' genres.
        fits: for each text, its log-likelihood after each genre's tag.
        draws: shuffles.
    """
    guesses = [max(fit, key=lambda genre: fit[genre]) for fit in fits]
    pairs = list(zip(truth, guesses, strict=True))
    return GenreFigures(
        accuracy=sum(one == other for one, other in pairs) / max(1, len(pairs)),
        chance=max(map(list(truth).count, set(truth)), default=0) / max(1, len(pairs)),
        p=permutation_p(truth, guesses, draws=draws),
        confusion={pair: pairs.count(pair) for pair in set(pairs)},
    )
