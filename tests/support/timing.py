"""Claims about speed that hold on a busy machine and under coverage: growth, not seconds."""

import time
from collections.abc import Callable

_LINEAR = 2.0
_QUADRATIC = 4.0


def processor_s(work: Callable[[], object], *, repeat: int = 3) -> float:
    """Return the least processor time of several runs of ``work`` in this thread, in seconds."""
    best_s = float("inf")
    for _ in range(repeat):
        began_s = time.thread_time()
        work()
        best_s = min(best_s, time.thread_time() - began_s)
    return best_s


def grows_less_than_quadratically(work: Callable[[int], Callable[[], object]], size: int) -> bool:
    """Return whether twice the input takes clearly less than four times the time.

    Args:
        work: gives, for a size, what is measured; its preparation is not.
        size: the smaller input; the larger one is twice that.
    """
    small_s, large_s = processor_s(work(size)), processor_s(work(2 * size))
    # What takes under two milliseconds cannot be told apart from noise, and is not slow.
    return large_s < max(0.002, (_LINEAR + _QUADRATIC) / 2 * 1.1 * small_s)
