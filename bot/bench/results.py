"""What a run found, as data.

Invariant: everything here is plain numbers and strings, so that the JSON line says all that
the table shows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.bench.figures import Sample
from bot.bench.machine import Machine
from bot.bench.plain import SNIPPET
from bot.bench.steps import StepTimes

SCHEMA = 1
"""Of the JSON line; a change of meaning raises it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Tokens a second of all texts together.

    Attributes:
        way: that wrote.
        batch: texts at once.
        tokens_s: new tokens in a second of the whole call, prefill included.
        ratio: to the snippet with as many texts at once, or the most of fewer that it was
            measured with (threads gain nothing from being more); None for the snippet itself.
    """

    way: str
    batch: int
    tokens_s: Sample
    ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstToken:
    """How long the first token takes.

    Attributes:
        way: that wrote.
        prompt: tokens that are new.
        cached: tokens of the story before them, written about earlier.
        ms: time to the first token.
        ratio: the snippet's time for as long a text through this one's; None for itself.
        from_cache: tokens that came from a cache; None where the way does not say.
    """

    way: str
    prompt: int
    cached: int
    ms: Sample
    ratio: float | None
    from_cache: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How much of a way's greedy text is that of plain transformers in fp32.

    Attributes:
        way: that wrote.
        tokens: share of equal tokens, place by place.
        texts: share of texts that are equal as a whole.
        compared: how many texts.
    """

    way: str
    tokens: float
    texts: float
    compared: int


@dataclass(slots=True, kw_only=True)
class ModelFigures:
    """All figures of one model.

    Attributes:
        name: of the model.
        parameters: number of weights.
        throughput: one for each way and batch.
        first_token: one for each way and length.
        agreement: one for each way but the reference.
        missing: why a way was not measured.
        load: what was measured under load, as ``bot.bench.load.Load`` has it; None where it
            was not.
        steps: the engine's step times by precision.
    """

    name: str
    parameters: int
    throughput: list[Throughput] = field(default_factory=list)
    first_token: list[FirstToken] = field(default_factory=list)
    agreement: list[Agreement] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    load: Mapping[str, Any] | None = None
    steps: dict[str, StepTimes] = field(default_factory=dict)

    def speed(self, way: str, batch: int) -> Throughput | None:
        """Return what a way reached with so many texts at once."""
        return next(
            (each for each in self.throughput if (each.way, each.batch) == (way, batch)), None
        )

    def snippet_speed(self, batch: int) -> Throughput | None:
        """Return what the snippet reached with so many texts, or with the most of fewer."""
        found = [each for each in self.throughput if each.way == SNIPPET and each.batch <= batch]
        return max(found, key=lambda each: each.batch, default=None)

    def first(self, way: str, prompt: int, cached: int) -> FirstToken | None:
        """Return how long a way took to the first token."""
        wanted = (way, prompt, cached)
        return next(
            (each for each in self.first_token if (each.way, each.prompt, each.cached) == wanted),
            None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run.

    Attributes:
        machine: what it ran on.
        is_quick: fewer sizes and repeats.
        took_s: the whole run.
        busy_share: of the processors' time that other processes took meanwhile.
        models: in the order of measurement.
    """

    machine: Machine
    is_quick: bool
    took_s: float
    busy_share: float
    models: tuple[ModelFigures, ...]

    def as_json(self, goals: object) -> dict[str, Any]:
        """Return all of it for the JSON line.

        Args:
            goals: the goals with their verdicts, as plain data.
        """
        models = {}
        for model in self.models:
            figures = asdict(model)
            del figures["name"], figures["steps"]
            models[model.name] = figures
        return {
            "schema": SCHEMA,
            "quick": self.is_quick,
            "took_s": self.took_s,
            "busy_share": self.busy_share,
            "machine": asdict(self.machine),
            "models": models,
            "step_times": {
                model.name: {precision: asdict(times) for precision, times in model.steps.items()}
                for model in self.models
            },
            "goals": goals,
        }
