"""Formats and genres are counted, and tested against chance."""

import pytest

from bot.story.formats import FORMATS
from bot.story.model import FormOutcome
from bot.training.evaluation.figures import Column
from bot.training.evaluation.format_writing import CHECKERS
from bot.training.evaluation.forms import Formed, judge_forms, judge_genres, pass_rate
from bot.training.evaluation.goals import Verdict, judge_column
from bot.training.intervals import Interval


def test_the_pass_rate_is_the_checkers() -> None:
    assert pass_rate(["INT. HOUSE", "he said", "EXT. ROAD", "FADE"], str.isupper) == 0.75
    assert pass_rate([], str.isupper) == 0.0


def test_a_genre_is_the_tag_that_makes_a_text_likeliest() -> None:
    fits = [{"a": -1.0, "b": -2.0}, {"a": -3.0, "b": -2.0}, {"a": -1.0, "b": -2.0}] * 10
    found = judge_genres(
        ["a", "b", "b"] * 10,
        fits,
        books=["one", "two", "three"] * 10,
        units=[str(number) for number in range(30)],
        draws=500,
    )
    assert found.by_book == {"one": (10, 10), "two": (10, 10), "three": (0, 10)}
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.chance == pytest.approx(2 / 3)
    assert found.confusion == {("a", "a"): 10, ("b", "b"): 10, ("b", "a"): 10}
    assert found.p < 0.05  # as often right as by always saying b, and yet it knows something


def column(name: str, **means: float) -> Column:
    figures = {figure: Interval(mean, mean, mean, 250) for figure, mean in means.items()}
    return Column(name=name, samples=(), values={}, figures=figures, by_seed={})


def test_goals_lie_around_peoples_text() -> None:
    people = column("people", diversity=0.9, rep_4=0.01, non_words=0.01)
    ours = column("ours", diversity=0.94, rep_4=0.02, non_words=0.029, drift=0.04, loops=0.0)
    verdicts = {goal.label: goal.verdict for goal in judge_column(ours, people)}
    assert verdicts == {
        "diversity near people's": Verdict.MISSED,
        "rep-4 near people's": Verdict.MET,
        "non-words near people's": Verdict.MET,
        "leaves the story seldom": Verdict.MET,
        "loops almost never": Verdict.TOO_FEW,
    }


def test_forms_are_counted_by_what_they_took() -> None:
    kept, again, repaired, missed = FormOutcome
    found = judge_forms(
        [
            Formed("GOOD", (kept,)),
            Formed("GOOD", (kept, again)),
            Formed("GOOD", (again, repaired)),
            Formed("bad", (repaired, missed)),
        ],
        str.isupper,
        wanted=5,
        draws=200,
    )
    assert (found.stories, found.failed) == (4, 1)
    assert (found.first, found.resampled, found.passed) == pytest.approx((0.2, 0.4, 0.6))
    assert found.repaired == pytest.approx(0.4)
    assert found.interval.n == 5
    assert found.interval.low < 0.6 < found.interval.high


def test_every_format_beyond_prose_has_its_checker() -> None:
    assert {"prose", *CHECKERS} == set(FORMATS)
    assert not any(checker("She went") for checker in CHECKERS.values())
