"""What the engine's thread tells the loop, gathered for a moment.

A step takes some ten milliseconds. To wake the loop at each of them takes a processor and the
interpreter's lock from the next; nobody sees the difference between 25 and 60 changes a second.

Invariants:
    - A request's first words, its end, its place in the queue and errors are never held back.
    - Applying what is told gives what applying the events would have given, in their order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.engine.types import Chunk, Score
from bot.errors import EngineError

HOLD_S: Final = 0.04


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the caller of a request must hear."""

    id: int
    content: Chunk | Score | EngineError


class Delivery:
    """Gather events and post them.

    Args:
        post: takes them to the loop.
        clock: seconds, never going back.
        hold_s: for how long further words may be held back.
    """

    def __init__(
        self,
        post: Callable[[Sequence[Event]], None],
        clock: Callable[[], float],
        hold_s: float = HOLD_S,
    ) -> None:
        self._post = post
        self._clock = clock
        self._hold_s = hold_s
        self._posted_at_s = -hold_s
        self._held: dict[int, Chunk] = {}  # by request
        self._urgent: list[Event] = []
        self._begun: set[int] = set()  # requests whose first words were posted

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held and not self._urgent

    def add(self, events: Sequence[Event]) -> None:
        """Take events, in their order."""
        for event in events:
            content = event.content
            if isinstance(content, Chunk) and content.queue_place is None and not content.finish:
                if event.id in self._begun and not self._urgent:
                    held = self._held.get(event.id)
                    self._held[event.id] = content if held is None else _joined(held, content)
                    continue
                self._begun.add(event.id)
            else:
                self._begun.discard(event.id)
            self._urgent.append(event)

    def post_if_due(self) -> None:
        """Post what is held where something cannot wait, or it was held for long enough."""
        if self._urgent or self._clock() - self._posted_at_s >= self._hold_s:
            self.post()

    def post(self) -> None:
        """Post what is held, if anything is."""
        if self.is_empty:
            return
        events = [Event(job_id, chunk) for job_id, chunk in self._held.items()] + self._urgent
        self._held, self._urgent = {}, []
        self._posted_at_s = self._clock()
        self._post(events)


def _joined(first: Chunk, second: Chunk) -> Chunk:
    """Return the one change that two make."""
    kept = max(0, len(first.text) - second.retract)
    return replace(
        second,
        text=first.text[:kept] + second.text,
        retract=first.retract + max(0, second.retract - len(first.text)),
    )
