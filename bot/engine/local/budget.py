"""How much a step may compute, from what steps were seen to take.

Nobody who reads along should wait for somebody else's prompt: a step that computes a piece of
it beside everybody's next token must end within ``STEP_LIMIT_S``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bot.engine.local.runner import Row, StepModel
from bot.engine.local.scheduler import CHUNK_TOKENS

STEP_LIMIT_S: Final = 0.15
_MARGIN: Final = 0.8  # other texts' attention, sampling, a busy machine
_ALONE_LIMIT_S: Final = 0.2  # until a cancellation is heard
_MOST_TOKENS: Final = 224  # beyond it a row would be computed by another kernel
_TIMED_TOKENS: Final = 64
_DECODES: Final = 3.0  # what eight tokens take, in steps of one
_ROUNDS: Final = 6
_PATIENCE_S: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """What a step takes: ``step_s`` for a token, and ``token_s`` for each of a prompt."""

    step_s: float
    token_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the scheduler is told; see ``Scheduler.calibrate``."""

    budget_tokens: int
    budget_alone_tokens: int


def measure(model: StepModel[Any], clock: Callable[[], float] = time.perf_counter) -> StepCost:
    """Time steps of one token and of many; the quickest of a few counts.

    On a busy machine a step may take seconds: then fewer are timed.
    """

    def took(tokens: int, start: int) -> float:
        best = float("inf")
        until = clock() + _PATIENCE_S
        for _ in range(_ROUNDS):
            if best < float("inf") and clock() > until:
                break
            cache = model.new_cache()
            if start:
                model.forward([Row([0] * start, 0, cache, wanted=0)])
            began = clock()
            model.forward([Row([0] * tokens, start, cache, wanted=1)])
            best = min(best, clock() - began)
        return best

    step_s = took(1, 1)
    return StepCost(
        step_s=step_s, token_s=max(took(_TIMED_TOKENS, 0) - step_s, 0.0) / (_TIMED_TOKENS - 1)
    )


def choose_budget(cost: StepCost) -> Budget:
    """Return the largest budgets whose steps end in time."""
    left_s = STEP_LIMIT_S * _MARGIN - _DECODES * cost.step_s

    def fitting(limit_s: float) -> int:
        tokens = limit_s / cost.token_s if cost.token_s else _MOST_TOKENS
        chunks = int(max(0.0, min(tokens, _MOST_TOKENS))) // CHUNK_TOKENS
        return max(1, chunks) * CHUNK_TOKENS

    budget = fitting(left_s)
    return Budget(
        budget_tokens=budget,
        budget_alone_tokens=max(budget, fitting(_ALONE_LIMIT_S)),
    )
