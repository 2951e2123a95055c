import json
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import optuna
import pytest

from bot import cli
from bot.locales import Words
from bot.training import loop, running
from bot.training.data import read_tales, split
from bot.training.errors import NoRoomError, NoTimeError, OtherRunError, TooFewTalesError
from bot.training.recipe import Method, Recipe
from bot.training.running import Sources
from bot.training.search import searching
from bot.training.search.choosing import Finalist, Settings, choose, difference_error
from bot.training.search.searching import STUDY, Plan, run_search
from tests.training.training_kit import Notes, write_tales

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
WORDS = Words()
PLAN = Plan(trials=4, folds=2)


@pytest.fixture
def short(recipe: Recipe) -> Recipe:
    return replace(recipe, epochs=0.2)


def finalist(number: int, rank: int, rate: float, *losses: float) -> Finalist:
    return Finalist(
        number=number,
        settings=Settings(rank=rank, learning_rate=rate, batch_rows=4),
        losses=losses,
    )


def test_the_simplest_within_one_paired_error_of_the_best_is_chosen() -> None:
    best = finalist(1, 16, 1e-3, 3.00, 4.00, 5.00)
    as_good = finalist(2, 8, 1e-3, 3.02, 3.99, 5.01)
    lower_rate = finalist(3, 8, 5e-4, 3.02, 3.99, 5.01)
    # Worse on every fold by the same: far within the folds' spread, but never by chance.
    steadily_worse = finalist(4, 4, 1e-4, 3.1, 4.1, 5.1)
    assert difference_error(best, steadily_worse) == pytest.approx(0.0, abs=1e-9)
    assert choose([best, as_good, lower_rate, steadily_worse]).number == 3
    assert choose([best, steadily_worse]).number == 1
    assert choose([finalist(1, 4, 1e-3, 2.0), finalist(2, 2, 1e-3, 2.1)]).number == 1


def test_a_search_tries_many_on_one_fold_and_the_best_on_all(
    tmp_path: Path,
    sources: Sources,
    short: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[set[str]] = []
    prepare = running.prepare

    def noted(base: object, parts: object, recipe: object) -> object:
        seen.extend({tale.text for tale in part} for part in parts)  # type: ignore[attr-defined]  # pairs of tales
        return prepare(base, parts, recipe)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(searching, "prepare", noted)
    found = run_search(sources, tmp_path / "out", short, PLAN, notes, WORDS)
    assert len(found.tried) == 4
    assert all(len(each.losses) == 2 for each in found.finalists)
    assert found.chosen in found.finalists
    tests = split(read_tales(sources.tales), short.seed).test
    assert all(tale.text.strip() not in texts for tale in tests for texts in seen)
    page = (tmp_path / "out" / "search.md").read_text(encoding="utf-8")
    assert f"--learning-rate {found.chosen.settings.learning_rate:.2g}" in page
    assert "depends on the budget" in page
    assert f"**{found.chosen.number}**" in page
    assert (tmp_path / "out" / "search.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / "out" / "search.json").read_text(encoding="utf-8"))
    assert figures["chosen"] == found.chosen.number


def test_a_killed_search_measures_nothing_twice(
    tmp_path: Path,
    sources: Sources,
    short: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[int] = []
    train = loop.train_model

    def counted(*arguments: object, **more: object) -> object:
        trained.append(len(trained))
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(*arguments, **more)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(searching, "train_model", counted)
    with pytest.raises(KeyboardInterrupt):
        run_search(sources, tmp_path / "out", short, PLAN, notes, WORDS)
    found = run_search(sources, tmp_path / "out", short, PLAN, notes, WORDS)
    finalists = len(found.finalists)
    assert len(trained) == 1 + 4 + finalists
    again = run_search(sources, tmp_path / "out", short, PLAN, notes, WORDS)
    assert len(trained) == 1 + 4 + finalists
    assert again.finalists == found.finalists
    study = optuna.load_study(
        study_name="roundtale", storage=f"sqlite:///{tmp_path / 'out' / STUDY}"
    )
    states = [trial.state.name for trial in study.trials]
    assert states.count("FAIL") == 1
    assert "RUNNING" not in states


def test_hopeless_settings_are_left_early(
    tmp_path: Path,
    sources: Sources,
    short: Recipe,
    notes: Notes,
) -> None:
    found = run_search(sources, tmp_path / "out", short, replace(PLAN, trials=8), notes, WORDS)
    early = [each for each in found.tried if not each.is_complete]
    assert early
    assert all(len(each.losses) < 4 for each in early)
    assert any("left early" in line for line in notes.lines)


def test_the_time_bounds_the_rows_and_ends_the_search(
    tmp_path: Path,
    sources: Sources,
    short: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "measure", lambda *_: (0.2, 0.001))
    clock = count(0, 5)
    monkeypatch.setattr(searching._Search, "spent_s", property(lambda _: next(clock)))
    plan = Plan(trials=50, folds=2, time_limit_s=100.0)
    found = run_search(sources, tmp_path / "out", replace(short, epochs=500.0), plan, notes, WORDS)
    assert found.rows == 47  # (100 s * 0.6 / 25 runs - 4 validations) / 0.05 s
    assert 4 <= len(found.tried) <= 8
    assert found.chosen in found.finalists


def test_a_time_that_is_too_short_is_said_with_one_that_is_not(
    tmp_path: Path,
    sources: Sources,
    short: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "measure", lambda *_: (10.0, 10.0))
    with pytest.raises(NoTimeError, match="minutes"):
        run_search(sources, tmp_path / "out", short, replace(PLAN, time_limit_s=60.0), notes, WORDS)


def test_a_study_of_other_tales_is_not_mixed_with_this_one(
    tmp_path: Path, sources: Sources, short: Recipe, notes: Notes
) -> None:
    one = replace(PLAN, trials=1)
    run_search(sources, tmp_path / "out", short, one, notes, WORDS)
    other = replace(sources, tales=[write_tales(tmp_path / "other.jsonl", count=9)])
    with pytest.raises(OtherRunError):
        run_search(other, tmp_path / "out", short, one, notes, WORDS)


def test_all_weights_can_be_searched_too(
    tmp_path: Path, sources: Sources, short: Recipe, notes: Notes
) -> None:
    full = replace(short, method=Method.FULL)
    found = run_search(sources, tmp_path / "out", full, replace(PLAN, trials=1), notes, WORDS)
    assert found.chosen.settings.rank == 0
    assert "--method full" in found.options()


def test_fewer_tales_than_folds_are_refused(
    tmp_path: Path, sources: Sources, short: Recipe, notes: Notes
) -> None:
    few = replace(sources, tales=[write_tales(tmp_path / "few.jsonl", count=4)])
    with pytest.raises(TooFewTalesError):
        run_search(few, tmp_path / "out", short, replace(PLAN, folds=5), notes, WORDS)


def test_a_full_disk_is_said(
    tmp_path: Path,
    sources: Sources,
    short: Recipe,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise optuna.exceptions.StorageInternalError("x") from RuntimeError(
            "(sqlite3.OperationalError) database or disk is full"
        )

    monkeypatch.setattr(optuna.study.Study, "set_user_attr", full)
    with pytest.raises(NoRoomError):
        run_search(sources, tmp_path / "out", short, PLAN, notes, WORDS)


def test_the_command_searches_and_says_what_to_do(
    tmp_path: Path,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ROUNDTALE_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    line = ["roundtale", "train", "tales.jsonl", "--model", sources.model, "--into", "found"]
    line += ["--window", "64", "--epochs", "0.2", "--search", "--trials", "2", "--folds", "2"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "Best: roundtale train --learning-rate" in said
    assert "depends on the budget" in said
    assert "search.md" in said
