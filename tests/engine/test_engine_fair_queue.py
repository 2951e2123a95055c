from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.fair_queue import FairQueue

HOMES = st.tuples(st.sampled_from("ABC"), st.sampled_from("abc"))


def filled(homes: list[tuple[str, str]]) -> FairQueue:
    queue = FairQueue()
    for number, (group, owner) in enumerate(homes):
        queue.append(number, group=group, owner=owner)
    return queue


@given(homes=st.lists(HOMES, max_size=20), gone=st.sets(st.integers(0, 19)))
def test_places_tell_the_order_in_which_they_are_served(
    homes: list[tuple[str, str]], gone: set[int]
) -> None:
    queue = filled(homes)
    assert set(queue.places()) == set(range(len(homes)))
    for number in gone:
        if number < len(homes):
            queue.remove(number)
    places = queue.places()
    assert list(places.values()) == list(range(1, len(queue) + 1))
    assert [queue.pop() for _ in range(len(queue))] == list(places)


@given(homes=st.lists(HOMES, min_size=1, max_size=20), late=st.lists(HOMES, max_size=20))
def test_nobody_is_overtaken_more_than_once_a_turn_by_a_group_or_by_an_owner_of_its_group(
    homes: list[tuple[str, str]], late: list[tuple[str, str]]
) -> None:
    queue = filled(homes)
    of = dict(enumerate(homes))
    served: list[int] = []
    arriving = list(enumerate(late, start=len(homes)))
    while len(queue):
        served.append(queue.pop())
        if arriving:
            number, (group, owner) = arriving.pop()
            of[number] = (group, owner)
            queue.append(number, group=group, owner=owner)
    for number in range(len(homes)):
        group, owner = of[number]
        earlier = [of[other] for other in served[: served.index(number)]]
        own_turns = 1 + homes[:number].count((group, owner))
        group_turns = 1 + sum(other == group for other, _ in earlier)
        groups = Counter(other for other, _ in earlier if other != group)
        owners = Counter(other for at, other in earlier if at == group and other != owner)
        assert all(turns <= group_turns for turns in groups.values())
        assert all(turns <= own_turns for turns in owners.values())


@given(homes=st.lists(HOMES, min_size=1, max_size=20))
def test_an_owners_own_are_served_in_the_order_they_came(homes: list[tuple[str, str]]) -> None:
    queue = filled(homes)
    served = [queue.pop() for _ in range(len(homes))]
    for home in set(homes):
        own = [number for number in served if homes[number] == home]
        assert own == sorted(own)


def test_the_same_owner_in_two_groups_is_two() -> None:
    queue = filled([("A", "a"), ("A", "a"), ("B", "a")])
    assert queue.places() == {0: 1, 2: 2, 1: 3}
