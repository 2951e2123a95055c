"""The real program in a terminal of its own: a pseudo-terminal, and keys that are typed."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pyte

ROOT = Path(__file__).resolve().parents[2]
ENTER, TAB, UP = "\r", "\t", "\x1b[A"
CTRL_C, CTRL_D = "\x03", "\x04"
AT_PROMPT = r"^› ?\Z"  # noqa: RUF001 -- the prompt's own sign; nothing stands behind it
ROWS, COLUMNS = 50, 100
LIMIT_S = 30.0


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return what a fresh user's process sees: nothing of the operator's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT),
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody answers where the cursor is
        "HF_ENDPOINT": "http://127.0.0.1:9",  # nothing listens there
        "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/stories.sqlite",
        "ROUNDTALE_CACHE_DIR": str(folder / "cache"),
        "ROUNDTALE_HUB_TIMEOUT_S": "0.2",
        **more,
    }


class TypedProcess:
    """A program, the screen that it draws on, and a keyboard."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process = process
        self._master = master
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._master)
        self._stream.feed(chunk)
        self._changed.set()

    @property
    def screen(self) -> str:
        """What a person sees now, without the empty rows below."""
        return "\n".join(row.rstrip() for row in self._screen.display).rstrip()

    def type(self, *keys: str) -> None:
        """Type keys, all at once."""
        os.write(self._master, "".join(keys).encode())

    async def see(self, words: str, *, limit_s: float = LIMIT_S) -> str:
        """Wait until the screen matches a regular expression; return what it shows then."""
        pattern = re.compile(words, re.MULTILINE)
        try:
            async with asyncio.timeout(limit_s):
                while not pattern.search(self.screen):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{words!r} was not shown in\n{self.screen}") from None
        return self.screen

    async def end(self, *, limit_s: float = LIMIT_S) -> int:
        """Wait until it has ended; return its exit status."""
        async with asyncio.timeout(limit_s):
            return await self._process.wait()

    async def close(self) -> None:
        """Kill it where it still runs."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)


@asynccontextmanager
async def typed_process(
    arguments: Sequence[str], env: Mapping[str, str], folder: Path
) -> AsyncIterator[TypedProcess]:
    """Start ``python -m bot`` with arguments in a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=dict(env),
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(slave)
    typed = TypedProcess(process, master)
    try:
        yield typed
    finally:
        await typed.close()
