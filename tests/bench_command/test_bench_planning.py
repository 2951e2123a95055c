"""The scheduler's own share of a step."""

from itertools import count

import pytest

from bot.bench import planning
from bot.engine.local.scheduler import Scheduler, StepPlan


def test_a_step_takes_what_passes_between_its_begin_and_its_end() -> None:
    moments = count()
    assert planning.planning_ms_p99(lambda: next(moments) / 1000) == pytest.approx(1.0)


def test_most_steps_have_a_token_for_nearly_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    decodes: list[int] = []
    plan = Scheduler.plan

    def watched(scheduler: Scheduler) -> StepPlan:
        found = plan(scheduler)
        decodes.append(len(found.decodes))
        return found

    monkeypatch.setattr(Scheduler, "plan", watched)
    planning.planning_ms_p99()
    assert sorted(decodes)[len(decodes) // 10] >= planning.PLANNED_REQUESTS - 4
    assert max(decodes) == planning.PLANNED_REQUESTS
