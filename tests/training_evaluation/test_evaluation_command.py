"""``roundtale evaluate``, from the command line to the report."""

import inspect
import json
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bot import cli
from bot.cli import evaluation
from bot.engine.types import GenerationRequest, PromptPart
from bot.policy.settings import resolve
from bot.story.concept import ConceptField
from bot.text.passage import PassageMonitor
from bot.text.words import count_words
from bot.training.evaluation import evaluating
from bot.training.evaluation import plan as plans
from bot.training.evaluation.ablations import ABLATIONS, leave_out
from bot.training.evaluation.figures import FIGURES
from bot.training.evaluation.plan import Plan


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    monkeypatch.setenv("ROUNDTALE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ROUNDTALE_THREADS", "1")
    monkeypatch.setenv("ROUNDTALE_PRECISION", "fp32")
    monkeypatch.setattr(plans, "FULL", plan)
    monkeypatch.chdir(tmp_path)


def evaluate(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["roundtale", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def read(line: str) -> Any:
    return json.loads(line, parse_constant=pytest.fail)


def test_a_run_writes_measures_and_reports(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_folder: Path,
    tales: Path,
    tmp_path: Path,
) -> None:
    status = evaluate(
        monkeypatch,
        *("--model", tiny_folder, "--human", tales, "--out", tmp_path / "report"),
        *("--without", "everything", "--set", "temperature=0.7,top_p=0.9", "--formats", "1"),
        *("--concepts", "2"),
    )
    shown, _ = capsys.readouterr()
    assert status == 0
    *tables, last = shown.splitlines()
    assert any("diversity" in line for line in tables)
    found = read(last)
    assert any("as first sampled" in line for line in tables)
    assert set(found["forms"]["tiny"]) == {"fable", "screenplay", "lesson"}
    assert all(each["stories"] + each["failed"] == 1 for each in found["forms"]["tiny"].values())
    concepts = found["concepts"]["tiny"]
    assert concepts["complete"] == {"mean": 1.0, "low": 0.0, "high": 1.0, "n": 2}
    assert set(concepts["by_field"]) == {field.value for field in ConceptField}
    assert concepts["fields_from_tables"]["n"] == 12
    assert any("fields from tables" in line for line in tables)
    names = ["people", "essay's snippet", "tiny", "tiny temperature=0.7,top_p=0.9"]
    assert list(found["columns"]) == [*names, "tiny without everything"]
    written = found["columns"]["tiny"]
    assert written["passages"] + written["short"] == 6
    assert written["failed"] == 0
    # The first openings name nobody.
    assert set(written["figures"]) == {figure.name for figure in FIGURES} - {
        *("cast_kept", "mauve", "mixed_pronouns")
    }
    assert "whole" not in found["columns"]["people"]["figures"]
    for column in found["columns"].values():
        for figure in column["figures"].values():
            if figure["low"] is not None:
                assert figure["low"] <= figure["mean"] + 1e-9
                assert figure["mean"] <= figure["high"] + 1e-9
    # What was not seen in six passages may still happen in half of them.
    drift = written["figures"]["drift"]
    assert (drift["mean"], drift["high"]) == (0.0, 3 / written["passages"])
    # Greedy text of this model says the same again and again; that is what the columns are for.
    repeats = {name: each["figures"]["rep_4"]["mean"] for name, each in found["columns"].items()}
    assert repeats["essay's snippet"] > 0.2 > repeats["tiny"]
    assert found["differences"]["tiny without everything"]["rep_2"]["n"] > 0
    reading = found["held_out"]["tiny"]
    assert reading["word_perplexity"] > reading["token_perplexity"] > reading["byte_perplexity"] > 1
    kept = [(each["distance_tokens"], each["recap"]) for each in found["retention"]["tiny"]]
    assert kept == [(20, False), (20, True), (40, False), (40, True)]
    assert {goal["column"] for goal in found["goals"]} == set(list(found["columns"])[2:])
    labels = {goal["label"]: goal["verdict"] for goal in found["goals"] if goal["column"] == "tiny"}
    assert labels["concept cards are complete"] == "too few passages"
    assert "lessons have their form" in labels
    assert_report(tmp_path / "report", found)


def assert_report(folder: Path, found: Any) -> None:
    kept = read((folder / "report.json").read_text("utf-8"))
    stories = kept.pop("stories")
    assert kept == found
    assert all(count_words(each["text"]) >= 20 for each in stories["tiny"])
    page = (folder / "report.html").read_text("utf-8")
    assert "Differences from tiny<" in page
    assert "intervals over seeds" in page
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "").replace("https://matplotlib.org", "")
    assert stories["tiny"][0]["text"].split("\n")[0][:40] in page


def test_the_same_run_gives_the_same_stories(
    monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tales: Path, tmp_path: Path, plan: Plan
) -> None:
    monkeypatch.setattr(plans, "QUICK", replace(plan, seeds=1))
    stories = []
    for name, active in (("one", 4), ("two", 1)):
        monkeypatch.setattr(plans, "QUICK", replace(plan, seeds=1, max_active=active))
        arguments = ("--quick", "--json-only", "--model", tiny_folder, "--human", tales)
        assert evaluate(monkeypatch, *arguments, "--out", tmp_path / name) == 0
        stories.append(read((tmp_path / name / "report.json").read_text("utf-8"))["stories"])
    assert stories[0] == stories[1]


def test_a_run_that_was_broken_off_goes_on_with_the_same_stories(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_folder: Path,
    tales: Path,
    tmp_path: Path,
) -> None:
    arguments = ("--json-only", "--model", tiny_folder, "--human", tales, "--out", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "write_greedily", lambda *_: pytest.exit("killed"))
        patch.setattr(sys, "argv", ["roundtale", "evaluate", *map(str, arguments)])
        with pytest.raises(pytest.exit.Exception):
            cli.main()
    unfinished = tmp_path / "unfinished.jsonl"
    whole = unfinished.read_text("utf-8")
    first = read(whole.splitlines()[1])
    # The last line was being written; the first story is marked, so that it is known again.
    marked = whole.replace(json.dumps(first["sample"]["whole"]), '"as it was"')[:-40]
    unfinished.write_text(marked, "utf-8")
    assert evaluate(monkeypatch, *arguments) == 0
    stories = read((tmp_path / "report.json").read_text("utf-8"))["stories"]["tiny"]
    assert [each["text"] for each in stories].count("as it was") == 1
    assert len(stories) + read(capsys.readouterr().out)["columns"]["tiny"]["short"] == 6
    assert not unfinished.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "temperature"), "is no setting"),
        (("--set", "temprature=1"), "temprature"),
        (("--without", "lops"), "There is no measure called lops"),
        (("--words", "400", "--mauve"), "--mauve needs mauve-text"),
        (("--words", "400"), "passages of 400 words; 10 are needed"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_folder: Path,
    tales: Path,
    *,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.setitem(sys.modules, "mauve", None)
    assert evaluate(monkeypatch, "--model", tiny_folder, "--human", tales, *arguments) == 1
    assert sentence in capsys.readouterr().err


def test_mauve_compares_with_people_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_folder: Path,
    tales: Path,
    plan: Plan,
) -> None:
    def compute(p_features: Any, q_features: Any, **options: object) -> SimpleNamespace:
        assert p_features.shape == q_features.shape
        return SimpleNamespace(mauve=float((p_features == q_features).mean()))

    library = ModuleType("mauve")
    library.__spec__ = ModuleSpec("mauve", None)
    monkeypatch.setattr(library, "compute_mauve", compute, raising=False)
    monkeypatch.setitem(sys.modules, "mauve", library)
    monkeypatch.setattr(plans, "FULL", replace(plan, seeds=1))
    arguments = ("--json-only", "--mauve", "--model", tiny_folder, "--human", tales)
    assert evaluate(monkeypatch, *arguments) == 0
    columns = read(capsys.readouterr().out)["columns"]
    assert columns["tiny"]["figures"]["mauve"]["mean"] < 0.1
    assert "mauve" not in columns["people"]["figures"]


def test_every_option_and_measure_stands_in_the_documentation() -> None:
    root = Path(__file__).parents[2]
    guide = (root / "docs/evaluation.md").read_text("utf-8")
    assert all(f"`{name}`" in guide for name in ABLATIONS)
    (row,) = [
        line
        for line in (root / "README.md").read_text("utf-8").splitlines()
        if line.startswith("| `roundtale evaluate` |")
    ]
    for name in inspect.signature(evaluation.evaluate).parameters:
        option = {"settings": "set"}.get(name, name).replace("_", "-")
        assert f"--{option}" in row


def test_an_ablation_lets_a_loop_through() -> None:
    monitor = PassageMonitor(min_chars=120, target_chars=280)
    request = GenerationRequest(prompt=[PromptPart("He went home.")], monitor=monitor)
    settings = resolve({})
    text = " He said it was so. He said it was so. He said it was so. He said it was so."
    free = leave_out(request, ABLATIONS["loops"], settings)
    watched = leave_out(request, ABLATIONS["drift"], settings)
    assert free.monitor is not None
    assert watched.monitor is not None
    assert free.monitor.check(text, 30, at_end=False).keep_chars == 0
    assert 0 < watched.monitor.check(text, 30, at_end=False).keep_chars < len(text)
    assert leave_out(request, ABLATIONS["min_p"], settings) is request
    field = replace(request, monitor=None)
    assert leave_out(field, ABLATIONS["loops"], settings) is field
