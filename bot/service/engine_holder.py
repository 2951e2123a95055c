"""Holds the model while it loads, so that everything else can start meanwhile.

Invariant: there is at most one backend; whoever waits for it gets it, a typed error,
or the end of their own patience, and never hangs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Self

from bot.engine.backend import Backend
from bot.engine.types import Health, ModelInfo
from bot.errors import EngineStoppedError, ModelUnavailableError, RoundtaleError
from bot.locales import N_

log = logging.getLogger(__name__)

LOAD_LIMIT_S = 1800.0
"""How long a passage waits for its model: a first start may download and convert one."""


class EngineHolder:
    """Load a backend once and give it to all.

    Args:
        load: opens the backend; called once, by ``start``.
        name: the model's name for people, until the backend tells its own.
    """

    def __init__(self, load: Callable[[], Awaitable[Backend]], *, name: str = "auto") -> None:
        self._load = load
        self._name = name
        self._backend: Backend | None = None
        self._task: asyncio.Task[Backend] | None = None
        self._is_closed = False

    @classmethod
    def of(cls, backend: Backend) -> Self:
        """Return a holder around a backend that is open already."""

        async def opened() -> Backend:
            return backend

        holder = cls(opened, name=backend.info.name)
        holder._backend = backend
        return holder

    def start(self) -> None:
        """Begin to load; needs the running event loop, and may be called again."""
        if self._task is None and self._backend is None and not self._is_closed:
            self._task = asyncio.create_task(self._open(), name="load the model")
            self._task.add_done_callback(_log_failure)

    async def _open(self) -> Backend:
        backend = await self._load()
        self._backend = backend
        return backend

    @property
    def ready(self) -> bool:
        """Whether a backend is there now."""
        return self._backend is not None and not self._is_closed

    @property
    def backend(self) -> Backend | None:
        """The backend, if it is there now."""
        return self._backend if self.ready else None

    @property
    def info(self) -> ModelInfo | None:
        """The model that writes, once it is known."""
        return self._backend.info if self._backend is not None else None

    @property
    def failure(self) -> BaseException | None:
        """Why loading failed; None while it goes on or when it worked."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        return task.exception()

    async def get(self, limit_s: float = LOAD_LIMIT_S) -> Backend:
        """Return the backend; wait for it at most ``limit_s`` seconds.

        Raises:
            ModelUnavailableError: it cannot be loaded, or still loads when the limit ends.
            EngineStoppedError: the holder was closed.
        """
        if self._is_closed:
            raise EngineStoppedError
        if self._backend is not None:
            return self._backend
        self.start()
        task = self._task
        if task is None:  # pragma: no cover -- start() makes one unless closed or ready
            raise EngineStoppedError
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        if not done:
            raise ModelUnavailableError(
                model=self._name, reason=N_("it is still loading; try again in a minute")
            )
        if task.cancelled() or self._is_closed:
            raise EngineStoppedError
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, RoundtaleError):
            raise type(error)(**error.data) from error
        raise ModelUnavailableError(model=self._name, reason=str(error)) from error

    def health(self) -> Health:
        """Return the state without waiting; a model that loads is healthy."""
        if self._is_closed:
            return Health(is_ok=False, detail="closed", waiting=0, active=0)
        if self._backend is not None:
            return self._backend.health()
        error = self.failure
        if error is not None:
            return Health(
                is_ok=False, detail="failed to load", waiting=0, active=0, last_error=str(error)
            )
        return Health(is_ok=True, detail="loading", waiting=0, active=0)

    async def aclose(self) -> None:
        """Give up loading or close the backend; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._backend is not None:
            await self._backend.aclose()


def _log_failure(task: asyncio.Task[Backend]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    # What people can cause is a sentence; only the unexpected needs its traceback.
    expected = isinstance(error, RoundtaleError)
    log.error("the model could not be loaded: %s", error, exc_info=None if expected else error)
