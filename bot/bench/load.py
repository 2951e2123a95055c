"""The engine under load: channels that stream stories of different lengths.

Invariants:
    - It runs in a process that has held no other model, so that its memory is the engine's.
    - All channels begin at the same moment, which is the worst one; later turns come as they do.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.bench.engine import SAMPLED, Written, open_backend, request, stream
from bot.bench.figures import percentile
from bot.bench.models import BenchModel
from bot.bench.plan import Plan
from bot.bench.planning import planning_ms_p99
from bot.bench.ticking import Lag, resident_bytes, ticking
from bot.engine.backend import Backend
from bot.engine.local.packed.precision import Precision

_WEIGHT_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
_MIB = 2**20
_UNDISTURBED_TOKENS = 4  # that a stream writes before the long prompt comes
_READER_CONTEXT_TOKENS = 100
_NEW_TURN_TOKENS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLoad:
    """What so many channels saw.

    Attributes:
        channels: at once.
        tokens_s: of all together, from the first request to the last token.
        first_ms_p50: of a new story's first text, all channels having begun at once.
        first_ms_p99: the same.
        continued_ms_p50: of the first text of later turns; None where there were none.
        continued_ms_p99: the same.
        lag: of the event loop meanwhile.
    """

    channels: int
    tokens_s: float
    first_ms_p50: float
    first_ms_p99: float
    continued_ms_p50: float | None
    continued_ms_p99: float | None
    lag: Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What streams see while another's long prompt is computed.

    Attributes:
        readers: streams under way.
        prompt_tokens: of the newcomer.
        gap_ms_p50: between two tokens of a stream meanwhile.
        gap_ms_p99: the same.
        gap_ms_max: the same.
        first_ms: how long the newcomer waited.
    """

    readers: int
    prompt_tokens: int
    gap_ms_p50: float
    gap_ms_p99: float
    gap_ms_max: float
    first_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of the process, in MiB.

    Attributes:
        libraries: before the model was loaded.
        weights: its parameters at the engine's precision.
        kv_cache: keys and values of all stories, in fp32, at their longest.
        loading_peak: seen while it was loaded.
        peak: seen under load.
    """

    libraries: float
    weights: float
    kv_cache: float
    loading_peak: float
    peak: float

    @property
    def above(self) -> float:
        """What the engine takes beside libraries, weights, keys and values."""
        return self.peak - self.libraries - self.weights - self.kv_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was measured under load.

    Attributes:
        precision: that the engine chose.
        loading_s: from the call to the first request that is taken.
        loading_lag: of the event loop meanwhile.
        serving_lag: of those ticks that came once only weights were left to read: the bot enters
            Discord then, and not before.
        channels: for each number of them.
        disturbance: by a long prompt; None for a plan of one channel, or streams that were over.
        memory: of the process.
        above_mib: what the engine takes beside libraries, weights, keys and values.
        planning_ms: see ``planning_ms_p99``.
    """

    precision: str
    loading_s: float
    loading_lag: Lag
    serving_lag: Lag
    channels: tuple[ChannelLoad, ...]
    disturbance: Disturbance | None
    memory: Memory
    above_mib: float
    planning_ms: float


async def measure_load(bench_model: BenchModel, plan: Plan, precision: Precision) -> Load:
    """Load the model, put it under load and say how it went.

    Raises:
        ModelUnavailableError: it cannot be loaded.
    """
    most = max(plan.channels)
    held = sum(
        plan.context_of(channel, most) + plan.turns * plan.turn_tokens for channel in range(most)
    )
    libraries = resident_bytes()
    begun_s = time.monotonic()
    reading: list[int] = []  # ticks when only weights were left
    async with ticking() as loading:
        backend = await open_backend(
            bench_model,
            precision,
            max_active=most + 1,
            threads=plan.threads,
            kv_tokens=held + (most + 1) * plan.window_tokens // 2,
            on_calm=lambda: reading.append(len(loading.lags_s)),
        )
        loading_s = time.monotonic() - begun_s
    try:
        await _warm_up(backend, bench_model, plan)
        found: list[ChannelLoad] = []
        peaks: list[int] = []
        for channels in plan.channels:
            load, peak = await _measure_channels(backend, bench_model, plan, channels)
            found.append(load)
            peaks.append(peak)
        disturbance = None
        if most > 1:
            disturbance = await measure_disturbance(backend, bench_model, plan, min(8, most) - 1)
        chosen = backend.info.precision
    finally:
        await backend.aclose()
    memory = Memory(
        libraries=libraries / _MIB,
        weights=bench_model.parameters * _WEIGHT_BYTES[chosen] / _MIB,
        kv_cache=held * bench_model.kv_token_bytes / _MIB,
        loading_peak=loading.peak_bytes / _MIB,
        peak=max(peaks) / _MIB,
    )
    return Load(
        precision=chosen,
        loading_s=loading_s,
        loading_lag=Lag.of(loading.lags_s),
        # The tick under way began before.
        serving_lag=Lag.of(loading.lags_s[min(reading[0] + 1, len(loading.lags_s) - 1) :]),
        channels=tuple(found),
        disturbance=disturbance,
        memory=memory,
        above_mib=memory.above,
        planning_ms=planning_ms_p99(),
    )


async def _warm_up(backend: Backend, bench_model: BenchModel, plan: Plan) -> None:
    prompt = bench_model.prompt(0, plan.shortest_context, salt=-1)
    await stream(backend, request(backend, prompt, 4, sampling=SAMPLED))


async def _measure_channels(
    backend: Backend, bench_model: BenchModel, plan: Plan, channels: int
) -> tuple[ChannelLoad, int]:
    """Return what the channels saw, and the most memory meanwhile, in bytes."""
    begun_s = time.monotonic()
    async with ticking() as ticks:
        told = await asyncio.gather(
            *(
                _write_story(backend, bench_model, plan, channel, channels)
                for channel in range(channels)
            )
        )
        took_s = time.monotonic() - begun_s
    first = [1000 * turns[0].first_s for turns in told]
    later = [1000 * turn.first_s for turns in told for turn in turns[1:]]
    load = ChannelLoad(
        channels=channels,
        tokens_s=channels * plan.turns * plan.turn_tokens / took_s,
        first_ms_p50=percentile(first, 0.5),
        first_ms_p99=percentile(first, 0.99),
        continued_ms_p50=percentile(later, 0.5) if later else None,
        continued_ms_p99=percentile(later, 0.99) if later else None,
        lag=Lag.of(ticks.lags_s),
    )
    return load, ticks.peak_bytes


async def _write_story(
    backend: Backend, bench_model: BenchModel, plan: Plan, channel: int, channels: int
) -> Sequence[Written]:
    """Write a channel's turns; between them a member adds some words."""
    story = f"channel {channel}"
    # The words of the later turns count: the last turn ends at the planned length.
    length = plan.context_of(channel, channels) - (plan.turns - 1) * _NEW_TURN_TOKENS
    context = list(bench_model.prompt(channel, max(1, length), salt=channels))
    turns: list[Written] = []
    for turn in range(plan.turns):
        if turn:
            context += bench_model.prompt(channel, _NEW_TURN_TOKENS, salt=1000 * channels + turn)
        asked = request(
            backend,
            context,
            plan.turn_tokens,
            sampling=SAMPLED,
            story=story,
            seed=1000 * channel + turn,
        )
        turns.append(await stream(backend, asked))
        context += turns[-1].ids
    return turns


async def measure_disturbance(
    backend: Backend, bench_model: BenchModel, plan: Plan, readers: int
) -> Disturbance | None:
    """Let streams run, put a long prompt between them, and return the gaps that they see.

    None where they were over too soon to see any.
    """
    # Long enough to outlast the prefill; what is too much is cancelled.
    room = backend.info.window_tokens - _READER_CONTEXT_TOKENS
    under_way = [Written(time.monotonic()) for _ in range(readers)]
    tasks = [
        asyncio.create_task(
            stream(
                backend,
                request(
                    backend,
                    bench_model.prompt(number, _READER_CONTEXT_TOKENS, salt=-2),
                    room,
                    sampling=SAMPLED,
                    story=f"reader {number}",
                    seed=number,
                ),
                written,
            )
        )
        for number, written in enumerate(under_way)
    ]
    try:
        await _wait_until(
            lambda: (
                all(each.tokens_at(math.inf) >= _UNDISTURBED_TOKENS for each in under_way)
                or any(task.done() for task in tasks)
            )
        )
        prompt = bench_model.prompt(0, plan.longest_context, salt=-3)
        newcomer = await stream(
            backend, request(backend, prompt, 1, sampling=SAMPLED, story="newcomer")
        )
        until_s = newcomer.arrivals_s[0]
        # The token after the prefill waited for it too.
        await _wait_until(
            lambda: all(
                task.done() or each.arrivals_s[-1] > until_s
                for each, task in zip(under_way, tasks, strict=True)
            )
        )
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, Exception):
            raise problem
    gaps = [
        1000 * gap
        for each in under_way
        for gap in gaps_within(each.arrivals_s, newcomer.submitted_s, until_s)
    ]
    if not gaps:
        return None
    return Disturbance(
        readers=readers,
        prompt_tokens=plan.longest_context,
        gap_ms_p50=percentile(gaps, 0.5),
        gap_ms_p99=percentile(gaps, 0.99),
        gap_ms_max=max(gaps),
        first_ms=1000 * newcomer.first_s,
    )


async def _wait_until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 -- what is waited for comes from several tasks
        await asyncio.sleep(0.001)


def gaps_within(arrivals_s: Sequence[float], begin_s: float, end_s: float) -> list[float]:
    """Return the gaps between arrivals that overlap the time from ``begin_s`` to ``end_s``."""
    return [
        later - earlier
        for earlier, later in pairwise(arrivals_s)
        if later > begin_s and earlier < end_s
    ]
