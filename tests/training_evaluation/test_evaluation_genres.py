"""Genre tags: told in texts that the model was not trained on, and in what it writes itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.locales import Words
from bot.settings import Settings
from bot.training.evaluation.evaluating import evaluate
from bot.training.evaluation.genres import TagFigures, WhyNot, measure_tags
from bot.training.evaluation.goals import Verdict
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.report import render, table
from bot.training.evaluation.samples import read_people
from bot.training.evaluation.scoring import Scorer
from bot.training.evaluation.wishes import Wish
from tests.support.tagged_model import GENRE_WORDS, train_on_one_thread, write_genre_tales

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on_one_thread(tmp_path_factory.mktemp("tagged"))


@pytest.fixture
def small(plan: Plan) -> Plan:
    return replace(plan, seeds=1, genre_pieces=12, genre_openings=4)


def measure(folder: Path, tales: Path, plan: Plan) -> TagFigures:
    scorer = Scorer(folder, name="t", precision="fp32", threads=1, size=64, context=16)
    found = measure_tags(
        scorer,
        folder,
        read_people([tales]),
        WhyNot.NO_COMPLETION,
        plan,
        report=lambda done, total: None,
    )
    assert found is not None
    return found


def test_genres_are_told_in_books_that_were_held_out_and_in_its_own_stories(
    tmp_path: Path, folder: Path, small: Plan
) -> None:
    tales = write_genre_tales(tmp_path / "new.jsonl", first=1000, count=24)
    results = evaluate(
        Wish(models=[str(folder)], human=[tales], out=tmp_path),
        small,
        settings=Settings(cache_dir=tmp_path / "cache", threads=1, precision="fp32"),
        report=lambda what, done, total: None,
    )
    found: Any = results.as_json()["genre_tags"]
    told, written = found["tagged"]["held_out"], found["tagged"]["written"]
    assert told["texts"] == 24
    assert told["accuracy"] > 0.9
    assert told["p"] < 0.01
    assert set(told["by_book"]) == {f"{genre} {n}" for genre in GENRE_WORDS for n in range(2)}
    assert sum(written["confusion"]["romance"].values()) > 0
    assert 0 <= written["accuracy"] <= 1
    (goal,) = [each for each in results.goals if each.label.startswith("genre of people's")]
    assert (goal.column, goal.verdict) == ("tagged", Verdict.MET)
    page = render(results, Words())
    assert "Genre tags" in page
    assert "fairy tale 1: " in page
    assert table(results, Words()).row_count > 20


def test_one_book_of_a_genre_is_not_enough(tmp_path: Path, folder: Path, small: Plan) -> None:
    tales = write_genre_tales(tmp_path / "new.jsonl", first=1000, count=24, books=1)
    found = measure(folder, tales, small)
    assert found.held_out is WhyNot.TOO_FEW_BOOKS
    assert found.books == dict.fromkeys(GENRE_WORDS, 1)


def test_what_it_was_trained_on_does_not_count(folder: Path, small: Plan) -> None:
    found = measure(folder, folder.parent / "tales.jsonl", small)
    assert 150 < found.trained_on < 200
    assert set(found.books.values()) <= {1, 2}


def test_a_model_without_tags_has_no_such_figures(
    tiny_folder: Path, tales: Path, small: Plan
) -> None:
    scorer = Scorer(tiny_folder, name="t", precision="fp32", threads=1, size=64, context=16)
    written: Mapping[str, Sequence[Any]] = {}
    people = read_people([tales])
    assert (
        measure_tags(scorer, tiny_folder, people, written, small, report=lambda done, total: None)
        is None
    )
