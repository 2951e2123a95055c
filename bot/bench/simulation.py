"""A simulation of the engine under channels: its real scheduler and cache, a model of its time.

Time passes only in steps, whose length ``Costs`` gives, and while everybody thinks. What is asked
during a step is heard after it, as in the engine's thread. The queue, the fair shares, the budget
of prompt tokens and what is dropped from the cache are the engine's own code; the tokens are
numbers without meaning.

What is left out: the monitor's work on the text, passages that are rewound or cancelled, and all
that happens outside the engine (the bot's own work, Discord's).

Invariant: the same arguments give the same result.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from bot.bench.costs import Costs
from bot.bench.workload import StoryText, Turn, Workload
from bot.engine.local.budget import Budget
from bot.engine.local.kv_cache import Slot, SlotStore, room_for
from bot.engine.local.scheduler import Scheduler
from bot.errors import QueueFullError


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the operator has set.

    Attributes:
        max_active: passages that are written at once.
        max_waiting: passages that wait beyond those.
        kv_cache_bytes: for keys and values that are kept.
        kv_token_bytes: that those of one token take.
    """

    max_active: int
    max_waiting: int
    kv_cache_bytes: int
    kv_token_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One passage, as its channel saw it.

    Attributes:
        first_s: from asking to the first token.
        whole_s: from asking to the last one.
        tokens: written.
        prompt_tokens: of the context.
        cached_tokens: of those, what had not to be computed.
    """

    first_s: float
    whole_s: float
    tokens: int
    prompt_tokens: int
    cached_tokens: int

    @property
    def tokens_s(self) -> float | None:
        """How fast a reader sees the text grow; None for a passage that comes at once."""
        writing_s = self.whole_s - self.first_s
        return (self.tokens - 1) / writing_s if self.tokens > 1 and writing_s > 0 else None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was seen between the warm-up's end and the run's.

    Attributes:
        seen: passages that ended.
        refused: requests that found the queue full.
        seconds: passed.
        busy_s: of them, while a step was computed.
    """

    seen: list[Seen] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0
    busy_s: float = 0.0


class _Keys:
    """Keys and values of which only the size is there."""

    def __init__(self, token_bytes: int, capacity: int = 0) -> None:
        self._token_bytes = token_bytes
        self._capacity = capacity

    @property
    def size_bytes(self) -> int:
        return self._capacity * self._token_bytes

    def reserve(self, length: int) -> None:
        if length > self._capacity:
            self._capacity = room_for(length)

    def crop(self, length: int, /) -> None:
        """Forget; the room stays."""

    def fork(self, length: int, /) -> Self:
        raise NotImplementedError  # no two requests of one story are under way here


@dataclass(slots=True, eq=False)
class _Channel:
    number: int
    turns: Iterator[Turn]
    story: StoryText
    turn: Turn
    next_token: int = 0
    left: int = 0  # passages until it leaves; below 0: it never does
    asked_s: float = 0.0
    first_s: float = 0.0
    text: list[int] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0

    def fresh(self, count: int) -> range:
        """Return tokens that nobody has seen."""
        self.next_token += count
        return range(self.next_token - count, self.next_token)


class Simulation:
    """Channels and an engine; made for one run.

    Args:
        costs: of the engine's steps.
        budget: of its steps; what it chooses for itself at such costs where None.
        installation: its settings.
        workload: what the channels do.
        channels: how many.
    """

    def __init__(
        self,
        costs: Costs,
        installation: Installation,
        workload: Workload,
        channels: int,
        *,
        budget: Budget | None = None,
    ) -> None:
        self._costs = costs
        self._workload = workload
        self._installation = installation
        budget = budget or costs.budget
        self._scheduler = Scheduler(
            max_active=installation.max_active,
            max_waiting=installation.max_waiting,
            budget_tokens=budget.budget_tokens,
            budget_alone_tokens=budget.budget_alone_tokens,
        )
        self._store = SlotStore(
            lambda: _Keys(installation.kv_token_bytes),
            limit_bytes=installation.kv_cache_bytes,
            is_reusable=True,
        )
        self._slots: dict[int, Slot[_Keys]] = {}
        self._now_s = 0.0
        self._asking: list[tuple[float, int]] = []  # a heap: when, which channel
        self._channels = [self._enter(number) for number in range(channels)]
        self._outcome = Outcome()

    def run(self, *, passages: int, warm_up: int = 0) -> Outcome:
        """Let passages be written and return what was seen.

        Args:
            passages: that are counted.
            warm_up: passages before those.
        """
        self._run_until(warm_up)
        begun_s, self._outcome = self._now_s, Outcome()
        self._run_until(passages)
        self._outcome.seconds = self._now_s - begun_s
        return self._outcome

    def run_each(self, passages: int) -> Outcome:
        """Let each channel write so many passages and leave; refused requests count."""
        for channel in self._channels:
            channel.left = passages
        self._run_until(None)
        self._outcome.seconds = self._now_s
        return self._outcome

    def _enter(self, number: int) -> _Channel:
        turns = self._workload.turns(number)
        opening = range(self._workload.opening_tokens(number))
        story = StoryText(self._workload, opening)
        channel = _Channel(number, turns, story, next(turns), len(opening), left=-1)
        heapq.heappush(self._asking, (channel.turn.think_s, number))
        return channel

    def _run_until(self, passages: int | None) -> None:
        while passages is None or len(self._outcome.seen) + self._outcome.refused < passages:
            if not self._scheduler.has_work:
                if not self._asking:
                    return
                self._now_s = max(self._now_s, self._asking[0][0])
            while self._asking and self._asking[0][0] <= self._now_s:
                asked_s, number = heapq.heappop(self._asking)
                self._ask(self._channels[number], asked_s)
            if self._scheduler.has_work:
                self._step()

    def _ask(self, channel: _Channel, asked_s: float) -> None:
        channel.asked_s = asked_s
        channel.story.add(channel.fresh(channel.turn.added_tokens))
        channel.text = channel.story.context()
        channel.prompt_tokens = len(channel.text)
        try:
            self._scheduler.submit(
                channel.number, owner=str(channel.number), known=channel.prompt_tokens
            )
        except QueueFullError:
            self._outcome.refused += 1
            self._think(channel)

    def _think(self, channel: _Channel) -> None:
        channel.left -= 1
        if channel.left == 0:
            return
        channel.turn = next(channel.turns)
        heapq.heappush(self._asking, (self._now_s + channel.turn.think_s, channel.number))

    def _step(self) -> None:
        for number in self._scheduler.admit():
            channel = self._channels[number]
            slot = self._slots[number] = self._store.take(str(number), channel.text)
            channel.cached_tokens = len(slot.tokens)
            self._scheduler.advance(number, channel.cached_tokens)
        plan = self._scheduler.plan()
        took_s = self._costs.step_s(plan)
        self._now_s += took_s
        self._outcome.busy_s += took_s
        for span in plan.spans:
            channel, slot = self._channels[span.id], self._slots[span.id]
            slot.cache.reserve(span.stop)
            slot.tokens += channel.text[span.start : span.stop]
            self._scheduler.advance(span.id, span.stop)
            if span.is_last:
                self._write(channel)

    def _write(self, channel: _Channel) -> None:
        channel.text += channel.fresh(1)
        written = len(channel.text) - channel.prompt_tokens
        if written == 1:
            channel.first_s = self._now_s - channel.asked_s
        if written < channel.turn.passage_tokens:
            self._scheduler.extend(channel.number)
            return
        self._scheduler.remove(channel.number)
        self._store.give_back(self._slots.pop(channel.number), channel.prompt_tokens)
        channel.story.add(channel.text[channel.prompt_tokens :])
        self._outcome.seen.append(
            Seen(
                first_s=channel.first_s,
                whole_s=self._now_s - channel.asked_s,
                tokens=written,
                prompt_tokens=channel.prompt_tokens,
                cached_tokens=channel.cached_tokens,
            )
        )
        self._think(channel)
