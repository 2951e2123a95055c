"""Blocking library calls under a limit, without holding the loop or the exit of the program.

Invariant: every call here ends for its caller within its limit, whatever the
call itself does. The threads are daemons: the loop's own executor would join
a thread that hangs in the network when the program ends.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class StalledError(Exception):
    """A long call made no progress for too long."""


class Pulse:
    """What a long call beats to show that it is alive, and reads to see that it is unwanted.

    Thread-safe: an integer that only one thread raises, and an event.
    """

    def __init__(self) -> None:
        self.beats = 0
        self._unwanted = threading.Event()

    def beat(self) -> None:
        """Note progress.

        Raises:
            InterruptedError: nobody waits for the result any more.
        """
        if self._unwanted.is_set():
            raise InterruptedError
        self.beats += 1

    def give_up(self) -> None:
        """Tell the call that nobody waits for it any more."""
        self._unwanted.set()


def _start(work: Callable[[], T]) -> asyncio.Future[T]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T allows it
        else:
            future.set_exception(error)

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 -- the root of a thread: whatever it is, it belongs to the caller
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:  # the loop has closed meanwhile: nobody waits
            return

    threading.Thread(target=run, daemon=True, name="roundtale-model-store").start()
    return future


async def within(limit_s: float, work: Callable[[], T]) -> T:
    """Run a blocking call in a thread and wait for it, ``limit_s`` seconds at most.

    Raises:
        TimeoutError: the limit has passed; the thread is left behind.
    """
    async with asyncio.timeout(limit_s):
        return await _start(work)


async def while_alive(stall_s: float, pulse: Pulse, work: Callable[[], T]) -> T:
    """Run a long blocking call in a thread for as long as it beats ``pulse``.

    Raises:
        StalledError: no beat within ``stall_s`` seconds; the thread ends at its next beat.
    """
    future = _start(work)
    seen = -1
    try:
        while True:
            done, _ = await asyncio.wait({future}, timeout=stall_s)
            if done:
                return future.result()
            if pulse.beats == seen:
                raise StalledError
            seen = pulse.beats
    finally:
        pulse.give_up()
        future.cancel()
