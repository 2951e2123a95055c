"""What a step costs, fitted."""

from itertools import product

import pytest

from bot.bench.costs import Costs, Measured, Prefill, fit
from bot.bench.figures import Sample
from bot.bench.steps import DecodeStep
from bot.engine.local.budget import Budget
from bot.engine.local.scheduler import Span, StepPlan

TRUE = Costs(fixed_s=0.012, decode_s=0.0015, context_s=3e-6, prefill_s=0.0006)
STEP_TOKENS = 32


def decode(batch: int, context: int, costs: Costs = TRUE) -> DecodeStep:
    attended = batch * (context + STEP_TOKENS / 2)
    seconds = costs.fixed_s + costs.decode_s * batch + costs.context_s * attended
    return DecodeStep(
        batch=batch, context=context, sampling="default", ms=Sample.of([1000 * seconds])
    )


def measured(prefills: list[Prefill], costs: Costs = TRUE) -> Measured:
    return Measured(
        decodes=tuple(decode(*shape, costs) for shape in product((1, 4, 16), (100, 800))),
        step_tokens=STEP_TOKENS,
        prefills=tuple(prefills),
    )


def test_a_step_costs_what_it_computes() -> None:
    plan = StepPlan(
        decodes=(Span(1, 99, 100, is_last=True), Span(2, 199, 200, is_last=True)),
        prefills=(Span(3, 0, 64, is_last=False),),
    )
    assert TRUE.step_s(plan) == pytest.approx(0.012 + 2 * 0.0015 + 300 * 3e-6 + 64 * 0.0006)


def test_the_costs_behind_measurements_are_found() -> None:
    # Alone, 224 tokens are computed in a step: 900 take five, of which the last is short.
    assert TRUE.budget == Budget(budget_tokens=128, budget_alone_tokens=224)
    prefills = [
        Prefill(cached=0, added=60, seconds=0.012 + 60 * 0.0006),
        Prefill(cached=0, added=900, seconds=5 * 0.012 + 900 * 0.0006),
        Prefill(cached=800, added=30, seconds=0.012 + 30 * 0.0006),
    ]
    found = fit(measured(prefills))
    for name in ("fixed_s", "decode_s", "context_s", "prefill_s"):
        assert getattr(found.costs, name) == pytest.approx(getattr(TRUE, name), rel=1e-6)
    assert found.worst_error < 1e-6


def test_the_steps_of_a_prompt_are_those_of_a_slow_machine_where_it_is_one() -> None:
    slow = Costs(fixed_s=0.02, decode_s=0.004, context_s=0.0, prefill_s=0.004)
    assert slow.budget == Budget(budget_tokens=32, budget_alone_tokens=32)
    prefills = [
        Prefill(cached=0, added=added, seconds=-(-added // 32) * 0.02 + added * 0.004)
        for added in (20, 64, 400)
    ]
    found = fit(measured(prefills, slow))
    assert found.costs.prefill_s == pytest.approx(0.004)
    assert found.costs.fixed_s == pytest.approx(0.02)


def test_a_cost_below_nothing_is_nothing() -> None:
    found = fit(
        measured(
            [Prefill(cached=0, added=60, seconds=0.05)],
            Costs(fixed_s=0.012, decode_s=0.0015, context_s=-1e-7, prefill_s=0.0),
        )
    )
    assert found.costs.context_s == 0
    assert found.costs.decode_s > 0
    assert found.worst_error > 0


def test_too_few_measurements_are_an_error() -> None:
    with pytest.raises(ValueError, match="four"):
        fit(Measured(decodes=(decode(1, 100),), step_tokens=STEP_TOKENS, prefills=()))
