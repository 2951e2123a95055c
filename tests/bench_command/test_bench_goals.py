"""What counts as reached."""

from typing import Any

import pytest

from bot.bench import goals
from bot.bench.figures import Sample
from bot.bench.goals import GPT2_PARAMETERS, RATIO, Goal, Verdict, judge
from bot.bench.machine import describe_machine
from bot.bench.results import FirstToken, ModelFigures, Results, Throughput
from bot.bench.steps import StepTimes


def goal(figure: float | None, unit: str, must: float, stretch: float | None = None) -> Goal:
    return Goal(
        name="x",
        model="m",
        precision="fp32",
        must=must,
        stretch=stretch,
        unit=unit,
        figure=figure,
    )


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (goal(1.6, RATIO, 1.7, 2.2), Verdict.MISSED),
        (goal(1.7, RATIO, 1.7, 2.2), Verdict.MET),
        (goal(2.2, RATIO, 1.7, 2.2), Verdict.STRETCH),
        (goal(None, RATIO, 1.7, 2.2), Verdict.UNMEASURED),
        (goal(9.0, "ms", 10), Verdict.MET),
        (goal(10.1, "ms", 10), Verdict.MISSED),
        (goal(4.0, "ms", 10, 5), Verdict.STRETCH),
    ],
)
def test_ratios_should_be_high_and_everything_else_low(measured: Goal, verdict: Verdict) -> None:
    assert measured.verdict is verdict


def speed(way: str, batch: int, tokens_s: float, ratio: float | None = None) -> Throughput:
    return Throughput(way=way, batch=batch, tokens_s=Sample.of([tokens_s]), ratio=ratio)


def load_of(precision: str) -> dict[str, Any]:
    lag = {"p50_ms": 0.1, "p99_ms": 4.0, "max_ms": 60.0}
    return {
        "precision": precision,
        "loading_lag": lag,
        "serving_lag": lag,
        "channels": [{"channels": 8, "lag": lag}],
        "disturbance": {"gap_ms_max": 151.0},
        "above_mib": 100.0,
        "planning_ms": 0.05,
    }


def test_the_goals_of_gpt2_are_taken_from_where_they_were_measured() -> None:
    model = ModelFigures(
        name="random-gpt2",
        parameters=GPT2_PARAMETERS,
        throughput=[
            speed("snippet", 1, 20),
            speed("llama.cpp Q8_0", 16, 300),
            speed("Roundtale bf16", 1, 60, 3.0),
            speed("Roundtale bf16", 8, 330, 11.0),
            speed("Roundtale bf16", 16, 420, 14.0),
        ],
        first_token=[
            FirstToken(
                way="Roundtale bf16", prompt=30, cached=870, ms=Sample.of([50.0]), ratio=15.0
            )
        ],
        load=load_of("bf16"),
        steps={
            "bf16": StepTimes(
                decode=(), prefill_ms_per_token=None, prefill_fixed_ms=None, sampling_share=0.05
            )
        },
    )
    results = Results(
        machine=describe_machine(), is_quick=False, took_s=1.0, busy_share=0.0, models=(model,)
    )
    verdicts = {(each.name, each.precision): each.verdict for each in judge(results)}
    assert verdicts == {
        (goals.ONE_STORY, "fp32"): Verdict.UNMEASURED,
        (goals.ONE_STORY, "bf16"): Verdict.MET,
        (goals.ONE_STORY, "int8"): Verdict.UNMEASURED,
        (goals.EIGHT_STORIES, "fp32"): Verdict.UNMEASURED,
        (goals.EIGHT_STORIES, "bf16"): Verdict.MET,
        (goals.EIGHT_STORIES, "int8"): Verdict.UNMEASURED,
        (goals.SIXTEEN_STORIES, "fp32"): Verdict.UNMEASURED,
        (goals.SIXTEEN_STORIES, "bf16"): Verdict.STRETCH,
        (goals.SIXTEEN_STORIES, "int8"): Verdict.UNMEASURED,
        (goals.CONTINUED, "fp32"): Verdict.UNMEASURED,
        (goals.CONTINUED, "bf16"): Verdict.MISSED,
        (goals.CONTINUED, "int8"): Verdict.UNMEASURED,
        (goals.LAG_P99, "bf16"): Verdict.MET,
        (goals.LAG_MAX, "bf16"): Verdict.MISSED,
        (goals.LOADING_LAG_P99, "bf16"): Verdict.MET,
        (goals.LOADING_LAG_MAX, "bf16"): Verdict.MISSED,
        (goals.NEXT_TOKEN, "bf16"): Verdict.MISSED,
        (goals.PLANNING, "bf16"): Verdict.MET,
        (goals.MEMORY, "bf16"): Verdict.MET,
        (goals.SAMPLING, "bf16"): Verdict.MET,
    }


def test_the_snippet_with_the_most_threads_is_what_larger_batches_are_compared_with() -> None:
    model = ModelFigures(
        name="m", parameters=1, throughput=[speed("snippet", 1, 20), speed("snippet", 8, 30)]
    )
    found = [model.snippet_speed(batch) for batch in (1, 4, 8, 32)]
    assert [each and each.batch for each in found] == [1, 1, 8, 8]
