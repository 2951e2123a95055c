"""The one thread that owns the model: commands go in, events come out.

Invariants:
    - Nothing but this thread touches the core; commands and events are values, so that a
      process could stand in its place.
    - It blocks while there is nothing to do, and hears commands between steps.
    - When it ends, for whatever reason, the loop is told so, once.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Protocol

from bot.engine.local.generation import Job
from bot.engine.local.scoring import ScoreJob
from bot.engine.types import Chunk, Score
from bot.errors import EngineError, EngineStoppedError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the caller of a request must hear."""

    id: int
    content: Chunk | Score | EngineError


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the core is, for health."""

    waiting: int = 0
    active: int = 0
    last_error: str | None = None


class Core(Protocol):
    """What the thread drives."""

    @property
    def has_work(self) -> bool:
        """Whether a step is due."""
        ...

    @property
    def load(self) -> Load:
        """How busy it is."""
        ...

    def submit(self, job: Job | ScoreJob) -> list[Event]:
        """Queue a job."""
        ...

    def cancel(self, job_id: int) -> list[Event]:
        """End a job."""
        ...

    def step(self) -> list[Event]:
        """Serve every active request once."""
        ...


@dataclass(frozen=True, slots=True)
class _Cancel:
    id: int


class _Close(Enum):
    CLOSE = auto()


class EngineThread:
    """Run a core in a thread of its own.

    Args:
        build: makes the core, in the thread: loads the model.
        deliver: hears events, on the loop.
        on_end: hears, on the loop, that the thread has ended.
    """

    def __init__(
        self,
        build: Callable[[], Core],
        *,
        deliver: Callable[[Sequence[Event]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._build = build
        self._deliver = deliver
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._commands: SimpleQueue[Job | ScoreJob | _Cancel | _Close] = SimpleQueue()
        self._is_running = True
        self._load = Load()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended = asyncio.Event()
        # A daemon, so that a load that hangs cannot keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether the thread takes commands."""
        return self._is_running

    @property
    def load(self) -> Load:
        """How busy the core was after its last step."""
        return self._load

    async def start(self) -> None:
        """Start the thread and wait until the core is built.

        Raises:
            RoundtaleError: what building it raised.
        """
        self._thread.start()
        await asyncio.shield(self._ready)

    def submit(self, job: Job | ScoreJob) -> None:
        """Queue a job.

        Raises:
            EngineStoppedError: the thread has ended.
        """
        if not self._is_running:
            raise EngineStoppedError
        self._commands.put(job)

    def cancel(self, job_id: int) -> None:
        """End a job within one step."""
        self._commands.put(_Cancel(job_id))

    async def close(self, limit_s: float) -> bool:
        """Ask the thread to end; return whether it did within the limit."""
        self._commands.put(_Close.CLOSE)
        try:
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        self._thread.join()  # it has said its last word: microseconds
        return True

    def _run(self) -> None:
        """Be the root of the thread."""
        self._live()
        # The model is freed by now: freeing it while the interpreter ends would abort it.
        self._is_running = False
        self._post(self._end)

    def _live(self) -> None:
        try:
            core = self._build()
        except BaseException as error:  # noqa: BLE001 -- whoever waits for the model must hear it
            self._post(self._settle, error)
            return
        self._post(self._settle, None)
        try:
            self._serve(core)
        except BaseException as error:
            log.exception("the engine's thread died")
            self._load = Load(last_error=type(error).__name__)

    def _serve(self, core: Core) -> None:
        while True:
            events: list[Event] = []
            if not self._hear(core, events):
                return
            if core.has_work:
                events += core.step()
            self._load = core.load
            if events:
                self._post(self._deliver, events)

    def _hear(self, core: Core, events: list[Event]) -> bool:
        """Carry out the commands that have come; idle, sleep until one does. False to end."""
        while True:
            try:
                command = self._commands.get(block=not core.has_work and not events)
            except Empty:
                return True
            if isinstance(command, Job | ScoreJob):
                events += core.submit(command)
            elif isinstance(command, _Cancel):
                events += core.cancel(command.id)
            else:
                return False

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: nobody listens any more
            log.debug("the engine outlived its event loop")

    def _settle(self, error: BaseException | None) -> None:
        if self._ready.done():  # pragma: no cover -- only cancellation of the loop does that
            return
        if error is None:
            self._ready.set_result(None)
        else:
            self._ready.set_exception(error)
            self._ready.exception()  # read, should nobody wait any more

    def _end(self) -> None:
        self._ended.set()
        self._on_end()
