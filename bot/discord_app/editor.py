"""When a channel's messages may be written: one writer a channel, the important first.

Invariants:
    - In one channel one write is under way at a time; who waits is served by
      priority, then in order of arrival.
    - Two edits of one message are at least the interval apart: the larger of 1.3 s
      and a 25th of a second for every stream under way (50 requests a second are
      Discord's limit for the whole bot; half of it is left for everything else).
    - What can wait, a growing version or old buttons, keeps that distance from every
      write in its channel.
    - Discord grants a channel five edits in five seconds and makes whoever uses them up
      wait: no more than four are made, and old buttons leave one of these.
"""

import asyncio
import heapq
import itertools
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import IntEnum

EDIT_INTERVAL_S = 1.3  # five edits span more than five seconds
EDITS_PER_S = 25.0
GRANT_S = 5.0
"""The span for which Discord counts a channel's edits, in seconds."""
_REMEMBERED = 32  # messages of one channel whose last edit is kept in mind
_CHANNELS_REMEMBERED = 1024


class Priority(IntEnum):
    """Who goes first."""

    FINAL = 0  # a passage's final version, a note, an error
    GROWTH = 1  # a version that will be replaced
    TIDY = 2  # buttons that are no longer the newest


_MOST_EDITS = {Priority.FINAL: 4, Priority.GROWTH: 4, Priority.TIDY: 3}  # of a channel in GRANT_S


class Pace:
    """How fast messages may be edited, for all channels together.

    Args:
        least_s: the shortest interval between two edits of a message, in seconds.
        grant_s: the span in which a channel takes no more than four edits, in seconds.
        monotonic: a clock in seconds.
    """

    def __init__(
        self,
        least_s: float = EDIT_INTERVAL_S,
        grant_s: float = GRANT_S,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._least_s = least_s
        self.grant_s = grant_s
        self._monotonic = monotonic
        self._wait = wait
        self._streams = 0

    def now(self) -> float:
        """Return the clock in seconds."""
        return self._monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        await self._wait(delay_s)

    @property
    def interval_s(self) -> float:
        """The interval between two growing versions of a message."""
        return max(self._least_s, self._streams / EDITS_PER_S)

    @property
    def least_s(self) -> float:
        """The interval before a final version, which waits for nobody else's stream."""
        return self._least_s

    def open_stream(self) -> None:
        """Count one more passage that grows."""
        self._streams += 1

    def close_stream(self) -> None:
        """Count one less."""
        self._streams -= 1


class ChannelEditor:
    """The order of writes in one channel."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._is_busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()
        self._edited_at: dict[int, float] = {}
        self._written_at: float | None = None
        self._edits: deque[float] = deque(maxlen=max(_MOST_EDITS.values()))  # when

    @asynccontextmanager
    async def turn(self, priority: Priority) -> AsyncIterator[None]:
        """Hold the channel for one write."""
        await self._take(priority)
        try:
            yield
        finally:
            self._pass_on()

    @asynccontextmanager
    async def turn_to_edit(self, message_id: int, priority: Priority) -> AsyncIterator[None]:
        """Hold the channel for an edit of a message, once that may be made; remember it."""

        def wait_s() -> float:
            if priority is Priority.FINAL:
                waits_s = self.wait_s(message_id, self._pace.least_s)
                return max(waits_s, self._grant_s(priority))
            return self.calm_s(self._pace.least_s, priority)

        while True:
            while (delay_s := wait_s()) > 0:
                await self._pace.sleep(delay_s)
            async with self.turn(priority):
                # Somebody else may have written while this one waited for the channel.
                if wait_s() > 0:
                    continue
                try:
                    yield
                finally:  # Discord counts an edit that it refuses, too
                    self.note(message_id)
                    self._edits.append(self._pace.now())
                return

    async def _take(self, priority: Priority) -> None:
        if not self._is_busy:
            self._is_busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the turn came at the moment of the cancellation
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._is_busy = False

    def wait_s(self, message_id: int, interval_s: float) -> float:
        """Return how long an edit must still wait for the last one of its message, in seconds."""
        edited_at = self._edited_at.get(message_id)
        return 0.0 if edited_at is None else edited_at + interval_s - self._pace.now()

    def _grant_s(self, priority: Priority) -> float:
        most = _MOST_EDITS[priority]
        if len(self._edits) < most:
            return 0.0
        return self._edits[-most] + self._pace.grant_s - self._pace.now()

    def calm_s(self, interval_s: float, priority: Priority = Priority.GROWTH) -> float:
        """Return how long what can wait must wait after the channel's last writes, in seconds."""
        if self._written_at is None:
            return 0.0
        calm_s = self._written_at + interval_s - self._pace.now()
        return max(calm_s, self._grant_s(priority))

    def note(self, message_id: int) -> None:
        """Remember that a message was written now."""
        self._edited_at.pop(message_id, None)
        self._edited_at[message_id] = self._written_at = self._pace.now()
        while len(self._edited_at) > _REMEMBERED:
            del self._edited_at[next(iter(self._edited_at))]


class Editors:
    """One editor a channel, dropped when nobody has written there for long.

    An editor outlives whoever wrote, or the next writer would not know how long ago that was.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._editors: weakref.WeakValueDictionary[int, ChannelEditor] = (
            weakref.WeakValueDictionary()
        )
        self._recent: OrderedDict[int, ChannelEditor] = OrderedDict()

    def of(self, channel_id: int) -> ChannelEditor:
        """Return the channel's editor."""
        editor = self._editors.get(channel_id)
        if editor is None:
            editor = self._editors[channel_id] = ChannelEditor(self.pace)
        self._recent[channel_id] = editor
        self._recent.move_to_end(channel_id)
        while len(self._recent) > _CHANNELS_REMEMBERED:
            self._recent.popitem(last=False)
        return editor
