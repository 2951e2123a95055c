"""What the engine's thread tells the loop, gathered for a moment.

A step takes some ten milliseconds. To wake the loop at each of them takes a processor and the
interpreter's lock from the next; nobody sees the difference between 25 and 60 changes a second.

Invariants:
    - A request's first words, its end, its place in the queue and errors wake the loop at once;
      further words wait until it looks.
    - Applying what is told gives what applying the events would have given, in their order.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.engine.types import Chunk, Score
from bot.errors import EngineError


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the caller of a request must hear."""

    id: int
    content: Chunk | Score | EngineError


class Delivery:
    """Hold events between the thread that adds them and the loop that takes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, Chunk] = {}  # by request
        self._urgent: list[Event] = []
        self._begun: set[int] = set()  # requests that have words, and have not ended

    @property
    def is_open(self) -> bool:
        """Whether further words may come that nobody is woken for."""
        return bool(self._begun)

    def add(self, events: Sequence[Event]) -> bool:
        """Take events, in their order; return whether the loop must be woken for them."""
        with self._lock:
            is_first = not self._urgent
            for event in events:
                self._add(event)
            return is_first and bool(self._urgent)

    def _add(self, event: Event) -> None:
        content = event.content
        if isinstance(content, Chunk) and content.queue_place is None and not content.finish:
            if event.id in self._begun and not self._urgent:
                held = self._held.get(event.id)
                self._held[event.id] = content if held is None else _joined(held, content)
                return
            self._begun.add(event.id)
        else:
            self._begun.discard(event.id)
        self._urgent.append(event)

    def take(self) -> list[Event]:
        """Return all that is held."""
        with self._lock:
            events = [Event(job_id, chunk) for job_id, chunk in self._held.items()] + self._urgent
            self._held, self._urgent = {}, []
            return events


def _joined(first: Chunk, second: Chunk) -> Chunk:
    """Return the one change that two make."""
    kept = max(0, len(first.text) - second.retract)
    return replace(
        second,
        text=first.text[:kept] + second.text,
        retract=first.retract + max(0, second.retract - len(first.text)),
    )
