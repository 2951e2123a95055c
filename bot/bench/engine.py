"""Roundtale's own engine, as the rest of the program uses it.

Invariant: only the public interface of the backend is used: what is measured is what
channels get, the event loop's part included.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import get_args

from bot.bench.errors import ShortTextError
from bot.bench.models import BenchModel
from bot.bench.plan import Plan
from bot.bench.ways import Group, Ids, NotAvailableError, Way
from bot.engine.backend import Backend
from bot.engine.local.backend import LocalBackend
from bot.engine.local.packed.precision import Precision
from bot.engine.types import Chunk, GenerationRequest, PromptPart, SamplingParams
from bot.errors import RoundtaleError

GREEDY = SamplingParams(
    temperature=0.0,
    top_k=0,
    top_p=1.0,
    min_p=0.0,
    repetition_penalty=1.0,
    no_repeat_ngram=0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    dry_multiplier=0.0,
)
SAMPLED = SamplingParams()
PRECISIONS: tuple[Precision, ...] = tuple(
    precision for precision in get_args(Precision) if precision in {"fp32", "bf16", "int8"}
)
"""Those that processors have, as far as the engine offers them."""

_ENGINE = "Roundtale"
_SPARE = 1.5  # slots are rounded up


@dataclass(slots=True)
class Written:
    """What one request gave, as it came.

    Attributes:
        submitted_s: the moment it was asked for (``time.monotonic``).
        arrivals_s: the moment of each chunk that brought text.
        counts: how many tokens there were then.
        ids: of the whole text.
        cached_tokens: of the prompt, taken from the cache.
    """

    submitted_s: float
    arrivals_s: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    cached_tokens: int = 0

    @property
    def first_s(self) -> float:
        """How long the first text took, seconds."""
        return self.arrivals_s[0] - self.submitted_s

    def tokens_at(self, moment_s: float) -> int:
        """Return how many tokens had come by a moment."""
        place = bisect_right(self.arrivals_s, moment_s)
        return self.counts[place - 1] if place else 0


def request(
    backend: Backend,
    prompt: Ids,
    new_tokens: int,
    *,
    sampling: SamplingParams,
    story: str | None = None,
    owner: str = "",
    seed: int = 0,
) -> GenerationRequest:
    """Return a request for exactly so many tokens."""
    part = PromptPart("", tuple(prompt), backend.info.tokenizer_hash)
    return GenerationRequest(
        prompt=(part,),
        sampling=sampling,
        seed=seed,
        max_tokens=new_tokens,
        min_tokens=new_tokens,
        owner=owner or story or "",
        cache_key=story,
    )


async def stream(
    backend: Backend, asked: GenerationRequest, into: Written | None = None
) -> Written:
    """Read a stream to its end, and note when its text came.

    Args:
        backend: writes.
        asked: for exactly ``max_tokens``.
        into: filled as it goes, for somebody who looks on.

    Raises:
        ShortTextError: it ended early.
        EngineError: it failed.
    """
    written = into if into is not None else Written(time.monotonic())
    last: Chunk | None = None
    async for chunk in backend.stream(asked):
        if chunk.text or chunk.finish is not None:
            written.arrivals_s.append(time.monotonic())
            written.counts.append(chunk.tokens)
        last = chunk
    if last is None or last.usage is None or last.usage.sampled_tokens < asked.max_tokens:
        raise ShortTextError(
            way=way_name(backend.info.precision),
            written=last.usage.sampled_tokens if last and last.usage else 0,
            wanted=asked.max_tokens,
        )
    written.ids = list(last.token_ids)
    written.cached_tokens = last.usage.cached_tokens
    return written


async def open_backend(
    bench_model: BenchModel,
    precision: Precision,
    *,
    max_active: int,
    kv_tokens: int,
    threads: int | None,
    on_calm: Callable[[], None] = lambda: None,
) -> LocalBackend:
    """Load the model.

    Args:
        bench_model: which one.
        precision: of the engine.
        max_active: texts that are written at once.
        kv_tokens: that all stories have together, whose keys and values are to be kept.
        threads: to compute with.
        on_calm: see ``LocalBackend.open``.

    Raises:
        ModelUnavailableError: it cannot be loaded so.
    """
    return await LocalBackend.open(
        bench_model.path,
        name=bench_model.name,
        precision=precision,
        max_active=max_active,
        threads=threads,
        kv_cache_bytes=int(_SPARE * kv_tokens * bench_model.kv_token_bytes),
        on_calm=on_calm,
    )


def way_name(precision: str) -> str:
    """Return what the engine is called in the table at a precision."""
    return f"{_ENGINE} {precision}"


def is_engine(name: str) -> bool:
    """Whether a way of this name is the engine."""
    return name.startswith(f"{_ENGINE} ")


class Engine:
    """The engine at one precision; a loop of its own drives it."""

    keeps_stories = True

    def __init__(self, runner: asyncio.Runner, backend: Backend) -> None:
        self.runner = runner
        self.backend = backend
        self.cached_tokens = 0
        """Of the prompt that was written after last."""

    @property
    def name(self) -> str:
        """The engine and its precision."""
        return way_name(self.backend.info.precision)

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """All."""
        return plan.batches

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after all prompts, each a stream of its own channel."""
        asked = [
            request(
                self.backend,
                prompt,
                new_tokens,
                sampling=GREEDY,
                story=story,
                owner=f"channel {number}",
            )
            for number, prompt in enumerate(prompts)
        ]

        async def write_all() -> list[Written]:
            return await asyncio.gather(*(stream(self.backend, each) for each in asked))

        written = self.runner.run(write_all())
        self.cached_tokens = written[-1].cached_tokens
        return [each.ids for each in written]


def engine_group(precision: Precision) -> Group:
    """Return the engine at one precision as a group of one way."""

    @contextmanager
    def open_engine(bench_model: BenchModel, plan: Plan) -> Iterator[Sequence[Way]]:
        max_active = max([*plan.batches, *(batch for batch, _ in plan.steps)])
        with asyncio.Runner() as runner:
            try:
                backend = runner.run(
                    open_backend(
                        bench_model,
                        precision,
                        max_active=max_active,
                        kv_tokens=plan.kv_tokens,
                        threads=plan.threads,
                    )
                )
            except RoundtaleError as error:
                raise NotAvailableError(str(error)) from error
            try:
                chosen = backend.info.precision
                if chosen != precision:
                    raise NotAvailableError(f"the engine chose {chosen} instead")
                yield [Engine(runner, backend)]
            finally:
                runner.run(backend.aclose())

    return Group((way_name(precision),), open_engine)
