"""What stories should reach, beside people's.

Invariant: a goal is met where the mean meets it and enough passages were measured to say so;
nothing under one percent is claimed of fewer than 300.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.locales import N_
from bot.story.formats import LESSON, SCREENPLAY
from bot.training.evaluation.concept_writing import ConceptFigures
from bot.training.evaluation.figures import Column
from bot.training.evaluation.forms import FormFigures, GenreFigures
from bot.training.evaluation.genres import TagFigures

_NEAR = 0.03
_NON_WORDS = 0.02
_DRIFT = 0.05
_LOOPS = 0.01
_IN_BAND = 0.9
_FORMED = 0.95
_TABLES = 0.1
_ENOUGH = 200
_ENOUGH_FOR_ONE_PERCENT = 300
_SURE_P = 0.05


class Verdict(StrEnum):
    """How a goal stands."""

    MET = "met"
    MISSED = "missed"
    TOO_FEW = "too few passages"


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal of one column.

    Attributes:
        column: the column's name.
        label: a msgid.
        value: what was measured.
        low: what it may be at least.
        high: what it may be at most.
        verdict: how it stands.
    """

    column: str
    label: str
    value: float
    low: float
    high: float
    verdict: Verdict


def judge_column(column: Column, human: Column) -> list[Goal]:
    """Return the goals of a column, compared with people's text."""
    found: list[Goal] = []

    def add(name: str, label: str, low: float, high: float, enough: int = _ENOUGH) -> None:
        interval = column.figures.get(name)
        if interval is None:
            return
        found.append(
            _goal(column.name, label, interval.mean, (low, high), interval.n, enough=enough)
        )

    people = human.figures
    for name, label in (
        ("diversity", N_("diversity near people's")),
        ("rep_4", N_("rep-4 near people's")),
    ):
        add(name, label, max(0.0, people[name].mean - _NEAR), people[name].mean + _NEAR)
    add("non_words", N_("non-words near people's"), 0.0, people["non_words"].mean + _NON_WORDS)
    add("drift", N_("leaves the story seldom"), 0.0, _DRIFT)
    add("in_band", N_("likelihood in people's band"), _IN_BAND, 1.0)
    add("loops", N_("loops almost never"), 0.0, _LOOPS, _ENOUGH_FOR_ONE_PERCENT)
    return found


def judge_tags(model: str, tags: TagFigures) -> list[Goal]:
    """Return the goals of a model's genre tags, as far as they were measured."""
    found: list[Goal] = []
    for label, figures in (
        (N_("genre of people's texts told by the tags"), tags.held_out),
        (N_("stories follow their genre's tag"), tags.written),
    ):
        if isinstance(figures, GenreFigures):
            is_met = figures.accuracy > figures.chance and figures.p < _SURE_P
            verdict = Verdict.MET if is_met else Verdict.MISSED
            found.append(Goal(model, label, figures.accuracy, figures.chance, 1.0, verdict))
    return found


def judge_formats(model: str, found: Mapping[str, FormFigures]) -> list[Goal]:
    """Return the goals of a model's formats."""
    return [
        _goal(model, label, found[form].passed, (_FORMED, 1.0), found[form].stories)
        for form, label in (
            (SCREENPLAY, N_("screenplays have their form")),
            (LESSON, N_("lessons have their form")),
        )
        if form in found
    ]


def judge_concepts(model: str, found: ConceptFigures) -> list[Goal]:
    """Return the goals of a model's concept cards."""
    cards = found.complete.n
    return [
        _goal(model, N_("concept cards are complete"), found.complete.mean, (1.0, 1.0), cards),
        _goal(
            model, N_("few concept fields from tables"), found.fields.mean, (0.0, _TABLES), cards
        ),
    ]


def _goal(
    column: str,
    label: str,
    value: float,
    bounds: tuple[float, float],
    n: int,
    *,
    enough: int = _ENOUGH,
) -> Goal:
    low, high = bounds
    verdict = Verdict.MET if low <= value <= high else Verdict.MISSED
    if verdict is Verdict.MET and n < enough:
        verdict = Verdict.TOO_FEW
    return Goal(column, label, value, low, high, verdict)


def judge(columns: Sequence[Column], human: Column) -> list[Goal]:
    """Return the goals of all columns."""
    return [goal for column in columns for goal in judge_column(column, human)]
