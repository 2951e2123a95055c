"""Sets of whole tales.

Invariant: where a tale goes depends on the seed and on the ids of its source's tales, never on
the order in which they were read.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bot.training.data.tale import Split, Tale
from bot.training.errors import TooFewTalesError

HELD_BACK = 0.1
"""The share of tales that goes into each of validation and test."""

_LEAST = 3


def split(tales: Iterable[Tale], seed: int) -> Split:
    """Split tales into training, validation and test sets, each source in the same shares.

    Sources with fewer than three tales are dealt together, as if they were one.

    Args:
        tales: each once.
        seed: another one holds other tales back.

    Raises:
        TooFewTalesError: there are fewer than three.
    """
    by_source: dict[str, list[Tale]] = defaultdict(list)
    for tale in tales:
        by_source[tale.source].append(tale)
    groups: list[list[Tale]] = []
    small: list[Tale] = []
    for source in sorted(by_source):
        found = by_source[source]
        if len(found) < _LEAST:
            small += found
        else:
            groups.append(found)
    if small and (len(small) >= _LEAST or not groups):
        groups.append(small)
        small = []
    count = len(small) + sum(map(len, groups))
    if count < _LEAST:
        raise TooFewTalesError(found=count, needed=_LEAST)
    train, validation, test = list(small), [], []
    for group in groups:
        shuffled = _shuffle(group, seed)
        held = max(1, round(len(shuffled) * HELD_BACK))
        test += shuffled[:held]
        validation += shuffled[held : 2 * held]
        train += shuffled[2 * held :]
    return Split(*(tuple(sorted(each, key=_id)) for each in (train, validation, test)))


def folds(tales: Sequence[Tale], count: int, seed: int) -> list[tuple[Tale, ...]]:
    """Deal tales into parts of about equal size, to be held out in turn.

    A source's tales stay together where there are at least ``count`` sources and none of them
    has more than half of the text; else each tale is dealt by itself.

    Args:
        tales: each once.
        count: of the parts, at least 2.
        seed: another one deals otherwise.

    Raises:
        TooFewTalesError: there are fewer tales than parts.
    """
    if len(tales) < count:
        raise TooFewTalesError(found=len(tales), needed=count)
    together: dict[str, list[Tale]] = defaultdict(list)
    keep = are_sources_whole(tales, count)
    for tale in tales:
        together[tale.source if keep else tale.id].append(tale)
    units = sorted(
        together.items(),
        key=lambda unit: (-sum(len(tale.text) for tale in unit[1]), _rank(unit[0], seed)),
    )
    parts: list[list[Tale]] = [[] for _ in range(count)]
    sizes = [0] * count
    for _, unit in units:
        # An empty part first: every part must hold something out.
        at = min(range(count), key=lambda number: (bool(parts[number]), sizes[number]))
        parts[at] += unit
        sizes[at] += sum(len(tale.text) for tale in unit)
    return [tuple(sorted(part, key=_id)) for part in parts]


def are_sources_whole(tales: Sequence[Tale], count: int) -> bool:
    """Tell whether so many folds keep the tales of each source together."""
    sizes: dict[str, int] = defaultdict(int)
    for tale in tales:
        sizes[tale.source] += len(tale.text)
    return len(sizes) >= count and 2 * max(sizes.values()) <= sum(sizes.values())


def _id(tale: Tale) -> str:
    return tale.id


def _rank(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _shuffle(tales: Iterable[Tale], seed: int) -> list[Tale]:
    return sorted(tales, key=lambda tale: _rank(tale.id, seed))
