"""What the scheduler itself takes of a step, beside the model's work.

Invariant: as the engine's core drives it: every sequence gets its token, those that end make
room for others that wait, and prompts are planned in pieces between them.
"""

import time
from collections.abc import Callable
from typing import Final

from bot.bench.figures import percentile
from bot.engine.local.scheduler import Scheduler

PLANNED_REQUESTS: Final = 32
_STEPS: Final = 2000
_BUDGET_TOKENS: Final = 64
_GUILDS: Final = 4


class _Story:
    """How long the next sequence of a channel is, and how many of its tokens are still to come."""

    def __init__(self, number: int) -> None:
        self.prompt = 20 + number % 32  # what a member added to a story in the cache
        self.left = 48 + number % 17  # they end one by one


def planning_ms_p99(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return what all calls of a step to the scheduler take together, milliseconds.

    So many requests are active and as many wait; the 99th percentile of 2,000 steps.
    """
    scheduler = Scheduler(
        max_active=PLANNED_REQUESTS,
        max_waiting=PLANNED_REQUESTS,
        budget_tokens=_BUDGET_TOKENS,
    )
    stories: dict[int, _Story] = {}

    def submit() -> None:
        number = len(stories)
        stories[number] = _Story(number)
        scheduler.submit(
            number,
            owner=f"channel {number % (2 * PLANNED_REQUESTS)}",
            group=f"guild {number % _GUILDS}",
            known=stories[number].prompt,
            deadline_s=float("inf"),
        )

    for _ in range(2 * PLANNED_REQUESTS):
        submit()
    took_ms: list[float] = []
    while len(took_ms) < _STEPS:
        begun_s = clock()
        ended = _step(scheduler, stories)
        took_ms.append(1000 * (clock() - begun_s))
        for _ in range(ended):
            submit()
    return percentile(took_ms, 0.99)


def _step(scheduler: Scheduler, stories: dict[int, _Story]) -> int:
    """Do what the core asks of the scheduler in a step; return how many sequences ended."""
    scheduler.expire(0.0)
    scheduler.admit()
    scheduler.take_ready_followers()
    scheduler.places()
    plan = scheduler.plan()
    ended = 0
    for span in plan.spans:
        scheduler.advance(span.id, span.stop)
    scheduler.take_ready_followers()
    for span in plan.spans:
        if not span.is_last:
            continue
        story = stories[span.id]
        story.left -= 1
        if story.left:
            scheduler.extend(span.id)
        else:
            scheduler.remove(span.id)
            ended += 1
    return ended
