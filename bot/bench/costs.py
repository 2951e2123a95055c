"""What a step costs, as a straight line fitted to measurements.

    step_s = fixed_s + decode_s * decodes + context_s * context + prefill_s * prefill

``decodes`` are sequences that get one token, ``context`` is how many tokens these attend to, all
together, and ``prefill`` is how many prompt tokens are computed beside them.

Invariant: costs are never negative; a cost that the measurements put below nothing is nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bot.bench.steps import DecodeStep
from bot.engine.local.budget import Budget, StepCost, choose_budget
from bot.engine.local.scheduler import Scheduler, StepPlan

_ROUNDS: Final = 8  # of fitting and choosing budgets in turn; two are usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The line's coefficients, all in seconds.

    Attributes:
        fixed_s: of any step.
        decode_s: of each sequence that gets its next token.
        context_s: of each token that such a sequence attends to.
        prefill_s: of each prompt token.
    """

    fixed_s: float
    decode_s: float
    context_s: float
    prefill_s: float

    def step_s(self, plan: StepPlan) -> float:
        """Return how long a step takes."""
        return (
            self.fixed_s
            + self.decode_s * len(plan.decodes)
            + self.context_s * sum(span.stop for span in plan.decodes)
            + self.prefill_s * sum(span.stop - span.start for span in plan.prefills)
        )

    @property
    def budget(self) -> Budget:
        """What the engine computes in a step where steps cost so much."""
        cost = StepCost(step_s=self.fixed_s + self.decode_s, token_s=self.prefill_s)
        return choose_budget(cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefill:
    """A prompt, alone on the engine, up to its first token.

    Attributes:
        cached: tokens that were in the cache.
        added: tokens that were computed.
        seconds: it took.
    """

    cached: int
    added: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What costs are fitted to.

    Attributes:
        decodes: steps with the default sampling.
        step_tokens: that each of their sequences wrote; half of it adds to their context.
        prefills: prompts.
    """

    decodes: tuple[DecodeStep, ...]
    step_tokens: int
    prefills: tuple[Prefill, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """Costs, and how far they are from what was measured.

    Attributes:
        costs: fitted.
        median_error: of the predictions, as a share of what was measured.
        worst_error: the same.
    """

    costs: Costs
    median_error: float
    worst_error: float


def fit(measured: Measured) -> Fit:
    """Return the costs with the least squared relative error.

    How many steps a prompt took depends on the engine's budget, which depends on the costs:
    both are found in turn.

    Raises:
        ValueError: fewer than four measurements.
    """
    budget = Budget(budget_tokens=32, budget_alone_tokens=224)
    while_decoding = [
        (1.0, step.batch, step.batch * (step.context + measured.step_tokens / 2), 0.0)
        for step in measured.decodes
    ]
    seconds = [step.ms.median / 1000 for step in measured.decodes]
    seconds += [prefill.seconds for prefill in measured.prefills]
    if len(seconds) < 4:  # noqa: PLR2004 -- as many as there are costs
        msg = "a fit needs four measurements"
        raise ValueError(msg)
    for _ in range(_ROUNDS):
        rows = while_decoding + [_prompt_row(each, budget) for each in measured.prefills]
        found, errors = _solve(rows, seconds)
        if found.budget == budget:
            break
        budget = found.budget
    return Fit(found, float(np.median(errors)), float(np.max(errors)))


def _prompt_row(prefill: Prefill, budget: Budget) -> tuple[float, float, float, float]:
    """Return what a prompt's steps computed: the real scheduler says how many there were."""
    scheduler = Scheduler(
        budget_tokens=budget.budget_tokens, budget_alone_tokens=budget.budget_alone_tokens
    )
    scheduler.submit(0, owner="", known=prefill.cached + prefill.added)
    scheduler.admit()
    scheduler.advance(0, prefill.cached)
    steps = decodes = context = computed = 0
    while True:
        plan = scheduler.plan()
        (span,) = plan.spans
        steps += 1
        if plan.decodes:  # a prompt that lacks one token is no prefill
            decodes, context = decodes + 1, context + span.stop
        else:
            computed += span.stop - span.start
        scheduler.advance(0, span.stop)
        if span.is_last:
            return (float(steps), float(decodes), float(context), float(computed))


def _solve(
    rows: Sequence[Sequence[float]], seconds: Sequence[float]
) -> tuple[Costs, "np.ndarray[Any, np.dtype[np.float64]]"]:
    """Return the costs, none below nothing, and each row's relative error."""
    wanted = np.asarray(seconds, dtype=np.float64)
    relative = np.asarray(rows, dtype=np.float64) / wanted[:, None]
    used = list(range(relative.shape[1]))
    values = np.zeros(relative.shape[1])
    while used:
        found = np.linalg.lstsq(relative[:, used], np.ones(len(wanted)), rcond=None)[0]
        if found.min() >= 0:
            values[used] = found
            break
        del used[int(found.argmin())]
    fixed_s, decode_s, context_s, prefill_s = (float(value) for value in values)
    costs = Costs(fixed_s=fixed_s, decode_s=decode_s, context_s=context_s, prefill_s=prefill_s)
    return costs, np.abs(relative @ values - 1)
