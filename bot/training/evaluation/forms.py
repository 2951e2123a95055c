"""Formats and genres: whether a text has the form that was asked for, and tells its genre.

Invariant: what a format is, is said elsewhere; a checker is only counted here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

from bot.story.model import FormOutcome
from bot.training.intervals import Interval, bootstrap, honest, permutation_p

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


@dataclass(frozen=True, slots=True)
class Formed:
    """A story in a format.

    Attributes:
        text: the whole of it.
        outcomes: of its passages that had to have a form.
    """

    text: str
    outcomes: tuple[FormOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFigures:
    """How often stories in a format have its form; shares of all that were wanted.

    Attributes:
        stories: that were written.
        failed: that were not.
        first: pass as they were first sampled.
        resampled: pass without any repair.
        passed: pass.
        repaired: had something repaired.
        interval: of ``passed``, over the stories that were wanted.
    """

    stories: int
    failed: int
    first: float
    resampled: float
    passed: float
    repaired: float
    interval: Interval

    def as_json(self) -> dict[str, object]:
        """Return the numbers."""
        return {**asdict(self), "interval": self.interval.as_json()}


def judge_forms(
    found: Sequence[Formed], checker: Checker, *, wanted: int, draws: int
) -> FormFigures:
    """Count a checker over the stories of one format.

    Args:
        found: those that were written.
        checker: of the whole text.
        wanted: how many there should be: one that failed has no form.
        draws: of the bootstrap.
    """
    checker = cache(checker)  # each share asks it anew
    kept, again = {FormOutcome.KEPT}, {FormOutcome.KEPT, FormOutcome.RESAMPLED}

    def share(stories: Sequence[Formed]) -> float:
        return pass_rate([story.text for story in stories], checker) * len(stories) / max(1, wanted)

    passes = [float(checker(story.text)) for story in found] + [0.0] * (wanted - len(found))
    return FormFigures(
        stories=len(found),
        failed=wanted - len(found),
        first=share([story for story in found if set(story.outcomes) <= kept]),
        resampled=share([story for story in found if set(story.outcomes) <= again]),
        passed=share(found),
        repaired=sum(FormOutcome.REPAIRED in story.outcomes for story in found) / max(1, wanted),
        interval=honest(
            bootstrap({str(at): [each] for at, each in enumerate(passes)}, draws=draws)
        ),
    )


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
