"""The real engine under what the simulation assumes: its costs, and the simulation's check.

Invariant: as all of the bench, seen from outside: the worker, the queue and the event loop are in
each figure.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from bot.bench.costs import Measured, Prefill
from bot.bench.engine import SAMPLED, request, stream
from bot.bench.models import BenchModel
from bot.bench.plan import FULL
from bot.bench.simulation import Outcome, Seen
from bot.bench.steps import measure_steps
from bot.bench.workload import StoryText, Workload
from bot.engine.backend import Backend
from bot.errors import QueueFullError

_PROMPT_SALT: Final = 40_000
_CHANNEL_SALT: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured and simulated.

    Attributes:
        batches: sequences whose steps are timed.
        repeats: measurements of each figure.
        step_tokens: that each sequence writes for one measurement.
        passages: that each simulated run counts.
        most_channels: that are simulated.
        check: pairs of channels and passages that each of them writes on the real engine.
        check_think_s: mean time that those think.
    """

    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    repeats: int = 3
    step_tokens: int = 32
    passages: int = 1000
    most_channels: int = 256
    check: tuple[tuple[int, int], ...] = ((1, 8), (8, 4), (32, 3))
    check_think_s: float = 3.0

    def context_of(self, workload: Workload) -> tuple[int, int]:
        """Return a short context and one as long as a story that goes on."""
        most = workload.limit_tokens - self.step_tokens
        return max(1, min(workload.limit_tokens // 8, most)), max(1, int(0.8 * most))

    def kv_tokens(self, workload: Workload) -> int:
        """Return how many tokens are held at once while costs are measured."""
        short, long = self.context_of(workload)
        return sum(self.batches) * (short + long + 2 * self.step_tokens) + workload.limit_tokens


async def measure_costs(
    backend: Backend, bench_model: BenchModel, workload: Workload, effort: Effort
) -> Measured:
    """Time what costs are fitted to.

    Args:
        backend: must take the largest batch at once, and keep ``effort.kv_tokens``.
        bench_model: what it writes with.
        workload: whose lengths of context matter.
        effort: how often.
    """
    short, long = effort.context_of(workload)
    long_batches = effort.batches if len(effort.batches) < 3 else effort.batches[::2]  # noqa: PLR2004 -- a line needs two
    plan = replace(
        FULL,
        steps=(
            *((batch, short) for batch in effort.batches),
            *((batch, long) for batch in long_batches),
        ),
        step_tokens=effort.step_tokens,
        repeats=effort.repeats,
    )
    times = await measure_steps(backend, bench_model, plan, {})
    most = workload.limit_tokens
    shapes = [
        *((0, max(2, int(share * most))) for share in (0.1, 0.4, 0.6, 0.9)),
        *((long, added) for added in workload.turn_tokens if long + added < most),
    ]
    return Measured(
        decodes=tuple(step for step in times.decode if step.sampling == "default"),
        step_tokens=effort.step_tokens,
        prefills=tuple(
            [await _time_prefill(backend, bench_model, *shape, effort.repeats) for shape in shapes]
        ),
    )


async def _time_prefill(
    backend: Backend, bench_model: BenchModel, cached: int, added: int, repeats: int
) -> Prefill:
    past = bench_model.prompt(0, cached, salt=_PROMPT_SALT)
    seconds: list[float] = []
    computed = added
    for repeat in range(repeats + 1):
        fresh = bench_model.prompt(0, added, salt=_PROMPT_SALT + 100 * added + repeat + 1)
        asked = request(
            backend,
            (*past, *fresh),
            1,
            sampling=SAMPLED,
            story=f"prefill {cached}" if cached else None,
        )
        written = await stream(backend, asked)
        seconds.append(written.first_s)
        computed = cached + added - written.cached_tokens
    # The first one computes the story, or what a text of this length sets up. Of the others the
    # quickest counts: what disturbs a single prompt can only make it longer.
    return Prefill(cached=cached + added - computed, added=computed, seconds=min(seconds[1:]))


async def run_channels(
    backend: Backend,
    bench_model: BenchModel,
    workload: Workload,
    channels: int,
    passages: int,
) -> Outcome:
    """Let channels write on the real engine, each so many passages; refused requests count.

    Raises:
        ShortTextError: a passage ended early.
        EngineError: the engine failed.
    """
    outcome = Outcome()
    begun_s = time.monotonic()

    async def live(channel: int) -> None:
        name = f"{channels} channels, {channel}"
        opening = bench_model.prompt(
            channel, workload.opening_tokens(channel), salt=_CHANNEL_SALT + channels
        )
        story = StoryText(workload, opening)
        for number, turn in enumerate(islice(workload.turns(channel), passages)):
            await asyncio.sleep(turn.think_s)
            salt = _CHANNEL_SALT * (number + 2) + channels
            story.add(bench_model.prompt(channel, turn.added_tokens, salt=salt))
            context = story.context()
            asked = request(
                backend,
                context,
                turn.passage_tokens,
                sampling=SAMPLED,
                story=name,
                seed=1000 * channel + number,
            )
            try:
                written = await stream(backend, asked)
            except QueueFullError:
                outcome.refused += 1
                continue
            story.add(written.ids)
            outcome.seen.append(
                Seen(
                    first_s=written.first_s,
                    whole_s=written.arrivals_s[-1] - written.submitted_s,
                    tokens=turn.passage_tokens,
                    prompt_tokens=len(context),
                    cached_tokens=written.cached_tokens,
                )
            )

    async with asyncio.TaskGroup() as group:
        for channel in range(channels):
            group.create_task(live(channel))
    outcome.seconds = time.monotonic() - begun_s
    return outcome
