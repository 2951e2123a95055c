"""Keys and values that stay with their story between requests.

Invariants:
    - A slot is held by one request at a time; while it is held nobody else writes to it.
    - ``slot.tokens`` are exactly the tokens whose keys and values the cache holds.
    - Slots that nobody holds are dropped, the least recently used first, while all
      together exceed the limit.
    - What is kept is bit for bit what would be computed anew: whole chunks of prompts. Keys that
      were computed one by one while a text was written, or in a chunk's part, are rounded
      otherwise, and a text would depend on what its story happens to find here.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, Protocol, Self, TypeVar

from bot.engine.local.scheduler import CHUNK_TOKENS


class CacheUse(Enum):
    """What can be done with a model's keys and values."""

    CROPPED = auto()  # kept between requests, cut back on a rewind
    APPENDED = auto()  # within one request only (sliding windows, linear attention)
    NOT_AT_ALL = auto()  # the whole text is computed for each token


class KeyValues(Protocol):
    """The keys and values of one text."""

    @property
    def size_bytes(self) -> int:
        """Memory that they hold; a cropped one may still hold the whole of it."""
        ...

    def crop(self, length: int, /) -> None:
        """Keep the first tokens only."""
        ...

    def fork(self, length: int, /) -> Self:
        """Return a copy of the first tokens."""
        ...


C = TypeVar("C", bound=KeyValues)

_GROWTH_TOKENS = 64


@dataclass(slots=True, eq=False)
class Slot(Generic[C]):
    """One story's keys and values."""

    cache: C
    key: str | None
    tokens: list[int] = field(default_factory=list)

    def crop(self, length: int) -> None:
        """Keep the first tokens only."""
        if len(self.tokens) > length:
            self.cache.crop(length)
            del self.tokens[length:]


def room_for(length: int) -> int:
    """Return for how many tokens room is made where so many need it.

    Growing copies what is there, which takes a few milliseconds; room to spare takes memory.
    """
    return (length // _GROWTH_TOKENS + 1) * _GROWTH_TOKENS


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two texts share at their start."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    return next(at for at in range(length) if first[at] != second[at])


class SlotStore(Generic[C]):
    """Lend slots to requests and keep those that come back.

    Args:
        make: gives an empty cache.
        limit_bytes: for all slots together, those in use included.
        is_reusable: whether this model's caches can be cropped; if not, none is kept.
        chunk_tokens: see ``Scheduler``.
    """

    def __init__(
        self,
        make: Callable[[], C],
        *,
        limit_bytes: int,
        is_reusable: bool,
        chunk_tokens: int = CHUNK_TOKENS,
    ) -> None:
        self._make = make
        self._limit_bytes = limit_bytes
        self._is_reusable = is_reusable
        self._chunk_tokens = chunk_tokens
        self._idle: OrderedDict[str, Slot[C]] = OrderedDict()
        self._lent: set[Slot[C]] = set()

    @property
    def idle(self) -> int:
        """How many slots nobody holds."""
        return len(self._idle)

    @property
    def idle_bytes(self) -> int:
        """What those slots take."""
        return sum(slot.cache.size_bytes for slot in self._idle.values())

    def take(self, key: str | None, tokens: Sequence[int]) -> Slot[C]:
        """Lend the key's slot, cropped to the whole chunks that it shares with the tokens, or an empty one.

        At least the last token is left to compute, for its logits are wanted.
        """
        slot = self._idle.pop(key, None) if key is not None else None
        shared = 0
        if slot is not None:
            shared = self._whole(min(common_prefix(slot.tokens, tokens), len(tokens) - 1))
        if slot and shared:
            slot.crop(shared)
        else:
            slot = Slot(self._make(), key)
        self._lent.add(slot)
        return slot

    def fork(self, slot: Slot[C], source: Slot[C], length: int) -> None:
        """Give a lent slot a copy of the first tokens of another in place of its own."""
        slot.cache = source.cache.fork(length)
        slot.tokens[:] = source.tokens[:length]

    def give_back(self, slot: Slot[C], prompt_length: int) -> None:
        """Keep the whole chunks of a slot's prompt for the next request with its key."""
        self._lent.discard(slot)
        if slot.key is None or not self._is_reusable:
            return
        slot.crop(self._whole(prompt_length))
        if not slot.tokens:
            return
        self._idle.pop(slot.key, None)
        self._idle[slot.key] = slot
        total = self.idle_bytes + sum(lent.cache.size_bytes for lent in self._lent)
        while self._idle and total > self._limit_bytes:
            _, dropped = self._idle.popitem(last=False)
            total -= dropped.cache.size_bytes

    def _whole(self, length: int) -> int:
        """Return how many of so many tokens are in whole chunks."""
        return length - length % self._chunk_tokens

    def drop(self, slot: Slot[C]) -> None:
        """Let a slot go for good: after a failure nobody knows what it holds."""
        self._lent.discard(slot)

    def clear(self) -> None:
        """Let go of all that nobody holds."""
        self._idle.clear()
