"""Keys and values that stay with their story between requests.

Invariants:
    - A slot is held by one request at a time; while it is held nobody else sees it.
    - ``slot.tokens`` are exactly the tokens whose keys and values the cache holds.
    - Slots that nobody holds are dropped, the least recently used first, while all
      together exceed the limit.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch


class LayerCache(Protocol):
    """The part of ``transformers.Cache`` that is used here."""

    @property
    def layers(self) -> Sequence[object]:
        """One entry for each layer, with tensors ``keys`` and ``values``."""
        ...

    def crop(self, tokens_to_remove: int, /) -> None:
        """Drop tokens from the end; the number is negative (transformers 5)."""
        ...


@dataclass(slots=True, eq=False)
class Slot:
    """One story's keys and values."""

    cache: LayerCache
    key: str | None
    tokens: list[int] = field(default_factory=list)

    def crop(self, length: int) -> None:
        """Keep the first tokens only."""
        surplus = len(self.tokens) - length
        if surplus > 0:
            self.cache.crop(-surplus)
            del self.tokens[length:]

    @property
    def size_bytes(self) -> int:
        """Memory that the tensors hold; a cropped one still holds the whole of it."""
        return sum(
            tensor.untyped_storage().nbytes()
            for layer in self.cache.layers
            for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None))
            if isinstance(tensor, torch.Tensor)
        )


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two texts share at their start."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    return next(at for at in range(length) if first[at] != second[at])


class SlotStore:
    """Lend slots to requests and keep those that come back.

    Args:
        make: gives an empty cache.
        limit_bytes: for all slots together, those in use included.
        is_reusable: whether this model's caches can be cropped; if not, none is kept.
    """

    def __init__(
        self, make: Callable[[], LayerCache], *, limit_bytes: int, is_reusable: bool
    ) -> None:
        self._make = make
        self._limit_bytes = limit_bytes
        self._is_reusable = is_reusable
        self._idle: OrderedDict[str, tuple[Slot, int]] = OrderedDict()
        self._lent: set[Slot] = set()

    @property
    def idle(self) -> int:
        """How many slots nobody holds."""
        return len(self._idle)

    @property
    def idle_bytes(self) -> int:
        """What those slots take."""
        return sum(size for _, size in self._idle.values())

    def take(self, key: str | None, tokens: Sequence[int]) -> Slot:
        """Lend the key's slot, cropped to what it shares with the tokens, or an empty one.

        At least the last token is left to compute, for its logits are wanted.
        """
        kept = self._idle.pop(key, None) if key is not None else None
        shared = min(common_prefix(kept[0].tokens, tokens), len(tokens) - 1) if kept else 0
        if kept and shared:
            slot = kept[0]
            slot.crop(shared)
        else:
            slot = Slot(self._make(), key)
        self._lent.add(slot)
        return slot

    def give_back(self, slot: Slot) -> None:
        """Keep a slot for the next request with its key."""
        self._lent.discard(slot)
        if slot.key is None or not self._is_reusable or not slot.tokens:
            return
        self._idle.pop(slot.key, None)
        self._idle[slot.key] = (slot, slot.size_bytes)
        total = self.idle_bytes + sum(lent.size_bytes for lent in self._lent)
        while self._idle and total > self._limit_bytes:
            _, (_, size) = self._idle.popitem(last=False)
            total -= size

    def drop(self, slot: Slot) -> None:
        """Let a slot go for good: after a failure nobody knows what it holds."""
        self._lent.discard(slot)

    def clear(self) -> None:
        """Let go of all that nobody holds."""
        self._idle.clear()
