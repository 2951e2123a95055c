import pytest

from bot.errors import BudgetSpentError
from bot.policy.budgets import Budgets
from bot.policy.rights import Actor, Place
from bot.policy.settings import resolve

FREE, SLOW = resolve(), resolve({"cooldown_s": "10"})
ANN = Actor(user_id=7, name="Ann")
HERE = Place(platform="discord", guild_id=1, channel_id=2)
THERE = Place(platform="discord", guild_id=1, channel_id=3)


def test_without_a_cooldown_nobody_waits_and_nothing_is_kept() -> None:
    budgets = Budgets()
    for _ in range(3):
        budgets.spend(ANN, HERE, FREE, 1, 0.0)
    assert len(budgets) == 0


def test_a_member_waits_in_one_channel_only_and_is_told_how_long() -> None:
    budgets = Budgets()
    budgets.spend(ANN, HERE, SLOW, 1, 100.0)
    with pytest.raises(BudgetSpentError) as caught:
        budgets.spend(ANN, HERE, SLOW, 1, 102.5)
    assert caught.value.data == {"wait_s": 8}
    budgets.spend(ANN, THERE, SLOW, 1, 102.5)
    budgets.spend(Actor(user_id=8, name="Bo"), HERE, SLOW, 1, 102.5)
    budgets.spend(ANN, HERE, SLOW, 0, 102.5)
    budgets.spend(ANN, HERE, SLOW, 1, 110.0)


def test_a_cooldown_that_was_shortened_counts_at_once() -> None:
    budgets = Budgets()
    budgets.spend(ANN, HERE, resolve({"cooldown_s": "3600"}), 1, 0.0)
    with pytest.raises(BudgetSpentError) as caught:
        budgets.spend(ANN, HERE, SLOW, 1, 1.0)
    assert caught.value.data == {"wait_s": 10}
    budgets.spend(ANN, HERE, FREE, 1, 1.0)


def test_what_failed_is_given_back() -> None:
    budgets = Budgets()
    budgets.spend(ANN, HERE, SLOW, 1, 0.0)
    budgets.give_back(ANN, HERE)
    budgets.give_back(ANN, HERE)
    budgets.spend(ANN, HERE, SLOW, 1, 0.0)


@pytest.mark.parametrize("step_s", [0.0, 0.001, 1.0])
def test_what_is_kept_is_bounded(step_s: float) -> None:
    budgets = Budgets()
    for number in range(10_000):
        budgets.spend(Actor(user_id=number, name=""), HERE, SLOW, 1, number * step_s)
    assert len(budgets) <= 4096
    with pytest.raises(BudgetSpentError):
        budgets.spend(Actor(user_id=9_999, name=""), HERE, SLOW, 1, 9_999 * step_s)
