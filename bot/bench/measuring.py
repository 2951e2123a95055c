"""Measure one way after another, and put the figures together.

Invariants:
    - No two models are in memory at once that need not be: a group is closed before the next.
    - No prompt is measured twice on one way, so that no cache answers for the model; what is
      meant to come from a cache is a story's.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.bench.ctranslate import CTRANSLATE2, open_ctranslate2
from bot.bench.engine import PRECISIONS, Engine, engine_group
from bot.bench.errors import ShortTextError, WindowTooShortError
from bot.bench.figures import Sample, equal_share
from bot.bench.llama_cpp import LLAMA_CPP, open_llama_cpp
from bot.bench.models import BenchModel
from bot.bench.plain import BATCHED, CONTINUOUS, SNIPPET, open_plain
from bot.bench.plan import Plan
from bot.bench.results import Agreement, FirstToken, ModelFigures, Throughput
from bot.bench.steps import measure_steps
from bot.bench.ways import Group, NotAvailableError, Way
from bot.engine.local.packed.precision import Precision

Report = Callable[[str], None]
"""Takes one line of progress."""
MeasureLoad = Callable[[BenchModel, Plan, Precision], Mapping[str, Any]]
"""Measures under load and returns ``bot.bench.load.Load`` as a mapping."""

_WARM_UP_SALT = -10
_FIRST_SALT = 10_000
_STORY_SALT = 20_000


def groups_of(plan: Plan) -> list[Group]:
    """Return what is measured, the reference first."""
    others = [
        Group((CTRANSLATE2,), open_ctranslate2),
        Group((LLAMA_CPP,), open_llama_cpp),
    ]
    plain = (SNIPPET, BATCHED, CONTINUOUS) if plan.compares else (SNIPPET,)
    return [
        Group(plain, open_plain),
        *(others if plan.compares else ()),
        *(engine_group(precision) for precision in PRECISIONS),
    ]


def measure_model(
    bench_model: BenchModel, plan: Plan, *, measure_load: MeasureLoad, report: Report
) -> ModelFigures:
    """Measure everything that the plan has for one model.

    Args:
        bench_model: what writes.
        plan: what is measured.
        measure_load: measures under load, in a process of its own.
        report: gets a line before each measurement.

    Raises:
        WindowTooShortError: the plan's texts do not fit the model.
        BenchError: a measurement is not what it seems.
        EngineError: the engine failed.
    """
    if plan.window_tokens > bench_model.window_tokens:
        raise WindowTooShortError(
            model=bench_model.name, window=bench_model.window_tokens, needed=plan.window_tokens
        )
    figures = ModelFigures(name=bench_model.name, parameters=bench_model.parameters)
    one = _OneModel(bench_model, plan, figures, report)
    for group in groups_of(plan):
        report(f"{bench_model.name}: opening {group.names[0]}")
        try:
            with group.open(bench_model, plan) as ways:
                for way in ways:
                    one.measure(way)
        except NotAvailableError as problem:
            figures.missing.update(dict.fromkeys(group.names, str(problem)))
        gc.collect()
    if plan.channels:
        report(f"{bench_model.name}: under load")
        figures.load = measure_load(bench_model, plan, "auto")
    return figures


class _OneModel:
    """The measurements of one model, and what later ones are compared with."""

    def __init__(
        self, bench_model: BenchModel, plan: Plan, figures: ModelFigures, report: Report
    ) -> None:
        self._model = bench_model
        self._plan = plan
        self._figures = figures
        self._report = report
        self._reference: list[list[int]] = []

    def measure(self, way: Way) -> None:
        """Measure all that the plan has for an open way."""
        plan = self._plan
        self._say(way, "warming up")
        way.write(self._model.prompts(1, plan.prompt_tokens, salt=_WARM_UP_SALT), 4)
        for batch in way.batches(plan):
            self._measure_speed(way, batch)
        first_ms = {
            length: self._measure_first(way, length, cached=0) for length in plan.first_tokens
        }
        if way.keeps_stories:
            self._measure_first(way, plan.added_tokens, cached=plan.cached_tokens)
        if isinstance(way, Engine) and plan.steps:
            self._say(way, "steps")
            precision = way.backend.info.precision
            self._figures.steps[precision] = way.runner.run(
                measure_steps(way.backend, self._model, plan, first_ms)
            )

    def _say(self, way: Way, what: str) -> None:
        self._report(f"{self._model.name}: {way.name}, {what}")

    def _measure_speed(self, way: Way, batch: int) -> None:
        plan = self._plan
        self._say(way, f"{batch} at once")
        # What a batch of this shape sets up belongs to no measurement.
        way.write(self._model.prompts(batch, plan.prompt_tokens, salt=_WARM_UP_SALT - 1), 2)
        values: list[float] = []
        texts: list[list[int]] = []
        for repeat in range(plan.repeats):
            prompts = self._model.prompts(batch, plan.prompt_tokens, salt=repeat)
            begun_s = time.perf_counter()
            written = way.write(prompts, plan.new_tokens)
            values.append(batch * plan.new_tokens / (time.perf_counter() - begun_s))
            self._require(way, written, batch)
            texts = texts or written
        if way.name == SNIPPET:
            self._reference = max(self._reference, texts, key=len)
        elif batch == max(way.batches(plan)):
            self._compare(way, texts)
        tokens_s = Sample.of(values)
        base = self._figures.snippet_speed(batch) if way.name != SNIPPET else None
        self._figures.throughput.append(
            Throughput(
                way=way.name,
                batch=batch,
                tokens_s=tokens_s,
                ratio=tokens_s.median / base.tokens_s.median if base else None,
            )
        )

    def _require(self, way: Way, written: Sequence[Sequence[int]], batch: int) -> None:
        """See that the time was that of the whole text; the engine has seen to its own."""
        plan = self._plan
        tokens = sum(map(len, written))
        if len(written) != batch or (
            not isinstance(way, Engine) and tokens != batch * plan.new_tokens
        ):
            raise ShortTextError(way=way.name, written=tokens, wanted=batch * plan.new_tokens)

    def _compare(self, way: Way, texts: Sequence[Sequence[int]]) -> None:
        tokens, whole = equal_share(texts, self._reference)
        self._figures.agreement.append(
            Agreement(
                way=way.name,
                tokens=tokens,
                texts=whole,
                compared=min(len(texts), len(self._reference)),
            )
        )

    def _measure_first(self, way: Way, length: int, *, cached: int) -> float:
        """Time the first token after ``length`` new ones; return the median, milliseconds."""
        self._say(way, f"first token of {length} after {cached}")
        plan = self._plan
        story = f"story {cached}" if cached else None
        past = self._model.prompt(0, cached, salt=_STORY_SALT)
        # The first call computes the story, or what a text of this length sets up.
        values = []
        for repeat in range(-1, plan.repeats):
            fresh = self._model.prompt(0, length, salt=_FIRST_SALT + cached + repeat)
            begun_s = time.perf_counter()
            way.write([(*past, *fresh)], 1, story=story)
            values.append(1000 * (time.perf_counter() - begun_s))
        ms = Sample.of(values[1:])
        is_base = way.name == SNIPPET
        base = None if is_base else self._figures.first(SNIPPET, cached + length, 0)
        self._figures.first_token.append(
            FirstToken(
                way=way.name,
                prompt=length,
                cached=cached,
                ms=ms,
                ratio=base.ms.median / ms.median if base else None,
                from_cache=way.cached_tokens if isinstance(way, Engine) else None,
            )
        )
        return ms.median
