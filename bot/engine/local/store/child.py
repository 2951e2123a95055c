"""Child processes: what they say, and that they end.

Invariant: a child is never left running when its parent stops waiting for it.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_END_S = 5.0
_BLOCK_BYTES = 1 << 16
_KEPT_LINES = 40


@dataclass(frozen=True, slots=True)
class Child:
    """A running process.

    Attributes:
        output: its standard output.
        errors: ends with the last lines of its standard error.
    """

    process: asyncio.subprocess.Process
    output: asyncio.StreamReader
    errors: asyncio.Task[list[str]]


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a child, politely first, and wait for it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _last_lines(stream: asyncio.StreamReader) -> list[str]:
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    rest = b""
    while block := await stream.read(_BLOCK_BYTES):
        *whole, rest = (rest + block).replace(b"\r", b"\n").split(b"\n")
        lines.extend(line.decode("utf-8", "replace").strip() for line in whole)
    lines.append(rest.decode("utf-8", "replace").strip())
    return [line for line in lines if line]


@asynccontextmanager
async def python_module(module: str, *arguments: str) -> AsyncIterator[Child]:
    """Run a module with this interpreter; its standard input stays open, and empty, as long as we live."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if process.stdout is None or process.stderr is None:
        raise AssertionError  # both are pipes
    errors = asyncio.create_task(_last_lines(process.stderr))
    try:
        yield Child(process, process.stdout, errors)
    finally:
        await _end(process)
        errors.cancel()
