"""``roundtale capacity``: what it finds, and how it is shown."""

import sys
from pathlib import Path

import pytest

from benchmarks.capacity import DOCUMENT, put
from bot import cli
from bot.bench import capacity as command
from bot.bench.capacity import Engine, run_capacity, scenarios_of
from bot.bench.capacity_figures import Checked, Row, largest, simulate
from bot.bench.closed_loop import Effort
from bot.bench.costs import Costs
from bot.bench.simulation import Installation, Outcome, Seen
from bot.bench.workload import TOKENS_PER_WORD, Workload
from bot.locales import Words

EFFORT = Effort(
    batches=(1, 3),
    repeats=1,
    step_tokens=8,
    passages=20,
    most_channels=4,
    check=((1, 2), (3, 2)),
    check_think_s=0.02,
)
ENGINE = Engine(max_active=2, max_waiting=64, kv_cache_bytes=2**24, threads=1)
OWN = Installation(max_active=8, max_waiting=64, kv_cache_bytes=512 * 2**20, kv_token_bytes=73728)
COSTS = Costs(fixed_s=0.012, decode_s=0.0015, context_s=3e-6, prefill_s=0.0006)


def seen(first_s: float, cached_tokens: int = 50) -> Seen:
    return Seen(
        first_s=first_s,
        whole_s=first_s + 2.0,
        tokens=119,
        prompt_tokens=100,
        cached_tokens=cached_tokens,
    )


def test_a_row_summarises_what_channels_saw() -> None:
    waits = [float(number) for number in range(1, 101)]
    outcome = Outcome(seen=[seen(wait) for wait in waits], refused=1, seconds=400.0, busy_s=100.0)
    row = Row.of(4, outcome)
    assert (row.first_p50_s, row.first_p95_s, row.whole_p95_s) == (50.0, 95.0, 97.0)
    assert row.words_s_p50 == pytest.approx(118 / 2 / TOKENS_PER_WORD)
    assert (row.passages_s, row.busy_share, row.cached_share) == (0.25, 0.25, 0.5)
    assert row.refused_share == pytest.approx(1 / 101)
    assert row.keeps_first(95.1)
    assert not row.keeps_first(95.0)
    assert row.keeps_reading


def test_channels_that_are_refused_are_not_carried() -> None:
    row = Row.of(4, Outcome(seen=[seen(0.1)] * 50, refused=1, seconds=10.0, busy_s=1.0))
    assert not row.keeps_first(2.0)
    assert not row.keeps_reading


@pytest.mark.parametrize("limit", range(22))
def test_the_largest_number_is_found_with_few_tries(limit: int) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= limit

    assert largest(holds, 20) == min(limit, 20)
    assert len(tried) <= 10
    assert max(tried) <= 20


def test_more_channels_wait_longer_and_the_limits_say_from_where_on() -> None:
    scenario = simulate(COSTS, OWN, Workload.of(1024, think_s=2.0), passages=150, most=32)
    assert [row.channels for row in scenario.rows] == [1, 2, 4, 8, 16, 32]
    waits = [row.first_p95_s for row in scenario.rows]
    assert waits[0] < 0.5
    assert waits[-1] > 10
    busy = [round(row.busy_share, 6) for row in scenario.rows]
    assert busy == sorted(busy)
    soon, late = scenario.limits.first
    assert 0 < soon < late < 32
    # Where the asymptotes cross, waiting has begun and is not yet long.
    assert soon / 2.5 < scenario.knee(2.0) < 2 * soon


def test_other_settings_are_simulated_beside_the_own_ones() -> None:
    workload = Workload.of(1024, think_s=60)
    own, roomy, wide = scenarios_of(OWN, workload, Effort())
    assert own == OWN
    assert (roomy.max_active, wide.max_active) == (8, 32)
    assert roomy.kv_cache_bytes == wide.kv_cache_bytes > 256 * 624 * 73728
    assert scenarios_of(wide, workload, Effort()) == (wide,)


def test_a_check_says_how_far_the_simulation_is_off() -> None:
    real = Outcome(seen=[seen(2.0), seen(2.0), seen(9.0)])
    checked = Checked.of(3, real, Outcome(seen=[seen(3.0, cached_tokens=60)]))
    assert checked.passages == 3
    assert checked.errors == pytest.approx((0.5, 0.25, 0.0))
    assert (checked.real_cached_share, checked.cached_share) == (0.5, 0.6)


def test_a_run_shows_limits_tables_and_the_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_folder: Path
) -> None:
    run_capacity(
        [str(tiny_folder)],
        ENGINE,
        cache_dir=tmp_path / "cache",
        words=Words(),
        think_s=0.5,
        should_check=True,
        effort=EFFORT,
    )
    shown, progress = capsys.readouterr()
    assert "tiny: check with 3 channels" in progress
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    limits = next(row for row in rows if row[0] == "| 2 at once, 16 MiB for stories")
    assert limits[1] == "≥ 4"
    counts = [row[0] for row in rows if row[0] in {"| 1", "| 2", "| 4"}]
    assert counts[:3] == ["| 1", "| 2", "| 4"]
    checks = rows[-2:]
    assert [row[:2] for row in checks] == [["| 1", "2"], ["| 3", "6"]]
    # The same turns find the same in the cache, whatever time they take.
    real, simulated = checks[0][5].split(" / ")
    assert real == simulated != "0 %"


def test_the_command_takes_the_settings_and_draws_a_chart(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_folder: Path,
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROUNDTALE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ROUNDTALE_THREADS", "1")
    monkeypatch.setenv("ROUNDTALE_MAX_ACTIVE", "5")
    monkeypatch.setenv("ROUNDTALE_KV_CACHE_MIB", "7")
    monkeypatch.setattr(command, "Effort", lambda: EFFORT)
    picture = tmp_path / "capacity.png"
    arguments = ["--model", str(tiny_folder), "--think", "0.5", "--chart", str(picture)]
    monkeypatch.setattr(sys, "argv", ["roundtale", "capacity", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "| 5 at once, 7 MiB for stories | " in shown
    assert "Each channel thinks for 0.5 s on average" in shown
    assert "real / simulated" not in shown
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_chart_that_cannot_be_written_is_said_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["roundtale", "capacity", "--chart", "nowhere/picture.png"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    shown, told = capsys.readouterr()
    assert shown == ""
    assert told == "The chart cannot be written to nowhere/picture.png (no such folder).\n"


def test_the_document_takes_figures_anew() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    once = put(document, "| 1 | 2 |\n")
    assert "\n\n| 1 | 2 |\n\n" in once
    assert put(once, "| 3 | 4 |") == once.replace("| 1 | 2 |", "| 3 | 4 |")
    with pytest.raises(ValueError, match="mark"):
        put("nothing of that kind", "| 1 | 2 |")
