"""Who waits, and in which order they are served. No torch here.

Invariant: groups take turns, in a group its owners do, and an owner's own keep their order.
So between two turns of anybody, each other group has one turn at most, and in their group
each other owner.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import zip_longest


class FairQueue:
    """Keep numbers in the order of their turns; nothing is kept of those that left."""

    def __init__(self) -> None:
        # Both levels in the order of their rotation; nothing empty is kept.
        self._groups: dict[str, dict[str, deque[int]]] = {}
        self._homes: dict[int, tuple[str, str]] = {}
        self._places: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self._homes)

    def append(self, number: int, *, group: str, owner: str) -> None:
        """Let a new number wait."""
        self._homes[number] = (group, owner)
        self._groups.setdefault(group, {}).setdefault(owner, deque()).append(number)
        self._places = None

    def pop(self) -> int:
        """Take the next one; its owner and its group go to the end of their rotations."""
        group, owners = next(iter(self._groups.items()))
        owner, line = next(iter(owners.items()))
        number = line.popleft()
        del owners[owner], self._groups[group], self._homes[number]
        if line:
            owners[owner] = line
        if owners:
            self._groups[group] = owners
        self._places = None
        return number

    def remove(self, number: int) -> None:
        """Take out one that waits; the others keep their order."""
        group, owner = self._homes.pop(number)
        owners = self._groups[group]
        line = owners[owner]
        line.remove(number)
        if not line:
            del owners[owner]
        if not owners:
            del self._groups[group]
        self._places = None

    def places(self) -> Mapping[int, int]:
        """Return each one's place, 1 is next; the same object until somebody comes or goes."""
        if self._places is None:
            groups = [_take_turns(owners.values()) for owners in self._groups.values()]
            self._places = {
                number: place for place, number in enumerate(_take_turns(groups), start=1)
            }
        return self._places


def _take_turns(lines: Iterable[Iterable[int]]) -> list[int]:
    """Return the first of each line, then the second of each, until all are empty."""
    return [number for turn in zip_longest(*lines) for number in turn if number is not None]
