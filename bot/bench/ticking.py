"""How late the event loop is: what a member waits for besides the model.

Invariant: a tick sleeps for ``TICK_S`` and notes how much later than that it woke; this is
what ``benchmarks/acknowledge.py`` measures in the whole bot.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

from bot.bench.figures import percentile

TICK_S = 0.005
_LOOK_EVERY = 10  # ticks between two looks at the memory


@dataclass(frozen=True, slots=True)
class Lag:
    """How late ticks were, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, lags_s: Sequence[float]) -> "Lag":
        """Summarise lags in seconds; at least one."""
        return cls(
            1000 * percentile(lags_s, 0.5), 1000 * percentile(lags_s, 0.99), 1000 * max(lags_s)
        )


class Ticks:
    """What the ticks saw.

    Attributes:
        lags_s: one for each tick.
        peak_bytes: the most memory that this process was seen to hold.
    """

    def __init__(self) -> None:
        self.lags_s: list[float] = []
        self.peak_bytes = 0
        self._process = psutil.Process()

    def look(self) -> None:
        """Note the memory."""
        self.peak_bytes = max(self.peak_bytes, resident_bytes(self._process))

    async def tick(self) -> None:
        """Tick until cancelled."""
        while True:
            begun_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.lags_s.append(time.monotonic() - begun_s - TICK_S)
            if len(self.lags_s) % _LOOK_EVERY == 0:
                self.look()


def resident_bytes(process: psutil.Process | None = None) -> int:
    """Return the memory that this process holds in RAM."""
    return int((process or psutil.Process()).memory_info().rss)


@asynccontextmanager
async def ticking() -> AsyncIterator[Ticks]:
    """Tick as long as the context lasts, once at least."""
    ticks = Ticks()
    task = asyncio.create_task(ticks.tick())
    try:
        yield ticks
        await asyncio.sleep(2 * TICK_S)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        ticks.look()
