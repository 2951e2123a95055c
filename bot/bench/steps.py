"""How long the engine's steps take: what a simulation of its capacity needs.

Invariant: seen from outside, through the backend: the worker, the queue and the event loop
are part of a step.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bot.bench.engine import GREEDY, SAMPLED, Written, request, stream
from bot.bench.figures import Sample, line
from bot.bench.models import BenchModel
from bot.bench.plan import Plan
from bot.engine.backend import Backend
from bot.engine.types import SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeStep:
    """One token for every row.

    Attributes:
        batch: rows.
        context: tokens that stand before each row's first new one.
        sampling: "default" or "greedy".
        ms: of one step.
    """

    batch: int
    context: int
    sampling: str
    ms: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """What steps of the engine take at one precision.

    Attributes:
        decode: for each batch and context.
        prefill_ms_per_token: slope of the time to the first token over the prompt's length.
        prefill_fixed_ms: its intercept: what a prompt of no length would take.
        sampling_share: what the default sampling takes of a step, above taking the likeliest
            token, at the largest batch up to 8; None where it was not measured.
    """

    decode: tuple[DecodeStep, ...]
    prefill_ms_per_token: float | None
    prefill_fixed_ms: float | None
    sampling_share: float | None


_SHARE_BATCH = 8


async def measure_steps(
    backend: Backend,
    bench_model: BenchModel,
    plan: Plan,
    first_ms: dict[int, float],
) -> StepTimes:
    """Time decode steps, and derive the prefill's cost.

    Args:
        backend: must take the plan's largest batch at once.
        bench_model: what it writes with.
        plan: which steps, and how often.
        first_ms: time to the first token by the prompt's length, uncached, milliseconds.
    """
    timer = _Timer(backend, bench_model, plan)
    decode = [
        step
        for batch, context in plan.steps
        if (step := await timer.measure(batch, context, "default"))
    ]
    comparable = [step for step in decode if step.batch <= _SHARE_BATCH]
    share = None
    if comparable:
        sampled = max(comparable, key=lambda step: (step.batch, -step.context))
        greedy = await timer.measure(sampled.batch, sampled.context, "greedy")
        if greedy is not None:
            decode.append(greedy)
            share = 1 - greedy.ms.median / sampled.ms.median
    fitted = line(sorted(first_ms.items()))
    return StepTimes(
        decode=tuple(decode),
        prefill_ms_per_token=fitted[0] if fitted else None,
        prefill_fixed_ms=fitted[1] if fitted else None,
        sampling_share=share,
    )


class _Timer:
    """Times steps of one backend."""

    def __init__(self, backend: Backend, bench_model: BenchModel, plan: Plan) -> None:
        self._backend = backend
        self._bench_model = bench_model
        self._plan = plan

    async def measure(self, batch: int, context: int, sampling: str) -> DecodeStep | None:
        """Return a step's time; None where the rows never were under way all at once."""
        params = {"default": SAMPLED, "greedy": GREEDY}[sampling]
        # The first time the stories are computed; after that their prompts are in the cache.
        await self._run(batch, context, params)
        values = [
            ms
            for _ in range(self._plan.repeats)
            if (ms := step_ms(await self._run(batch, context, params)))
        ]
        if not values:
            return None
        return DecodeStep(batch=batch, context=context, sampling=sampling, ms=Sample.of(values))

    async def _run(self, batch: int, context: int, params: SamplingParams) -> list[Written]:
        asked = [
            request(
                self._backend,
                self._bench_model.prompt(number, context, salt=context),
                self._plan.step_tokens,
                sampling=params,
                story=f"step {context} {number}",
                seed=number,
            )
            for number in range(batch)
        ]
        return await asyncio.gather(*(stream(self._backend, each) for each in asked))


def step_ms(rows: Sequence[Written]) -> float | None:
    """Return the time of one step while all rows were under way, milliseconds.

    Between the moment when the last row had begun and the moment when the first one ended, all
    rows got a token in each step; the steps are counted by the tokens that came. None where
    there was no such time.
    """
    begin_s = max(row.arrivals_s[0] for row in rows)
    end_s = min(row.arrivals_s[-1] for row in rows)
    tokens = sum(row.tokens_at(end_s) - row.tokens_at(begin_s) for row in rows)
    if tokens < len(rows) or end_s <= begin_s:
        return None
    return 1000 * (end_s - begin_s) * len(rows) / tokens
