"""The scheduler with a simulated model: what it computed is what the text holds, always."""

import pickle
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.engine.local.scheduler import Handover, Scheduler, Span, State
from bot.errors import QueueFullError

MAX_ACTIVE = 3
MAX_WAITING = 6
CHUNK = 8
GROUPS = "gh"
OWNERS = "abc"
LONGEST = 40
REPLY = 4
"""Tokens after which a sequence ends."""

Token = int | tuple[int, int]


@dataclass
class Story:
    """A sequence as the engine sees it.

    Prompts are the beginning of one common text; a drawn token is like no other.
    """

    home: tuple[str, str]
    text: list[Token]
    deadline_s: float | None
    may_be_overtaken: int  # admissions until its own, itself counted
    prompt: int = 0
    slot: list[Token] = field(default_factory=list)  # of which the model has keys and values
    drawn: int = 0
    idle_steps: int = 0


def new_scheduler() -> Scheduler:
    return Scheduler(
        max_active=MAX_ACTIVE,
        max_waiting=MAX_WAITING,
        chunk_tokens=CHUNK,
        budget_tokens=CHUNK,
        budget_alone_tokens=CHUNK,
    )


class SchedulerMachine(RuleBasedStateMachine):
    """Any order of submissions, steps, rewinds, followers, deadlines and cancellations."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = new_scheduler()
        self.stories: dict[int, Story] = {}
        self.links: dict[int, Handover] = {}
        self.budget_tokens = self.budget_alone_tokens = CHUNK
        self.next_id = 0
        self.now_s = 0.0

    @rule(budget_tokens=st.integers(CHUNK, 20), more_tokens=st.integers(0, 30))
    def calibrate(self, budget_tokens: int, more_tokens: int) -> None:
        self.budget_tokens = budget_tokens
        self.budget_alone_tokens = budget_tokens + more_tokens
        self.scheduler.calibrate(
            budget_tokens=budget_tokens, budget_alone_tokens=self.budget_alone_tokens
        )

    @rule(
        group=st.sampled_from(GROUPS),
        owner=st.sampled_from(OWNERS),
        known=st.integers(1, LONGEST),
        patience=st.none() | st.integers(1, 20),
    )
    def submit(self, group: str, owner: str, known: int, patience: int | None) -> None:
        deadline_s = None if patience is None else self.now_s + patience
        free = MAX_ACTIVE - self.scheduler.active
        try:
            self.scheduler.submit(
                self.next_id, owner=owner, group=group, known=known, deadline_s=deadline_s
            )
        except QueueFullError:
            assert self.scheduler.waiting == MAX_WAITING + free
            return
        before = sum(
            self.scheduler.state(number) is State.WAITING
            for number, story in self.stories.items()
            if story.home == (group, owner)
        )
        self.stories[self.next_id] = Story(
            home=(group, owner),
            text=list(range(known)),
            deadline_s=deadline_s,
            # A turn of its own for each before it; in between one for each other owner of
            # its group, and between two of the group's one for each other group.
            may_be_overtaken=(before + 1) * len(OWNERS) * len(GROUPS),
            prompt=known,
        )
        self.next_id += 1

    @rule(asks_again=st.booleans())
    def step(self, *, asks_again: bool) -> None:
        self.now_s += 1.0
        self.expire()
        self.admit()
        while self.take_handovers() and asks_again:
            pass
        plan = self.scheduler.plan()
        assert bool(plan.spans) == bool(self.scheduler.active), "everybody waits for somebody"
        prompt_tokens = sum(span.stop - span.start for span in plan.prefills)
        assert prompt_tokens <= (self.budget_tokens if plan.decodes else self.budget_alone_tokens)
        assert all(span.is_last and span.stop - span.start == 1 for span in plan.decodes)
        ids = [span.id for span in plan.spans]
        assert len(ids) == len(set(ids))
        assert not set(ids) & set(self.links)
        for number in self.active():
            story = self.stories[number]
            is_served = number in ids or number in self.links
            story.idle_steps = 0 if is_served else story.idle_steps + 1
            assert story.idle_steps < MAX_ACTIVE, "an active sequence starves"
        for span in plan.spans:
            self.compute(span)

    def expire(self) -> None:
        late = {
            number
            for number, story in self.stories.items()
            if story.deadline_s is not None and story.deadline_s <= self.now_s
        }
        assert set(self.scheduler.expire(self.now_s)) == late
        for number in late:
            self.forget(number)

    def admit(self) -> None:
        places = self.scheduler.places()
        admitted = self.scheduler.admit()
        assert list(admitted) == list(places)[: len(admitted)]
        for at, number in enumerate(admitted, start=1):
            assert at <= self.stories[number].may_be_overtaken
        for number, story in self.stories.items():
            if self.scheduler.state(number) is State.WAITING:
                story.may_be_overtaken -= len(admitted)
                assert story.may_be_overtaken > 0, "a waiting sequence starves"

    def take_handovers(self) -> bool:
        ready = self.scheduler.take_ready_followers()
        assert set(ready) == {
            link
            for link in self.links.values()
            if len(self.stories[link.leader_id].slot) >= link.upto
        }
        for link in ready:
            if link.id % 2:  # the others' engine has no room for a copy
                self.stories[link.id].slot = self.stories[link.leader_id].slot[: link.upto]
                self.scheduler.advance(link.id, link.upto)
            del self.links[link.id]
        return bool(ready)

    def compute(self, span: Span) -> None:
        story = self.stories[span.id]
        # No token lost, none computed twice.
        assert span.start == len(story.slot) < span.stop <= len(story.text)
        assert span.is_last == (span.stop == len(story.text))
        assert span.is_last or span.stop % CHUNK == 0
        story.slot += story.text[span.start : span.stop]
        self.scheduler.advance(span.id, span.stop)
        if not span.is_last:
            return
        if len(story.text) >= story.prompt + REPLY:
            self.cancel_one(span.id)
            return
        story.text.append((span.id, story.drawn))
        story.drawn += 1
        self.scheduler.extend(span.id)

    @precondition(lambda self: self.stories)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.cancel_one(data.draw(st.sampled_from(sorted(self.stories))))

    def cancel_one(self, number: int) -> None:
        self.scheduler.remove(number)
        self.scheduler.remove(number)
        self.forget(number)

    @precondition(lambda self: self.scheduler.active)
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.active()))
        story = self.stories[number]
        known = data.draw(st.integers(1, len(story.text)))
        computed = data.draw(st.integers(0, min(known - 1, len(story.slot))))
        del story.text[known:], story.slot[computed:]
        story.prompt = min(story.prompt, known)
        self.scheduler.rewind(number, known=known, computed=computed)
        self.links.pop(number, None)
        self.unlink(number, beyond=computed)

    @precondition(lambda self: self.scheduler.active > 1)
    @rule(data=st.data())
    def follow(self, data: st.DataObject) -> None:
        follower, leader = data.draw(st.permutations(self.active()))[:2]
        one, other = self.stories[follower], self.stories[leader]
        shared = min(one.prompt, other.prompt, len(one.text) - 1)
        at, is_circle = leader, False
        while at in self.links:
            at = self.links[at].leader_id
            is_circle |= at == follower
        if shared <= len(one.slot) or is_circle:
            return
        upto = data.draw(st.integers(len(one.slot) + 1, shared))
        self.scheduler.follow(follower, leader, upto)
        self.links[follower] = Handover(follower, leader, upto)

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def unfollow(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.stories)))
        self.scheduler.unfollow(number)
        self.links.pop(number, None)

    def active(self) -> list[int]:
        return [
            number
            for number in self.stories
            if self.scheduler.state(number) in {State.PREFILL, State.DECODE}
        ]

    def unlink(self, leader: int, *, beyond: int) -> None:
        for link in list(self.links.values()):
            if link.leader_id == leader and link.upto > beyond:
                del self.links[link.id]

    def forget(self, number: int) -> None:
        assert self.scheduler.state(number) is State.DONE
        del self.stories[number]
        self.links.pop(number, None)
        self.unlink(number, beyond=0)

    @invariant()
    def bounds_hold(self) -> None:
        scheduler = self.scheduler
        assert scheduler.active <= MAX_ACTIVE
        assert scheduler.active + scheduler.waiting == len(self.stories)
        assert sorted(scheduler.places().values()) == list(range(1, scheduler.waiting + 1))
        assert scheduler.has_work == bool(self.stories)
        for story in self.stories.values():
            assert story.slot == story.text[: len(story.slot)]

    def teardown(self) -> None:
        """Whatever happened, all end; a scheduler without work is like a new one."""
        # Each step computes a token at least, and nobody goes back any more.
        steps = sum(len(story.text) + REPLY for story in self.stories.values())
        for _ in range(steps):
            if self.stories:
                self.step(asks_again=True)
        assert not self.scheduler.has_work
        fresh = new_scheduler()
        for scheduler in (fresh, self.scheduler):
            scheduler.calibrate(budget_tokens=CHUNK)
            scheduler.places()
        assert pickle.dumps(self.scheduler) == pickle.dumps(fresh)


SchedulerMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
TestScheduler = SchedulerMachine.TestCase
