"""How many threads compute, as long as others want the processors too.

A step is hundreds of small pieces of work, each shared among all threads. Where another program
runs on one of the processors, every piece waits for the thread that shares it: two threads were
seen to be four times slower than one. Where nobody does, they are up to half as fast again. Neither
is known beforehand, so it is tried now and then.

Invariant: only steps that do alike work are compared: one token each for the same number of
texts, one step right after the other.
"""

from collections.abc import Callable
from statistics import median
from typing import Final

_TRIED_STEPS: Final = 5  # of each kind; the first of a trial does not count
_SHORTEST_INTERVAL: Final = 32  # steps between two trials
_LONGEST_INTERVAL: Final = 1024
_SUSPICIOUS: Final = 1.5  # so much slower than was seen before, something has changed
_BETTER: Final = 0.9  # others must take at most this share of the time


class ThreadGovernor:
    """Choose between all threads and one.

    Args:
        most: how many there are; with one there is no choice.
        current: how many compute now: one or all.
        use: sets how many compute.
    """

    def __init__(self, most: int, current: int, use: Callable[[int], None]) -> None:
        self._most = most
        self._use = use
        self._current = current
        self._rows = 0
        self._took: list[float] = []  # of the latest steps with so many rows
        self._before: float | None = None  # a trial is on: what a step took with the others
        self._waited = 0
        self._interval = _TRIED_STEPS  # the first trial comes at once
        self._best: dict[tuple[int, int], float] = {}  # by threads and rows

    @property
    def current(self) -> int:
        """How many threads compute."""
        return self._current

    def observe(self, rows: int, took_s: float) -> None:
        """Note what a step took that computed a token for each of so many texts."""
        if self._most == 1:
            return
        self._waited += 1
        if rows != self._rows:
            self._rows = rows
            self._took.clear()
            if self._before is not None:  # nothing to compare with any more
                self._end_trial(stays=False)
        self._took.append(took_s)
        if self._before is not None:
            if len(self._took) > _TRIED_STEPS:
                self._end_trial(stays=median(self._took[1:]) < _BETTER * self._before)
            return
        del self._took[:-_TRIED_STEPS]
        if len(self._took) < _TRIED_STEPS:
            return
        usual = median(self._took)
        key = (self._current, rows)
        best = self._best[key] = min(usual, self._best.get(key, usual))
        is_slow = usual > _SUSPICIOUS * best and self._waited >= _SHORTEST_INTERVAL
        if is_slow or self._waited >= self._interval:
            self._before = usual
            self._switch()

    def _switch(self) -> None:
        self._current = 1 if self._current == self._most else self._most
        self._took.clear()
        self._use(self._current)

    def _end_trial(self, *, stays: bool) -> None:
        self._before = None
        self._waited = 0
        if stays:
            self._interval = _SHORTEST_INTERVAL
        else:
            self._interval = min(max(2 * self._interval, _SHORTEST_INTERVAL), _LONGEST_INTERVAL)
            self._switch()
