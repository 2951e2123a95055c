"""Signals and the keyboard, while nobody is asked for a line.

Invariant: inside ``interrupts`` Ctrl-C never ends the program by itself; the terminal
is given back as it was found, also when somebody else ends the program.
"""

import asyncio
import signal
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any


async def until_terminated(work: Coroutine[Any, Any, int]) -> int:
    """Return an exit status; SIGTERM and SIGHUP cancel the work and give 128 and their number."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    heard: list[int] = []

    def end(number: int) -> None:
        heard.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not heard:
            raise
        return 128 + heard[0]
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def interrupts(
    on_interrupt: Callable[[], Awaitable[object]],
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Call ``on_interrupt`` in a task for each Ctrl-C, while the context is open.

    Yields:
        What waits until all these calls have ended.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Future[object]] = set()

    def heard() -> None:
        task = asyncio.ensure_future(on_interrupt())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def answered() -> None:
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, heard)
    try:
        yield answered
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
        await answered()


@contextmanager
def no_echo() -> Iterator[None]:
    """Keep what is typed from tearing what is drawn; the next prompt takes it."""
    if not sys.stdin.isatty():
        yield
        return
    file = sys.stdin.fileno()
    found = termios.tcgetattr(file)
    quiet = [*found]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(file, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        with suppress(termios.error):  # it hung up
            termios.tcsetattr(file, termios.TCSANOW, found)
