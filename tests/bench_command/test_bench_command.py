"""``roundtale bench``, from the command line to the last line of JSON."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.bench import plan as plans
from bot.bench.child import Here
from bot.bench.plan import Plan
from bot.bench.running import run_bench
from bot.locales import Words


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTALE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ROUNDTALE_THREADS", "1")
    monkeypatch.chdir(tmp_path)


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["roundtale", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def ways_of(rows: list[dict[str, Any]]) -> set[str]:
    return {row["way"] for row in rows}


def test_a_run_shows_tables_and_ends_with_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_folder: Path, plan: Plan
) -> None:
    run_bench(
        [str(tiny_folder)],
        plan,
        cache_dir=tmp_path / "cache",
        words=Words(),
        measurements=Here(),
    )
    shown, progress = capsys.readouterr()
    *tables, last = shown.splitlines()
    for text in ("Tokens a second", "Time to the first token", "Greedy text", "Steps in ms"):
        assert any(row.startswith(text) for row in tables)
    assert "tiny: Roundtale fp32, 3 at once" in progress
    found = json.loads(last)
    assert set(found) == {
        *("schema", "quick", "took_s", "busy_share", "machine", "models", "step_times", "goals")
    }
    assert 0 <= found["busy_share"] <= 1
    assert found["schema"] == 1
    assert not found["quick"]
    assert found["machine"]["versions"]["torch"]
    figures = found["models"]["tiny"]
    plain = {"snippet", "batched generate", "continuous batching"}
    assert plain | {"Roundtale fp32"} <= ways_of(figures["throughput"])
    measured = {(row["way"], row["batch"]) for row in figures["throughput"]}
    assert {
        ("snippet", 1),
        ("snippet", 3),
        ("Roundtale fp32", 1),
        ("Roundtale fp32", 3),
    } <= measured
    assert all(row["tokens_s"]["repeats"] == 2 for row in figures["throughput"])
    # What is compared is the same text, or its speed would mean nothing.
    agreement = {row["way"]: row for row in figures["agreement"]}
    for way in ("batched generate", "continuous batching", "Roundtale fp32"):
        assert agreement[way] == {"way": way, "tokens": 1.0, "texts": 1.0, "compared": 3}
    going_on = [row for row in figures["first_token"] if row["way"] == "Roundtale fp32"][-1]
    assert (going_on["prompt"], going_on["cached"]) == (10, 50)
    assert going_on["from_cache"] == 32  # whole chunks of the 50
    assert_steps(found["step_times"]["tiny"]["fp32"])
    assert_load(figures["load"])
    assert {goal["verdict"] for goal in found["goals"]} <= {
        *("met", "missed", "stretch", "not measured")
    }


def assert_steps(steps: dict[str, Any]) -> None:
    shapes = [(step["batch"], step["context"], step["sampling"]) for step in steps["decode"]]
    assert shapes == [(1, 20, "default"), (3, 20, "default"), (3, 20, "greedy")]
    assert all(step["ms"]["median"] > 0 for step in steps["decode"])
    assert steps["prefill_ms_per_token"] is not None


def assert_load(load: dict[str, Any]) -> None:
    assert [each["channels"] for each in load["channels"]] == [1, 3]
    for each in load["channels"]:
        assert each["tokens_s"] > 0
        assert 0 < each["first_ms_p50"] <= each["first_ms_p99"]
        assert 0 < each["continued_ms_p50"] <= each["continued_ms_p99"]
        assert each["lag"]["p50_ms"] <= each["lag"]["p99_ms"] <= each["lag"]["max_ms"]
    assert load["disturbance"]["readers"] == 2
    assert 0 < load["disturbance"]["gap_ms_p50"] <= load["disturbance"]["gap_ms_max"]
    assert load["loading_s"] > 0
    memory = load["memory"]
    assert memory["peak"] >= memory["libraries"] > memory["weights"] > memory["kv_cache"] > 0


def test_a_quick_run_measures_in_processes_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tiny_folder: Path,
    plan: Plan,
) -> None:
    monkeypatch.setattr(plans, "QUICK", replace(plan, compares=False, repeats=1))
    arguments = ("--quick", "--json-only", "--repeats", "2")
    assert bench(monkeypatch, *arguments, "--model", str(tiny_folder)) == 0
    (line,) = capfd.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["quick"]
    figures = found["models"]["tiny"]
    assert ways_of(figures["throughput"]) >= {"snippet", "Roundtale fp32"}
    assert "batched generate" not in ways_of(figures["throughput"])
    assert all(row["tokens_s"]["repeats"] == 2 for row in figures["throughput"])
    assert_load(figures["load"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model", "nobody/nothing"), "nobody/nothing"),
        (("--chart", "nowhere/figures.png"), "The chart cannot be written to nowhere/figures.png"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    if "--chart" in arguments:
        pytest.importorskip("matplotlib")
    assert bench(monkeypatch, *arguments) == 1
    shown, told = capsys.readouterr()
    assert shown == ""
    assert sentence in told
    assert told.count("\n") == 1


def test_a_chart_without_matplotlib_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bench(monkeypatch, "--chart", "figures.png") == 1
    assert "pip install 'roundtale[plots]'" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["snippet, 8 at once", "under load"])
def test_ctrl_c_ends_it_at_once_and_without_a_traceback(
    tmp_path: Path, tiny_folder: Path, at: str
) -> None:
    plan = (
        "Plan(batches=(1,), snippet_threads=8, prompt_tokens=40, new_tokens=200, first_tokens=(9,),"
        " cached_tokens=9, repeats=1, compares=False, steps=(),"
        " channels=(8,), shortest_context=50, longest_context=60, turns=10000 if load else 1,"
        " turn_tokens=1)"
    )
    code = (
        # A shell's background job, which this test may run in, ignores Ctrl-C.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys\nfrom bot import cli\nfrom bot.bench import plan as plans\n"
        f"load = {at == 'under load'}\nPlan = plans.Plan\n"
        f"plans.FULL = {plan}\n"
        "Plan.window_tokens = property(lambda self: 240)\n"
        f"sys.argv = ['roundtale', 'bench', '--model', {str(tiny_folder)!r}]\ncli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,  # a terminal sends Ctrl-C to the whole group
    )
    assert process.stderr is not None
    told: list[str] = []
    for row in process.stderr:
        told.append(row)
        if at in row:
            break
    os.killpg(process.pid, signal.SIGINT)
    shown, rest = process.communicate(timeout=20)
    assert process.returncode == 130, (told, rest)
    assert shown == ""
    assert "Traceback" not in rest
