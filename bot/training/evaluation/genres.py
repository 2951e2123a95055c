"""Genre tags: whether a model tells genres by them, in people's texts and in its own.

Invariants:
    - A text's genre is guessed as the one whose tag makes it likeliest to the model itself, and
      nothing but the tag differs between the guesses.
    - Tales that the model was trained on are left out, and a genre counts only with texts of two
      books at least: of one it would be the book that is told.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.engine.types import ModelInfo, PromptStyle
from bot.locales import N_
from bot.story.concept_tables import GENRES
from bot.story.control_tags import genre_tag, tags_for
from bot.training.data import Tale
from bot.training.evaluation.forms import GenreFigures, judge_genres
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.samples import Sample, pieces
from bot.training.evaluation.scoring import Scorer
from bot.training.record import trained_on

LEAST_BOOKS = 2
LEAST_GENRES = 2
_PROSE = "prose"  # the format in which openings are gone on with

Report = Callable[[int, int], None]


class WhyNot(StrEnum):
    """Why genres were not told."""

    TOO_FEW_TAGS = N_("it was trained with fewer than two genres")
    TOO_FEW_BOOKS = N_("fewer than two of its genres have texts of two books or more")
    NO_COMPLETION = N_("tags stand in prompts of the completion style only")
    NOTHING_WRITTEN = N_("no story of some genre is long enough")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFigures:
    """What a model's genre tags are worth.

    Attributes:
        genres: those that it has a tag of.
        books: by genre, of how many books there are texts that it was not trained on.
        trained_on: tales that were left out, for it was trained on them.
        held_out: how well people's texts are told; or why they were not.
        written: how well the model's own stories are told; or why they were not.
    """

    genres: tuple[str, ...]
    books: Mapping[str, int]
    trained_on: int
    held_out: GenreFigures | WhyNot
    written: GenreFigures | WhyNot


def genres_of(tags: Collection[str]) -> tuple[str, ...]:
    """Return the genres that a model has tags of."""
    return tuple(genre for genre in GENRES if genre_tag(genre) in tags)


def why_not_written(info: ModelInfo) -> WhyNot | None:
    """Return why no stories are written by genre; None where they are."""
    if len(genres_of(info.tags)) < LEAST_GENRES:
        return WhyNot.TOO_FEW_TAGS
    return None if info.style is PromptStyle.COMPLETION else WhyNot.NO_COMPLETION


def measure_tags(
    scorer: Scorer,
    folder: Path,
    tales: Sequence[Tale],
    written: Mapping[str, Sequence[Sample]] | WhyNot,
    plan: Plan,
    *,
    report: Report,
) -> TagFigures | None:
    """Guess genres by a model's tags; None where it has none.

    Args:
        scorer: the model.
        folder: its own, which may tell what it was trained on.
        tales: people's, normalised.
        written: by genre, the stories that the model wrote with its tag; or why there are none.
        plan: the sizes.
        report: hears how many texts of how many were read.
    """
    genres = genres_of(scorer.tags)
    if not genres:
        return None
    seen = trained_on(folder)
    fresh = [tale for tale in tales if tale.id not in seen]
    books = {genre: len({tale.source for tale in fresh if tale.genre == genre}) for genre in genres}
    usable = [genre for genre in genres if books[genre] >= LEAST_BOOKS]
    theirs = _pieces(fresh, usable, plan) if len(usable) >= LEAST_GENRES else []
    own = [] if isinstance(written, WhyNot) else _own(written)
    done = 0

    def fit(text: _Text) -> dict[str, float]:
        nonlocal done
        found = {
            genre: -scorer.nats(text.sample, tags=tags_for(text.form, genre)) for genre in genres
        }
        done += 1
        report(done, len(theirs) + len(own))
        return found

    return TagFigures(
        genres=genres,
        books=books,
        trained_on=len(tales) - len(fresh),
        held_out=_judge(theirs, fit, plan) if theirs else _why_not_held_out(genres),
        written=written if isinstance(written, WhyNot) else _judge(own, fit, plan),
    )


@dataclass(frozen=True, slots=True)
class _Text:
    """A text whose genre is guessed.

    Attributes:
        genre: the true one.
        form: its format.
        book: what it is from.
        unit: what it shares with others that are no independent evidence.
        sample: the text.
    """

    genre: str
    form: str
    book: str
    unit: str
    sample: Sample


def _pieces(tales: Sequence[Tale], genres: Sequence[str], plan: Plan) -> list[_Text]:
    """Return equally many pieces of each genre at most, evenly from its tales."""
    found: list[_Text] = []
    for genre in genres:
        own = {tale.id: tale for tale in tales if tale.genre == genre}
        texts = {name: tale.text for name, tale in own.items()}
        found += [
            _Text(genre, own[each.source].format, own[each.source].source, each.source, each)
            for each in pieces(texts, words=plan.words, limit=plan.genre_pieces)
        ]
    return found


def _own(written: Mapping[str, Sequence[Sample]]) -> list[_Text]:
    return [
        _Text(genre, _PROSE, each.source, f"{genre} {each.source} {each.seed}", each)
        for genre, samples in written.items()
        for each in samples
    ]


def _judge(
    texts: Sequence[_Text], fit: Callable[[_Text], Mapping[str, float]], plan: Plan
) -> GenreFigures:
    return judge_genres(
        [text.genre for text in texts],
        [fit(text) for text in texts],
        books=[text.book for text in texts],
        units=[text.unit for text in texts],
        draws=plan.draws,
    )


def _why_not_held_out(genres: Sequence[str]) -> WhyNot:
    return WhyNot.TOO_FEW_TAGS if len(genres) < LEAST_GENRES else WhyNot.TOO_FEW_BOOKS
