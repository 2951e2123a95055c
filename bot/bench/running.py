"""``roundtale bench``: choose the models, measure them, show what was found.

Invariant: standard output has the tables and, as its last line, all figures as one line of
JSON; progress goes to standard error.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bot.bench.chart import draw, require_chart
from bot.bench.child import InChildren
from bot.bench.goals import judge
from bot.bench.machine import Others, describe_machine
from bot.bench.measuring import Measurements, measure_model
from bot.bench.models import RANDOM_GPT2, BenchModel, random_gpt2, read_model
from bot.bench.plan import Plan
from bot.bench.report import tables
from bot.bench.results import Results
from bot.engine.local.store import EMBEDDED_NAME, describe_choice, resolve
from bot.locales import Words

_FILE_WIDTH = 160


class Progress:
    """One line that tells what is measured: rewritten on a terminal, a line each elsewhere.

    Args:
        out: where it is written.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._begun_s = time.monotonic()

    def __call__(self, text: str) -> None:
        """Show a line."""
        passed_s = time.monotonic() - self._begun_s
        start, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        self._out.write(f"{start}[{passed_s:4.0f} s] {text}{end}")
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal with an empty line."""
        if self._is_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


async def choose_models(
    names: Sequence[str], cache_dir: Path, *, is_quick: bool
) -> list[BenchModel]:
    """Return the models to measure; nothing is fetched.

    Args:
        names: hub ids, packaged names or folders; where there are none, GPT-2 with random
            weights and, unless it must be quick, the packaged model where it is installed.
        cache_dir: where models are kept.
        is_quick: one model is enough.

    Raises:
        ModelUnavailableError: a named one is not on this machine.
    """
    wanted = list(names) or [RANDOM_GPT2]
    if not names and not is_quick and describe_choice(EMBEDDED_NAME, cache_dir).is_installed:
        wanted.append(EMBEDDED_NAME)
    found = []
    for name in wanted:
        if name == RANDOM_GPT2:
            found.append(random_gpt2(cache_dir))
            continue
        resolved = await resolve(name, cache_dir=cache_dir, allow_install=False)
        found.append(read_model(resolved.path, resolved.name))
    return found


def measure(
    models: Iterable[BenchModel],
    plan: Plan,
    *,
    is_quick: bool,
    report: Progress,
    measurements: Measurements,
) -> Results:
    """Measure models one after another.

    Raises:
        BenchError: a measurement cannot be made.
        EngineError: the engine failed.
    """
    begun_s = time.monotonic()
    others = Others()
    found = tuple(
        measure_model(each, plan, measurements=measurements, report=report) for each in models
    )
    return Results(
        machine=describe_machine(plan.threads),
        is_quick=is_quick,
        took_s=time.monotonic() - begun_s,
        busy_share=others.share(),
        models=found,
    )


def run_bench(
    names: Sequence[str],
    plan: Plan,
    *,
    cache_dir: Path,
    words: Words,
    is_quick: bool = False,
    chart: Path | None = None,
    is_json_only: bool = False,
    measurements: Measurements | None = None,
) -> None:
    """Measure, and show the figures.

    Args:
        names: of the models; see ``choose_models``.
        plan: what is measured.
        cache_dir: where models are kept.
        words: of the reader.
        is_quick: whether the plan is a quick one.
        chart: a PNG file to draw.
        is_json_only: no tables.
        measurements: makes them; each in a fresh process where None.

    Raises:
        BenchError: a measurement or the chart cannot be made.
        ModelUnavailableError: a model is not on this machine.
        EngineError: the engine failed.
    """
    if chart is not None:
        require_chart(chart)
    progress = Progress(sys.stderr)
    try:
        models = asyncio.run(choose_models(names, cache_dir, is_quick=is_quick))
        results = measure(
            models,
            plan,
            is_quick=is_quick,
            report=progress,
            measurements=measurements or InChildren(),
        )
    finally:
        progress.close()
    goals = judge(results)
    if not is_json_only:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _FILE_WIDTH  # a file has no width of its own
        console.print(tables(results, goals, words))
    if chart is not None:
        draw(results, chart, words)
    plain_goals = [asdict(goal) | {"verdict": goal.verdict} for goal in goals]
    sys.stdout.write(json.dumps(results.as_json(plain_goals)) + "\n")
