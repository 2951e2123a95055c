"""What is to be reached, and whether it was.

Invariant: a goal that this run did not measure is neither met nor missed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.bench.engine import way_name
from bot.bench.llama_cpp import LLAMA_CPP
from bot.bench.results import ModelFigures, Results
from bot.locales import N_

GPT2_PARAMETERS = 124_439_808
SMOLLM2_PARAMETERS = 134_515_008

RATIO = "\N{MULTIPLICATION SIGN}"

_LOADED_CHANNELS = 8


class Verdict(StrEnum):
    """How a figure stands to its goal."""

    STRETCH = "stretch"
    MET = "met"
    MISSED = "missed"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal, and what was measured.

    Attributes:
        name: a msgid with ``model`` and ``precision`` to fill in.
        model: of the figure.
        precision: of the figure; "" where it does not matter.
        must: what has to be reached.
        stretch: what would be better still; None where nothing is said.
        unit: of all three; RATIO should be high, the others should be low.
        figure: what was measured; None where it was not.
    """

    name: str
    model: str
    precision: str
    must: float
    stretch: float | None
    unit: str
    figure: float | None

    @property
    def verdict(self) -> Verdict:
        """How the figure stands to the goal."""
        if self.figure is None:
            return Verdict.UNMEASURED
        sign = 1 if self.unit == RATIO else -1
        if self.stretch is not None and sign * self.figure >= sign * self.stretch:
            return Verdict.STRETCH
        return Verdict.MET if sign * self.figure >= sign * self.must else Verdict.MISSED


ONE_STORY = N_("one story, against the snippet")
EIGHT_STORIES = N_("8 stories, against 8 threads of the snippet")
SIXTEEN_STORIES = N_("16 stories, against llama.cpp Q8_0")
CONTINUED = N_("first token of a continued story, against the snippet")
LAG_P99 = N_("event loop lag under 8 stories, p99")
LAG_MAX = N_("event loop lag under 8 stories, maximum")
LOADING_LAG_P99 = N_("event loop lag in Discord while weights load, p99")
LOADING_LAG_MAX = N_("event loop lag in Discord while weights load, maximum")
NEXT_TOKEN = N_("next token of the others while a long story is prefilled")
SAMPLING = N_("sampling as a share of a step at batch 8")
MEMORY = N_("memory above libraries, weights and key-value cache")
PLANNING = N_("scheduler's own work in a step with 32 requests, p99")

# must and stretch by precision, for two cores with AVX-512
_GPT2: dict[str, dict[str, tuple[float, float | None]]] = {
    ONE_STORY: {"fp32": (1.7, 2.2), "bf16": (2.8, 3.5), "int8": (4.0, 6.0)},
    EIGHT_STORIES: {"fp32": (5.5, 7.0), "bf16": (10.0, 12.0), "int8": (14.0, 20.0)},
    SIXTEEN_STORIES: {"fp32": (0.7, None), "bf16": (1.1, 1.3), "int8": (1.5, 2.0)},
    CONTINUED: {"fp32": (14.0, 16.0), "bf16": (16.0, 22.0), "int8": (22.0, 30.0)},
}
_SMOLLM2: dict[str, tuple[float, float | None]] = {
    ONE_STORY: (2.0, 3.0),
    EIGHT_STORIES: (8.0, 12.0),
}


def judge(results: Results) -> list[Goal]:
    """Return every goal that concerns the models of a run."""
    goals: list[Goal] = []
    for model in results.models:
        default = str(model.load["precision"]) if model.load is not None else ""
        if model.parameters == GPT2_PARAMETERS:
            for name, by_precision in _GPT2.items():
                goals += [
                    _goal(model, name, precision, bounds)
                    for precision, bounds in by_precision.items()
                ]
        if model.parameters == SMOLLM2_PARAMETERS:
            goals += [_goal(model, name, default, bounds) for name, bounds in _SMOLLM2.items()]
        goals += _any_model(model, default)
    return goals


def _goal(
    model: ModelFigures, name: str, precision: str, bounds: tuple[float, float | None]
) -> Goal:
    way = way_name(precision)
    figure: float | None = None
    if name in (ONE_STORY, EIGHT_STORIES):
        speed = model.speed(way, 1 if name == ONE_STORY else 8)
        figure = speed.ratio if speed else None
    elif name == SIXTEEN_STORIES:
        speed, other = model.speed(way, 16), model.speed(LLAMA_CPP, 16)
        figure = speed.tokens_s.median / other.tokens_s.median if speed and other else None
    elif name == CONTINUED:
        figure = next(
            (each.ratio for each in model.first_token if each.way == way and each.cached), None
        )
    return Goal(
        name=name,
        model=model.name,
        precision=precision,
        must=bounds[0],
        stretch=bounds[1],
        unit=RATIO,
        figure=figure,
    )


def _any_model(model: ModelFigures, default: str) -> Iterable[Goal]:
    load = model.load
    figures: dict[str, tuple[float | None, float, str]] = {}
    if load is not None:
        eight = next(
            (each for each in load["channels"] if each["channels"] == _LOADED_CHANNELS), None
        )
        lag = eight["lag"] if eight else {}
        loading, disturbance = load["serving_lag"], load["disturbance"]
        figures = {
            LAG_P99: (lag.get("p99_ms"), 10.0, "ms"),
            LAG_MAX: (lag.get("max_ms"), 50.0, "ms"),
            LOADING_LAG_P99: (loading["p99_ms"], 10.0, "ms"),
            LOADING_LAG_MAX: (loading["max_ms"], 50.0, "ms"),
            NEXT_TOKEN: (disturbance and disturbance["gap_ms_max"], 150.0, "ms"),
            PLANNING: (load["planning_ms"], 1.0, "ms"),
            MEMORY: (load["above_mib"] * 2**20 / 1e6, 300.0, "MB"),
        }
    steps = model.steps.get(default)
    share = steps.sampling_share if steps else None
    figures[SAMPLING] = (None if share is None else 100 * share, 10.0, "%")
    return [
        Goal(
            name=name,
            model=model.name,
            precision=default,
            must=must,
            stretch=None,
            unit=unit,
            figure=figure,
        )
        for name, (figure, must, unit) in figures.items()
    ]
