"""Measure one group of ways after another, and put the figures together.

Invariants:
    - Each group has a process of its own: OpenMP lets threads sleep instead of spin between two
      pieces of work as soon as another thread of the process has ever computed, which made a
      step a half slower.
    - No prompt is measured twice on one way, so that no cache answers for the model; what is
      meant to come from a cache is a story's.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.bench.ctranslate import CTRANSLATE2, open_ctranslate2
from bot.bench.engine import PRECISIONS, Engine, engine_group
from bot.bench.errors import ShortTextError, WindowTooShortError
from bot.bench.figures import Sample, equal_share
from bot.bench.llama_cpp import LLAMA_CPP, open_llama_cpp
from bot.bench.models import BenchModel
from bot.bench.plain import BATCHED, CONTINUOUS, SNIPPET, open_plain
from bot.bench.plan import Plan
from bot.bench.results import Agreement, FirstToken, ModelFigures, Throughput
from bot.bench.steps import StepTimes, measure_steps
from bot.bench.ways import Group, NotAvailableError, Way
from bot.engine.local.packed.precision import Precision

Report = Callable[[str], None]
"""Takes one line of progress."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a way wrote.

    Attributes:
        batch: texts at once.
        tokens_s: new tokens in a second of the whole call, for each repeat.
        texts: of the first repeat.
    """

    batch: int
    tokens_s: tuple[float, ...]
    texts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """How soon a way wrote; see ``FirstToken``.

    Attributes:
        prompt: tokens that are new.
        cached: tokens of the story before them.
        ms: time to the first token, for each repeat.
        from_cache: tokens that came from a cache; None where the way does not say.
    """

    prompt: int
    cached: int
    ms: tuple[float, ...]
    from_cache: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayFigures:
    """What was measured of one way.

    Attributes:
        name: of the way.
        speeds: one for each batch.
        first: one for each length.
        precision: of the engine's step times.
        steps: the engine's step times.
    """

    name: str
    speeds: tuple[Speed, ...]
    first: tuple[First, ...]
    precision: str = ""
    steps: StepTimes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """What was measured of a group.

    Attributes:
        ways: of the group.
        missing: why it could not be opened.
    """

    ways: tuple[WayFigures, ...] = ()
    missing: str | None = None


class Measurements(Protocol):
    """Where measurements are made."""

    def measure_group(
        self, names: Sequence[str], bench_model: BenchModel, plan: Plan, report: Report
    ) -> GroupFigures:
        """Measure the group of ways with these names."""
        ...

    def measure_load(
        self, bench_model: BenchModel, plan: Plan, precision: Precision
    ) -> Mapping[str, Any]:
        """Measure under load; return ``bot.bench.load.Load`` as a mapping."""
        ...


def measure_model(
    bench_model: BenchModel, plan: Plan, *, measurements: Measurements, report: Report
) -> ModelFigures:
    """Measure everything that the plan has for one model.

    Args:
        bench_model: what writes.
        plan: what is measured.
        measurements: makes them.
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
    comparison = _Comparison(bench_model)
    for group in groups_of(plan):
        report(f"{bench_model.name}: opening {group.names[0]}")
        found = measurements.measure_group(group.names, bench_model, plan, report)
        for way in found.ways:
            comparison.add(way)
        if found.missing is not None:
            comparison.figures.missing.update(dict.fromkeys(group.names, found.missing))
    if plan.channels:
        report(f"{bench_model.name}: under load")
        comparison.figures.load = measurements.measure_load(bench_model, plan, "auto")
    return comparison.figures


class _Comparison:
    """The figures of one model, each way's beside the snippet's, which comes first."""

    def __init__(self, bench_model: BenchModel) -> None:
        self.figures = ModelFigures(name=bench_model.name, parameters=bench_model.parameters)
        self._reference: Sequence[Sequence[int]] = ()

    def add(self, way: WayFigures) -> None:
        """Add what was measured of a way."""
        is_snippet = way.name == SNIPPET
        for speed in way.speeds:
            if is_snippet:
                self._reference = max(self._reference, speed.texts, key=len)
            tokens_s = Sample.of(speed.tokens_s)
            base = None if is_snippet else self.figures.snippet_speed(speed.batch)
            self.figures.throughput.append(
                Throughput(
                    way=way.name,
                    batch=speed.batch,
                    tokens_s=tokens_s,
                    ratio=tokens_s.median / base.tokens_s.median if base else None,
                )
            )
        if way.speeds and not is_snippet:
            self._compare(way.name, max(way.speeds, key=lambda speed: speed.batch).texts)
        for first in way.first:
            self._add_first(way.name, first)
        if way.steps is not None:
            self.figures.steps[way.precision] = way.steps

    def _compare(self, name: str, texts: Sequence[Sequence[int]]) -> None:
        tokens, whole = equal_share(texts, self._reference)
        self.figures.agreement.append(
            Agreement(
                way=name,
                tokens=tokens,
                texts=whole,
                compared=min(len(texts), len(self._reference)),
            )
        )

    def _add_first(self, name: str, first: First) -> None:
        ms = Sample.of(first.ms)
        base = None
        if name != SNIPPET:
            base = self.figures.first(SNIPPET, first.cached + first.prompt, 0)
        self.figures.first_token.append(
            FirstToken(
                way=name,
                prompt=first.prompt,
                cached=first.cached,
                ms=ms,
                ratio=base.ms.median / ms.median if base else None,
                from_cache=first.from_cache,
            )
        )


def measure_group(
    group: Group, bench_model: BenchModel, plan: Plan, report: Report
) -> GroupFigures:
    """Measure a group of ways in this process.

    Args:
        group: which.
        bench_model: what writes.
        plan: what is measured.
        report: gets a line before each measurement.

    Raises:
        BenchError: a measurement is not what it seems.
        EngineError: the engine failed.
    """
    try:
        with group.open(bench_model, plan) as ways:
            return GroupFigures(
                ways=tuple(_OneWay(way, bench_model, plan, report).measure() for way in ways)
            )
    except NotAvailableError as problem:
        return GroupFigures(missing=str(problem))


class _OneWay:
    """The measurements of an open way."""

    def __init__(self, way: Way, bench_model: BenchModel, plan: Plan, report: Report) -> None:
        self._way = way
        self._model = bench_model
        self._plan = plan
        self._report = report

    def measure(self) -> WayFigures:
        """Measure all that the plan has for the way."""
        way, plan = self._way, self._plan
        self._say("warming up")
        way.write(self._model.prompts(1, plan.prompt_tokens, salt=_WARM_UP_SALT), 4)
        speeds = tuple(self._measure_speed(batch) for batch in way.batches(plan))
        first = [self._measure_first(length, cached=0) for length in plan.first_tokens]
        fresh_ms = {each.prompt: Sample.of(each.ms).median for each in first}
        if way.keeps_stories:
            first.append(self._measure_first(plan.added_tokens, cached=plan.cached_tokens))
        if not isinstance(way, Engine) or not plan.steps:
            return WayFigures(name=way.name, speeds=speeds, first=tuple(first))
        self._say("steps")
        return WayFigures(
            name=way.name,
            speeds=speeds,
            first=tuple(first),
            precision=way.backend.info.precision,
            steps=way.runner.run(measure_steps(way.backend, self._model, plan, fresh_ms)),
        )

    def _say(self, what: str) -> None:
        self._report(f"{self._model.name}: {self._way.name}, {what}")

    def _measure_speed(self, batch: int) -> Speed:
        plan = self._plan
        self._say(f"{batch} at once")
        # What a batch of this shape sets up belongs to no measurement.
        self._way.write(self._model.prompts(batch, plan.prompt_tokens, salt=_WARM_UP_SALT - 1), 2)
        values: list[float] = []
        texts: list[list[int]] = []
        for repeat in range(plan.repeats):
            prompts = self._model.prompts(batch, plan.prompt_tokens, salt=repeat)
            begun_s = time.perf_counter()
            written = self._way.write(prompts, plan.new_tokens)
            values.append(batch * plan.new_tokens / (time.perf_counter() - begun_s))
            self._require(written, batch)
            texts = texts or written
        return Speed(batch=batch, tokens_s=tuple(values), texts=tuple(map(tuple, texts)))

    def _require(self, written: Sequence[Sequence[int]], batch: int) -> None:
        """See that the time was that of the whole text; the engine has seen to its own."""
        plan = self._plan
        tokens = sum(map(len, written))
        if len(written) != batch or (
            not isinstance(self._way, Engine) and tokens != batch * plan.new_tokens
        ):
            raise ShortTextError(way=self._way.name, written=tokens, wanted=batch * plan.new_tokens)

    def _measure_first(self, length: int, *, cached: int) -> First:
        """Time the first token after ``length`` new ones."""
        self._say(f"first token of {length} after {cached}")
        plan = self._plan
        story = f"story {cached}" if cached else None
        past = self._model.prompt(0, cached, salt=_STORY_SALT)
        # The first call computes the story, or what a text of this length sets up.
        values = []
        for repeat in range(-1, plan.repeats):
            fresh = self._model.prompt(0, length, salt=_FIRST_SALT + cached + repeat)
            begun_s = time.perf_counter()
            self._way.write([(*past, *fresh)], 1, story=story)
            values.append(1000 * (time.perf_counter() - begun_s))
        return First(
            prompt=length,
            cached=cached,
            ms=tuple(values[1:]),
            from_cache=self._way.cached_tokens if isinstance(self._way, Engine) else None,
        )
