from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.engine.local.scheduler import Scheduler, Span, State
from bot.errors import QueueFullError


def make(**options: int) -> Scheduler:
    return Scheduler(**{"max_active": 2, "max_waiting": 4, **options})


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


@pytest.mark.parametrize(
    "bad", [{"max_active": 0}, {"max_waiting": -1}, {"chunk_tokens": 0}, {"budget_tokens": 1}]
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


class SchedulerMachine(RuleBasedStateMachine):
    """Any order of submissions, steps, rewinds, deadlines and cancellations."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(max_active=3, max_waiting=4, chunk_tokens=8, budget_tokens=16)
        self.next_id = 0
        self.now_s = 0.0
        self.known: dict[int, int] = {}
        self.computed: dict[int, list[int]] = {}
        self.deadlines: dict[int, float | None] = {}
        self.idle_steps: defaultdict[int, int] = defaultdict(int)

    @rule(
        owner=st.sampled_from("ab"),
        known=st.integers(1, 40),
        patience=st.none() | st.integers(1, 20),
    )
    def submit(self, owner: str, known: int, patience: int | None) -> None:
        deadline_s = None if patience is None else self.now_s + patience
        free = 3 - self.scheduler.active
        try:
            self.scheduler.submit(self.next_id, owner=owner, known=known, deadline_s=deadline_s)
        except QueueFullError:
            assert self.scheduler.waiting == 4 + free
            return
        self.known[self.next_id] = known
        self.computed[self.next_id] = []
        self.deadlines[self.next_id] = deadline_s
        self.next_id += 1

    @rule()
    def step(self) -> None:
        self.now_s += 1.0
        late = set(self.scheduler.expire(self.now_s))
        assert late == {
            number
            for number, deadline_s in self.deadlines.items()
            if deadline_s is not None and deadline_s <= self.now_s
        }
        for number in late:
            self.forget(number)
        places = self.scheduler.places()
        admitted = self.scheduler.admit()
        assert [places[number] for number in admitted] == list(range(1, len(admitted) + 1))
        plan = self.scheduler.plan()
        assert sum(span.stop - span.start for span in plan.prefills) <= 16
        ids = [span.id for span in plan.spans]
        assert len(ids) == len(set(ids))
        for span in plan.spans:
            # No token lost, none computed twice.
            assert span.start == len(self.computed[span.id])
            assert span.stop <= self.known[span.id]
            assert span.is_last == (span.stop == self.known[span.id])
            assert span.is_last or span.stop % 8 == 0
            self.computed[span.id] += range(span.start, span.stop)
            self.scheduler.advance(span.id, span.stop)
            if span.is_last:
                self.known[span.id] += 1
                self.scheduler.extend(span.id)
        for number in self.known:
            if self.scheduler.state(number) in {State.PREFILL, State.DECODE}:
                self.idle_steps[number] = 0 if number in ids else self.idle_steps[number] + 1
                assert self.idle_steps[number] < 3, "an active sequence starves"

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.known)))
        self.scheduler.remove(number)
        self.forget(number)

    @precondition(lambda self: any(len(done) > 1 for done in self.computed.values()))
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        candidates = [
            number
            for number, done in self.computed.items()
            if len(done) > 1 and self.scheduler.state(number) is State.DECODE
        ]
        if not candidates:
            return
        number = data.draw(st.sampled_from(candidates))
        known = data.draw(st.integers(1, len(self.computed[number])))
        computed = data.draw(st.sampled_from([0, known - 1]))
        self.known[number] = known
        del self.computed[number][computed:]
        self.scheduler.rewind(number, known=known, computed=computed)

    def forget(self, number: int) -> None:
        assert self.scheduler.state(number) is State.DONE
        for table in (self.known, self.computed, self.deadlines, self.idle_steps):
            table.pop(number, None)

    @invariant()
    def bounds_hold(self) -> None:
        scheduler = self.scheduler
        assert scheduler.active <= 3
        assert scheduler.active + scheduler.waiting == len(self.known)
        assert sorted(scheduler.places().values()) == list(range(1, scheduler.waiting + 1))
        assert scheduler.has_work == bool(self.known)


SchedulerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestScheduler = SchedulerMachine.TestCase
