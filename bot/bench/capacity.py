"""``roundtale capacity``: how many channels this machine carries, and how long they wait.

Step times are measured on the real engine and fitted (``costs``), and channels are simulated on
them (``simulation``) as they behave (``workload``). The check runs the same channels, thinking
less, on the real engine.

Invariant: standard output is Markdown and nothing else, so that docs/capacity.md is made of it;
progress goes to standard error.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.bench.capacity_chart import draw_capacity
from bot.bench.capacity_figures import Capacity, Checked, ModelCapacity, simulate
from bot.bench.capacity_report import markdown
from bot.bench.chart import require_chart
from bot.bench.closed_loop import Effort, measure_costs, run_channels
from bot.bench.costs import Fit, fit
from bot.bench.machine import Others, describe_machine
from bot.bench.models import BenchModel
from bot.bench.running import Progress, choose_models
from bot.bench.simulation import Installation, Simulation
from bot.bench.workload import Workload
from bot.engine.local.backend import LocalBackend
from bot.engine.local.loader import WINDOW_LIMIT_TOKENS
from bot.engine.local.packed.precision import Device, Precision
from bot.locales import Words

_SPARE = 1.5  # blocks of keys and values are larger than what they hold
_OTHER_ACTIVE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What the operator has set.

    Attributes:
        max_active: passages that are written at once.
        max_waiting: passages that wait beyond those.
        kv_cache_bytes: for keys and values that are kept.
        device: where to compute.
        precision: to compute in.
        threads: to compute with; as many as this process may use where None.
    """

    max_active: int
    max_waiting: int
    kv_cache_bytes: int
    device: Device = "auto"
    precision: Precision = "auto"
    threads: int | None = None

    async def open(
        self, bench_model: BenchModel, *, max_active: int, kv_cache_bytes: int
    ) -> LocalBackend:
        """Load a model.

        Raises:
            ModelUnavailableError: it cannot be loaded.
        """
        return await LocalBackend.open(
            bench_model.path,
            name=bench_model.name,
            device=self.device,
            precision=self.precision,
            max_active=max_active,
            max_waiting=self.max_waiting,
            kv_cache_bytes=kv_cache_bytes,
            threads=self.threads,
        )

    def installation(self, bench_model: BenchModel) -> Installation:
        """Return what of it is simulated."""
        return Installation(
            max_active=self.max_active,
            max_waiting=self.max_waiting,
            kv_cache_bytes=self.kv_cache_bytes,
            kv_token_bytes=bench_model.kv_token_bytes,
        )


def run_capacity(
    names: Sequence[str],
    engine: Engine,
    *,
    cache_dir: Path,
    words: Words,
    think_s: float,
    should_check: bool = False,
    chart: Path | None = None,
    effort: Effort | None = None,
) -> None:
    """Measure, simulate, and show what comes of it.

    Args:
        names: of the models; see ``choose_models``.
        engine: its settings.
        cache_dir: where models are kept.
        words: of the reader.
        think_s: mean time between a passage's end and the channel's next request.
        should_check: whether the simulation is compared with the real engine.
        chart: a PNG file to draw.
        effort: how much is measured.

    Raises:
        BenchError: a measurement or the chart cannot be made.
        ModelUnavailableError: a model is not on this machine.
        EngineError: the engine failed.
    """
    effort = effort or Effort()
    if chart is not None:
        require_chart(chart)
    progress = Progress(sys.stderr)
    others = Others()
    try:
        models = asyncio.run(choose_models(names, cache_dir, is_quick=False))
        found = tuple(
            _one_model(
                each,
                engine,
                think_s=think_s,
                should_check=should_check,
                effort=effort,
                say=progress,
            )
            for each in models
        )
    finally:
        progress.close()
    capacity = Capacity(
        machine=describe_machine(engine.threads), busy_share=others.share(), models=found
    )
    sys.stdout.write(markdown(capacity, words))
    if chart is not None:
        draw_capacity(capacity, chart, words)


def _one_model(
    bench_model: BenchModel,
    engine: Engine,
    *,
    think_s: float,
    should_check: bool,
    effort: Effort,
    say: Callable[[str], None],
) -> ModelCapacity:
    window = min(bench_model.window_tokens, WINDOW_LIMIT_TOKENS)
    workload = Workload.of(window, think_s=think_s)
    name = bench_model.name
    say(f"{name}: step times")
    precision, fitted = asyncio.run(_fit(bench_model, engine, workload, effort))
    checks: tuple[Checked, ...] = ()
    if should_check:
        checks = asyncio.run(
            _check(
                bench_model,
                engine,
                fitted=fitted,
                workload=replace(workload, think_s=effort.check_think_s),
                effort=effort,
                say=say,
            )
        )
    scenarios = []
    for installation in scenarios_of(engine.installation(bench_model), workload, effort):
        say(f"{name}: simulating, {installation.max_active} at once")
        scenarios.append(
            simulate(
                fitted.costs,
                installation,
                workload,
                passages=effort.passages,
                most=effort.most_channels,
            )
        )
    return ModelCapacity(
        name=name,
        precision=precision,
        parameters=bench_model.parameters,
        fit=fitted,
        workload=workload,
        scenarios=tuple(scenarios),
        checks=checks,
        check_think_s=effort.check_think_s,
    )


def scenarios_of(own: Installation, workload: Workload, effort: Effort) -> tuple[Installation, ...]:
    """Return the operator's own installation, and what else might be set.

    Args:
        own: as it is set.
        workload: how long stories are.
        effort: how many channels there are at most.
    """
    longest = workload.limit_tokens + workload.passage_tokens[1]
    room = int(_SPARE * effort.most_channels * longest * own.kv_token_bytes)
    roomy = replace(own, kv_cache_bytes=max(own.kv_cache_bytes, room))
    wide = replace(roomy, max_active=_OTHER_ACTIVE)
    return tuple(dict.fromkeys((own, roomy, wide)))


async def _fit(
    bench_model: BenchModel, engine: Engine, workload: Workload, effort: Effort
) -> tuple[str, Fit]:
    """Return the precision that the engine chose, and the costs of its steps."""
    backend = await engine.open(
        bench_model,
        max_active=max(effort.batches),
        kv_cache_bytes=int(_SPARE * effort.kv_tokens(workload) * bench_model.kv_token_bytes),
    )
    try:
        measured = await measure_costs(backend, bench_model, workload, effort)
        return backend.info.precision, fit(measured)
    finally:
        await backend.aclose()


async def _check(
    bench_model: BenchModel,
    engine: Engine,
    *,
    fitted: Fit,
    workload: Workload,
    effort: Effort,
    say: Callable[[str], None],
) -> tuple[Checked, ...]:
    """Compare the simulation with the engine at the operator's settings, turn by turn the same."""
    found = []
    backend = await engine.open(
        bench_model, max_active=engine.max_active, kv_cache_bytes=engine.kv_cache_bytes
    )
    try:
        # What a first prompt sets up belongs to no measurement.
        await run_channels(backend, bench_model, replace(workload, think_s=0.01, seed=0), 2, 1)
        for channels, passages in effort.check:
            head = f"{bench_model.name}: check with {channels} channels"
            say(head)
            others = Others()
            real = await run_channels(backend, bench_model, workload, channels, passages)
            others_share = others.share()
            simulated = Simulation(
                fitted.costs, engine.installation(bench_model), workload, channels
            ).run_each(passages)
            found.append(Checked.of(channels, real, simulated, others_share=others_share))
    finally:
        await backend.aclose()
    return tuple(found)
