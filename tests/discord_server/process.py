"""The bot as a process of its own, pointed at the stand-in."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from .server import DiscordServer

SHIM = Path(__file__).with_name("shim")
INHERITED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
)


class BotProcess:
    """One run of the bot's command line in its own process group.

    env: added to a small inherited environment; DISCORD_TOKEN is the stand-in's unless given.
    crash_at: "package.module:Class.method", killed there at the nth call, "before" or "after" its work.
    """

    def __init__(
        self,
        discord: "DiscordServer",
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        command: Sequence[str] = (sys.executable, "-m", "bot", "run"),
        crash_at: str | None = None,
        crash_nth: int = 1,
        crash_when: str = "before",
    ) -> None:
        self.discord, self.command, self.cwd = discord, list(command), cwd
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        fixed = {
            "DISCORD_TOKEN": discord.token,
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
        }
        self.env = inherited | fixed | discord.addresses | dict(env or {})
        paths = [str(SHIM), self.env.get("PYTHONPATH", "")]
        self.env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        if crash_at is not None:
            self.env["STAND_IN_CRASH"] = f"{crash_at}#{crash_nth}:{crash_when}"
        self.log = ""
        self.started_at_s = 0.0
        self.identified_before = 0
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        self.identified_before = len(self.discord.gateway.identifies)
        self.started_at_s = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=self.cwd,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._watcher = asyncio.create_task(self._watch(self._process))
        return self

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            raise AssertionError
        while data := await process.stdout.read(65536):
            self.log += data.decode(errors="replace")
            self.discord.state.pulse()
        await process.wait()
        self.discord.state.pulse()

    @property
    def process(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise AssertionError("the bot was not started")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def wait_ready(self, timeout_s: float = 60.0, *, with_commands: bool = True) -> None:
        """Wait until this run has identified and the application has commands; fail if it ends before."""

        def is_ready() -> bool:
            if not self.is_running:
                raise AssertionError(f"the bot ended with {self.returncode}:\n{self.log[-6000:]}")
            gateway = self.discord.gateway
            is_new = len(gateway.identifies) > self.identified_before
            has_commands = any(self.discord.state.commands.values()) or not with_commands
            return gateway.connected and is_new and has_commands

        try:
            await self.discord.wait_for(is_ready, timeout_s, "the bot to be ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\nlog:\n{self.log[-6000:]}") from None

    async def wait_log(self, text: str, timeout_s: float = 20.0) -> None:
        """Wait until the bot's output holds the text."""
        await self.discord.wait_for(lambda: text in self.log, timeout_s, f"{text!r} in the log")

    async def wait_exit(self, timeout_s: float = 20.0) -> int:
        """Wait for the end and return the exit status (negative: the signal)."""
        await asyncio.wait_for(self.process.wait(), timeout_s)
        if self._watcher is not None:
            await self._watcher
        return self.process.returncode or 0

    async def stop(self, timeout_s: float = 20.0) -> int:
        """Ask it to end (SIGTERM) and return its exit status; kill its group when it does not."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            return await self.wait_exit(timeout_s)
        except TimeoutError:
            await self.kill()
            raise AssertionError(
                f"the bot did not end within {timeout_s} s:\n{self.log[-6000:]}"
            ) from None

    def kill_now(self) -> None:
        """Kill the process group at once (SIGKILL), without waiting for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def kill(self) -> int:
        """Crash it and wait until it is gone."""
        if self.is_running:
            self.kill_now()
        return await self.wait_exit()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f"--- the bot's log ---\n{self.log[-8000:]}\n--- end of log ---")  # noqa: T201 - pytest shows it with the failure
        await (self.stop() if error is None else self.kill())
