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
        p: how often shuffled genres would be told as well; whole units are shuffled.
        confusion: texts by (genre, guess).
        by_book: of each book's texts, how many were told and how many there are.
    """

    accuracy: float
    chance: float
    p: float
    confusion: Mapping[tuple[str, str], int]
    by_book: Mapping[str, tuple[int, int]]

    @property
    def texts(self) -> int:
        """How many were guessed."""
        return sum(self.confusion.values())


def pass_rate(texts: Sequence[str], checker: Checker) -> float:
    """Return the share of texts that a checker passes."""
    return sum(map(checker, texts)) / max(1, len(texts))


def judge_genres(
    truth: Sequence[str],
    fits: Sequence[Mapping[str, float]],
    *,
    books: Sequence[str],
    units: Sequence[str],
    draws: int,
) -> GenreFigures:
    """Guess each text's genre as the tag that makes it likeliest, and test that against chance.

    Args:
        truth: the texts' genres.
        fits: for each text, its log-likelihood after each genre's tag.
        books: what each text is from.
        units: what texts have in common that are no independent evidence (a tale), each of one genre.
        draws: shuffles.
    """
    guesses = [max(fit, key=lambda genre: fit[genre]) for fit in fits]
    pairs = list(zip(truth, guesses, strict=True))
    return GenreFigures(
        accuracy=sum(one == other for one, other in pairs) / max(1, len(pairs)),
        chance=max(map(list(truth).count, set(truth)), default=0) / max(1, len(pairs)),
        p=permutation_p(truth, guesses, units=units, draws=draws),
        confusion={pair: pairs.count(pair) for pair in sorted(set(pairs))},
        by_book={
            book: (sum(one == other for one, other in found), len(found))
            for book in dict.fromkeys(books)
            for found in [[pair for pair, own in zip(pairs, books, strict=True) if own == book]]
        },
    )
