from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.scheduler import Handover, Scheduler, Span, State
from bot.errors import QueueFullError


def make(**options: int) -> Scheduler:
    usual = {"max_active": 2, "max_waiting": 4, "chunk_tokens": 64, "budget_tokens": 64}
    return Scheduler(**{**usual, **options})


def run_step(scheduler: Scheduler) -> tuple[Span, ...]:
    """Admit, plan and carry out one step; every sequence that is ready gets its token."""
    scheduler.admit()
    plan = scheduler.plan()
    for span in plan.spans:
        scheduler.advance(span.id, span.stop)
        if span.is_last:
            scheduler.extend(span.id)
    return plan.spans


def test_a_sequence_goes_from_waiting_over_prefill_to_decode_and_is_done_when_removed() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=100)
    states = [scheduler.state(1)]
    scheduler.admit()
    states.append(scheduler.state(1))
    run_step(scheduler)
    run_step(scheduler)
    states.append(scheduler.state(1))
    scheduler.remove(1)
    states.append(scheduler.state(1))
    assert states == [State.WAITING, State.PREFILL, State.DECODE, State.DONE]
    assert not scheduler.has_work


def test_prompts_are_cut_at_absolute_positions_whatever_was_cached() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=150)
    scheduler.admit()
    scheduler.advance(1, 50)
    spans = [span for _ in range(3) for span in run_step(scheduler)]
    assert [(span.start, span.stop, span.is_last) for span in spans] == [
        (50, 64, False),
        (64, 128, False),
        (128, 150, True),
    ]


def test_a_long_prompt_does_not_keep_others_from_their_next_token() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=3)
    run_step(scheduler)
    scheduler.submit(2, owner="b", known=1000)
    for _ in range(5):
        spans = {span.id: span for span in run_step(scheduler)}
        assert spans[1].stop - spans[1].start == 1
        assert spans[2].stop - spans[2].start == 64


def test_prompts_take_turns_within_the_budget() -> None:
    scheduler = make(max_active=3, max_waiting=0)
    for number in (1, 2, 3):
        scheduler.submit(number, owner=str(number), known=640)
    served = [tuple(span.id for span in run_step(scheduler)) for _ in range(6)]
    assert served == [(1,), (2,), (3,), (1,), (2,), (3,)]


def test_a_lone_prompt_is_computed_in_bigger_steps_until_somebody_decodes() -> None:
    scheduler = make()
    scheduler.calibrate(budget_tokens=64, budget_alone_tokens=200)
    scheduler.submit(1, owner="a", known=1000)
    scheduler.submit(2, owner="b", known=2)
    # One span for both of its chunks and the next; what is left of the budget fits the other.
    assert run_step(scheduler) == (Span(1, 0, 192, is_last=False), Span(2, 0, 2, is_last=True))
    assert run_step(scheduler)[1] == Span(1, 192, 256, is_last=False)
    scheduler.remove(2)
    assert run_step(scheduler) == (Span(1, 256, 448, is_last=False),)


def test_chunks_may_be_small_and_budgets_need_not_be_whole_chunks() -> None:
    scheduler = make(max_waiting=0)
    scheduler.calibrate(chunk_tokens=16, budget_tokens=40)
    scheduler.submit(1, owner="a", known=100)
    scheduler.admit()
    scheduler.advance(1, 20)
    spans = [run_step(scheduler)[0] for _ in range(3)]
    assert [(span.start, span.stop) for span in spans] == [(20, 48), (48, 80), (80, 100)]


def test_the_chunk_is_not_changed_under_those_who_are_active() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=100)
    scheduler.calibrate(chunk_tokens=32, budget_tokens=32)
    scheduler.admit()
    scheduler.calibrate(chunk_tokens=32, budget_tokens=64)
    with pytest.raises(ValueError, match="before anybody"):
        scheduler.calibrate(chunk_tokens=16, budget_tokens=64)
    assert run_step(scheduler) == (Span(1, 0, 64, is_last=False),)


def test_several_short_prompts_share_one_step() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=20)
    scheduler.submit(2, owner="b", known=30)
    assert {span.id for span in run_step(scheduler)} == {1, 2}


def test_the_queue_is_bounded_beyond_the_free_places() -> None:
    scheduler = make(max_active=1, max_waiting=1)
    scheduler.submit(1, owner="a", known=1)
    scheduler.submit(2, owner="a", known=1)
    with pytest.raises(QueueFullError) as refusal:
        scheduler.submit(3, owner="a", known=1)
    assert refusal.value.data["waiting"] == 2
    scheduler.admit()
    with pytest.raises(QueueFullError):
        scheduler.submit(3, owner="a", known=1)


def test_owners_take_turns_and_each_owner_is_served_in_order() -> None:
    scheduler = make(max_active=1, max_waiting=9)
    for number, owner in enumerate("aaabbc"):
        scheduler.submit(number, owner=owner, known=1)
    places = scheduler.places()
    order: list[int] = []
    while scheduler.has_work:
        (admitted,) = scheduler.admit()
        order.append(admitted)
        scheduler.remove(admitted)
    assert order == [0, 3, 5, 1, 4, 2]
    assert [number for number, _ in sorted(places.items(), key=lambda item: item[1])] == order


def test_groups_take_turns_and_in_a_group_its_owners_do() -> None:
    scheduler = make(max_active=1, max_waiting=40)
    for number in range(30):
        scheduler.submit(number, owner=str(number // 2), group="busy", known=1)
    scheduler.submit(30, owner="quiet", group="small", known=1)
    scheduler.submit(31, owner="alone", known=1)
    places = scheduler.places()
    order: list[int] = []
    while scheduler.has_work:
        (admitted,) = scheduler.admit()
        order.append(admitted)
        scheduler.remove(admitted)
    assert order == [0, 30, 31, *range(2, 30, 2), *range(1, 30, 2)]
    assert list(places) == order


def test_places_are_the_same_object_until_somebody_comes_or_goes() -> None:
    scheduler = make(max_active=1)
    for number in (1, 2, 3):
        scheduler.submit(number, owner="a", known=1)
    before = scheduler.places()
    run_step(scheduler)
    while_one_writes = scheduler.places()
    run_step(scheduler)
    assert scheduler.places() is while_one_writes
    assert (before, while_one_writes) == ({1: 1, 2: 2, 3: 3}, {2: 1, 3: 2})


def test_a_place_moves_up_when_somebody_before_leaves() -> None:
    scheduler = make(max_active=1)
    for number in (1, 2, 3):
        scheduler.submit(number, owner="a", known=1)
    scheduler.admit()
    assert scheduler.places() == {2: 1, 3: 2}
    scheduler.remove(2)
    assert scheduler.places() == {3: 1}


def test_deadlines_end_waiting_and_active_sequences() -> None:
    scheduler = make(max_active=1)
    scheduler.submit(1, owner="a", known=5, deadline_s=10.0)
    scheduler.admit()
    scheduler.submit(2, owner="a", known=5, deadline_s=5.0)
    scheduler.submit(3, owner="a", known=5)
    assert scheduler.expire(4.9) == ()
    assert scheduler.expire(5.0) == (2,)
    assert scheduler.expire(11.0) == (1,)
    assert scheduler.admit() == (3,)


def test_a_rewound_sequence_computes_its_last_token_again() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=5)
    for _ in range(4):
        run_step(scheduler)
    scheduler.rewind(1, known=6, computed=5)
    assert run_step(scheduler) == (Span(1, 5, 6, is_last=True),)


def test_a_rewound_sequence_without_a_cache_is_prefilled_anew() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=70)
    for _ in range(4):
        run_step(scheduler)
    scheduler.rewind(1, known=71, computed=0)
    assert run_step(scheduler) == (Span(1, 0, 64, is_last=False),)
    assert run_step(scheduler) == (Span(1, 64, 71, is_last=True),)
    assert scheduler.state(1) is State.DECODE


def pair(*, known: int = 100, upto: int = 70) -> Scheduler:
    """Two sequences, 1 and 2, of which the second follows the first."""
    scheduler = make(max_active=3)
    for number in (1, 2):
        scheduler.submit(number, owner="a", known=known)
    scheduler.admit()
    scheduler.follow(2, 1, upto)
    return scheduler


def test_a_follower_waits_until_its_leader_has_computed_what_they_share() -> None:
    scheduler = pair()
    assert run_step(scheduler) == (Span(1, 0, 64, is_last=False),)
    assert scheduler.take_ready_followers() == ()
    assert run_step(scheduler) == (Span(1, 64, 100, is_last=True),)
    assert scheduler.take_ready_followers() == (Handover(2, 1, 70),)
    assert scheduler.take_ready_followers() == ()
    scheduler.advance(2, 70)
    assert run_step(scheduler) == (
        Span(1, 100, 101, is_last=True),
        Span(2, 70, 100, is_last=True),
    )


def test_a_follower_whose_handover_fails_computes_for_itself() -> None:
    scheduler = pair()
    run_step(scheduler)
    run_step(scheduler)
    scheduler.take_ready_followers()
    assert Span(2, 0, 64, is_last=False) in run_step(scheduler)


@pytest.mark.parametrize(
    "release",
    [
        pytest.param(lambda scheduler: scheduler.remove(1), id="its leader is gone"),
        pytest.param(
            lambda scheduler: scheduler.rewind(1, known=90, computed=0), id="its leader goes back"
        ),
        pytest.param(lambda scheduler: scheduler.unfollow(2), id="it is told to"),
        pytest.param(
            lambda scheduler: scheduler.rewind(2, known=90, computed=0), id="it goes back itself"
        ),
    ],
)
def test_a_follower_computes_for_itself_when(release: Callable[[Scheduler], None]) -> None:
    scheduler = pair()
    run_step(scheduler)
    release(scheduler)
    served = {span.id for _ in range(2) for span in run_step(scheduler)}
    assert 2 in served
    assert scheduler.take_ready_followers() == ()


def test_a_leader_that_keeps_enough_still_hands_over() -> None:
    scheduler = pair()
    run_step(scheduler)
    run_step(scheduler)
    scheduler.rewind(1, known=80, computed=70)
    assert scheduler.take_ready_followers() == (Handover(2, 1, 70),)


def test_followers_may_be_followed_but_not_in_a_circle() -> None:
    scheduler = pair()
    scheduler.submit(3, owner="a", known=100)
    scheduler.admit()
    scheduler.follow(3, 2, 90)
    for follower, leader in ((1, 1), (1, 2), (1, 3)):
        with pytest.raises(ValueError, match="follows"):
            scheduler.follow(follower, leader, 50)
    run_step(scheduler)
    run_step(scheduler)
    assert scheduler.take_ready_followers() == (Handover(2, 1, 70),)
    scheduler.advance(2, 70)
    assert run_step(scheduler) == (
        Span(1, 100, 101, is_last=True),
        Span(2, 70, 100, is_last=True),
    )
    assert scheduler.take_ready_followers() == (Handover(3, 2, 90),)


def test_a_handover_may_make_the_next_one_ready_in_the_same_step() -> None:
    scheduler = pair()
    scheduler.submit(3, owner="a", known=100)
    scheduler.admit()
    scheduler.follow(3, 2, 70)
    run_step(scheduler)
    run_step(scheduler)
    for link in (Handover(2, 1, 70), Handover(3, 2, 70)):
        assert scheduler.take_ready_followers() == (link,)
        scheduler.advance(link.id, link.upto)
    assert {span.id for span in run_step(scheduler)} == {1, 2, 3}


@pytest.mark.parametrize(
    ("follower", "leader", "upto"),
    [(2, 1, 100), (2, 1, 0), (1, 2, 101), (3, 1, 50), (1, 3, 50), (2, 9, 50)],
)
def test_who_has_nothing_to_wait_for_cannot_follow(follower: int, leader: int, upto: int) -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=110)
    scheduler.submit(2, owner="a", known=100)
    scheduler.submit(3, owner="a", known=100)
    scheduler.admit()
    with pytest.raises(ValueError, match=r"must be active|cannot wait"):
        scheduler.follow(follower, leader, upto)


def test_a_last_span_that_nothing_followed_is_told() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=5)
    scheduler.admit()
    scheduler.advance(1, 5)
    with pytest.raises(RuntimeError, match="the last span of 1"):
        scheduler.plan()


def test_a_sequence_neither_skips_tokens_nor_loses_them_unsaid() -> None:
    scheduler = make()
    scheduler.submit(1, owner="a", known=5)
    scheduler.admit()
    scheduler.advance(1, 4)
    for computed in (3, 6):
        with pytest.raises(ValueError, match="cannot follow"):
            scheduler.advance(1, computed)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_active": 0},
        {"max_waiting": -1},
        {"chunk_tokens": 0},
        {"budget_tokens": 1},
        {"budget_alone_tokens": 63},
    ],
)
def test_impossible_bounds_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make(**bad)


def test_an_empty_or_known_sequence_is_refused() -> None:
    scheduler = make()
    with pytest.raises(ValueError, match="empty"):
        scheduler.submit(1, owner="a", known=0)
    scheduler.submit(1, owner="a", known=1)
    with pytest.raises(ValueError, match="not new"):
        scheduler.submit(1, owner="a", known=1)
    scheduler.admit()
    with pytest.raises(ValueError, match="computed"):
        scheduler.rewind(1, known=1, computed=1)


@given(
    owners=st.lists(st.sampled_from("abcd"), min_size=1, max_size=12),
    late=st.lists(st.sampled_from("abcd"), max_size=12),
)
def test_nobody_is_overtaken_more_than_once_a_turn_by_any_owner(
    owners: list[str], late: list[str]
) -> None:
    scheduler = Scheduler(max_active=1, max_waiting=30)
    for number, owner in enumerate(owners):
        scheduler.submit(number, owner=owner, known=1)
    served: list[int] = []
    arriving = list(enumerate(late, start=100))
    while scheduler.has_work:
        (admitted,) = scheduler.admit()
        served.append(admitted)
        if arriving:
            number, owner = arriving.pop()
            scheduler.submit(number, owner=owner, known=1)
        scheduler.remove(admitted)
    for number, owner in enumerate(owners):
        own_before = owners[:number].count(owner)
        # Between two turns of an owner each other owner has one at most.
        others = Counter(
            owners[other] if other < 100 else late[other - 100]
            for other in served[: served.index(number)]
            if (owners[other] if other < 100 else late[other - 100]) != owner
        )
        assert all(count <= own_before + 1 for count in others.values())
