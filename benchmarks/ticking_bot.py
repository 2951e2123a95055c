"""``python -m bot`` with a tick in its event loop: what a lag of the loop is measured with.

Nothing of the bot is changed. A task sleeps for 5 ms again and again, and notes how much later
than that it woke; the file that BENCH_TICKS names gets one line for each tick when the bot ends:
the moment (``time.monotonic()``, the same clock in every process) and the lag, both in seconds.
"""

import asyncio
import contextlib
import os
import runpy
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot import app

TICK_S = 0.005


async def tick(found: list[tuple[float, float]]) -> None:
    """Note a lag for every tick until cancelled."""
    while True:
        begun_s = time.monotonic()
        await asyncio.sleep(TICK_S)
        now_s = time.monotonic()
        found.append((now_s, now_s - begun_s - TICK_S))


def keep(found: list[tuple[float, float]]) -> None:
    """Write the ticks down."""
    lines = (f"{moment_s:.6f} {lag_s:.6f}\n" for moment_s, lag_s in found)
    Path(os.environ["BENCH_TICKS"]).write_text("".join(lines), encoding="ascii")


def ticking(run: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    """Let a bot tick while it runs."""

    async def ticked(*arguments: Any) -> int:
        found: list[tuple[float, float]] = []
        task = asyncio.create_task(tick(found))
        try:
            return await run(*arguments)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            keep(found)

    return ticked


if __name__ == "__main__":
    app.run_discord = ticking(app.run_discord)  # type: ignore[assignment]  # the same but for the tick
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
