"""The simulation, against what can be computed by hand."""

import random
from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

import pytest

from bot.bench.costs import Costs
from bot.bench.simulation import Installation, Outcome, Simulation
from bot.bench.workload import Turn, Workload
from bot.engine.local.budget import Budget

COSTS = Costs(fixed_s=0.01, decode_s=0.001, context_s=1e-6, prefill_s=0.002)
BUDGET = Budget(budget_tokens=32, budget_alone_tokens=64)
ROOM = Installation(max_active=4, max_waiting=64, kv_cache_bytes=10_000_000, kv_token_bytes=1)


class Fixed(Workload):
    """Every turn is like the other, and a story begins with 100 tokens."""

    def opening_tokens(self, channel: int) -> int:
        return 100

    def turns(self, channel: int) -> Iterator[Turn]:
        while True:
            yield Turn(self.think_s, self.turn_tokens[0], self.passage_tokens[0])


class Random(Fixed):
    """Passages are as long as chance has it: exponentially distributed."""

    def turns(self, channel: int) -> Iterator[Turn]:
        chance = random.Random(f"{self.seed} {channel}")
        while True:
            length = 1 + int(chance.expovariate(1 / self.passage_tokens[0]))
            yield Turn(chance.expovariate(1 / self.think_s), 1, length)


FIXED = Fixed(
    think_s=7.0, limit_tokens=2000, pinned_tokens=10, turn_tokens=(10, 10), passage_tokens=(5, 5)
)


def simulate(
    channels: int,
    passages: int,
    *,
    workload: Workload = FIXED,
    installation: Installation = ROOM,
    costs: Costs = COSTS,
    warm_up: int = 0,
) -> Outcome:
    run = Simulation(costs, installation, workload, channels, budget=BUDGET)
    return run.run(passages=passages, warm_up=warm_up)


def test_one_channel_takes_exactly_what_its_steps_take() -> None:
    outcome = simulate(1, 3)
    opening, second, third = outcome.seen
    # 110 tokens in steps of 64 and 46; then four tokens that see 111 to 114.
    assert opening.first_s == pytest.approx(2 * 0.01 + 110 * 0.002)
    assert opening.whole_s - opening.first_s == pytest.approx(4 * 0.011 + 450e-6)
    assert (opening.prompt_tokens, opening.cached_tokens) == (110, 0)
    # Three whole chunks were kept of the prompt; the rest, the passage and ten new ones came to them.
    assert (second.prompt_tokens, second.cached_tokens) == (125, 96)
    assert second.first_s == pytest.approx(0.01 + 29 * 0.002)
    assert (third.prompt_tokens, third.cached_tokens) == (140, 96)
    assert third.tokens_s == pytest.approx(4 / (4 * 0.011 + (141 + 142 + 143 + 144) * 1e-6))
    busy_s = sum(each.whole_s for each in outcome.seen)
    assert outcome.busy_s == pytest.approx(busy_s)
    assert outcome.seconds == pytest.approx(busy_s + 3 * 7.0)


def test_a_saturated_engine_writes_as_many_tokens_as_its_steps_have_room_for() -> None:
    costs = Costs(fixed_s=0.01, decode_s=0.002, context_s=0.0, prefill_s=0.0)
    workload = replace(FIXED, think_s=0.01, passage_tokens=(50, 50))
    outcome = simulate(40, 400, workload=workload, costs=costs, warm_up=200)
    assert outcome.busy_s == pytest.approx(outcome.seconds)
    tokens_s = sum(each.tokens for each in outcome.seen) / outcome.seconds
    # Every step writes for four: it costs as much as four decodes, or one less beside a prompt.
    assert tokens_s * 1.02 >= 4 / (0.01 + 4 * 0.002)
    assert tokens_s <= 4 / (0.01 + 3 * 0.002)
    # Little: channels = throughput * (response + thought).
    waits = [each.whole_s for each in outcome.seen]
    assert mean(waits) == pytest.approx(40 / (len(waits) / outcome.seconds) - 0.01, rel=0.02)


@pytest.mark.parametrize("channels", [2, 6, 12])
def test_one_at_a_time_is_the_repairman_of_the_books(channels: int) -> None:
    """Mean value analysis of M/M/1//N: R = S (1 + Q(N - 1)), X = N / (Z + R), Q = X R."""
    costs = Costs(fixed_s=0.02, decode_s=0.0, context_s=0.0, prefill_s=0.0)
    workload = Random(
        think_s=5.0, limit_tokens=200, pinned_tokens=10, turn_tokens=(1, 1), passage_tokens=(40, 40)
    )
    installation = replace(ROOM, max_active=1)
    run = Simulation(
        costs,
        installation,
        workload,
        channels,
        budget=Budget(budget_tokens=224, budget_alone_tokens=224),
    )
    outcome = run.run(passages=3000, warm_up=100)
    service_s = 0.02 * mean(each.tokens for each in outcome.seen)
    queue = response_s = 0.0
    for count in range(1, channels + 1):
        response_s = service_s * (1 + queue)
        queue = count / (5.0 + response_s) * response_s
    assert mean(each.whole_s for each in outcome.seen) == pytest.approx(response_s, rel=0.07)
    assert len(outcome.seen) / outcome.seconds == pytest.approx(
        channels / (5.0 + response_s), rel=0.05
    )


@pytest.mark.parametrize("channels", [1, 5, 20, 80])
def test_no_throughput_is_above_the_asymptotes(channels: int) -> None:
    workload = replace(FIXED, passage_tokens=(30, 30))
    alone = simulate(1, 50, workload=workload, warm_up=10)
    outcome = simulate(channels, 400, workload=workload, warm_up=4 * channels)
    passages_s = len(outcome.seen) / outcome.seconds
    response_s = mean(each.whole_s for each in alone.seen)
    assert passages_s <= 1.02 * channels / (response_s + 7.0)
    assert passages_s * 30 <= 1.02 * 4 / (0.01 + 3 * 0.001)


def test_stories_that_find_no_room_are_computed_anew() -> None:
    crowded = replace(ROOM, kv_cache_bytes=300)
    assert simulate(8, 80, installation=crowded, warm_up=16).seen[-1].cached_tokens == 0
    assert all(each.cached_tokens for each in simulate(8, 80, warm_up=16).seen)


def test_a_story_that_was_cut_keeps_its_front_in_the_cache() -> None:
    workload = replace(FIXED, limit_tokens=200, pinned_tokens=40)
    outcome = simulate(1, 24, workload=workload)
    assert {each.cached_tokens for each in outcome.seen[2:]} >= {32}
    assert max(each.prompt_tokens for each in outcome.seen) <= 200


def test_whoever_finds_the_queue_full_thinks_again() -> None:
    small = replace(ROOM, max_active=1, max_waiting=1)
    outcome = simulate(10, 500, workload=replace(FIXED, think_s=0.05), installation=small)
    assert outcome.refused > 100
    assert len(outcome.seen) + outcome.refused >= 500
    assert simulate(2, 50, installation=small).refused == 0


def test_channels_leave_after_so_many_passages() -> None:
    outcome = Simulation(COSTS, ROOM, FIXED, 3).run_each(4)
    assert len(outcome.seen) == 12


def test_the_same_is_the_same() -> None:
    workload = Workload.of(1024, think_s=1.0)
    first, second, other = (
        Simulation(COSTS, ROOM, replace(workload, seed=seed), 9).run(passages=40)
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other
