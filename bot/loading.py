"""Finds, installs where needed, and loads the model that writes, beside everything else.

Invariant: torch and the hub's client are imported in a thread, once, and only here; whoever
asks learns when loading leaves the event loop alone.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.engine.backend import Backend
from bot.engine.local import shorten_waits
from bot.engine.types import PromptStyle
from bot.errors import ModelUnavailableError
from bot.locales import N_
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.engine.local.backend import LocalBackend
    from bot.engine.local.store import Progress, Resolved

    Resolve = Callable[..., Awaitable[Resolved]]

log = logging.getLogger(__name__)

_LOADING = N_("Loading the model")
CALM_LIMIT_S = 60.0
"""How long the bot waits to enter Discord until loading leaves the event loop alone."""


class Model:
    """Finds, installs where needed, and loads the model that writes.

    Args:
        settings: the operator's.
        progress: hears of an installation.

    Attributes:
        resolved: what was chosen, once that is known.
        is_calm: set once loading leaves the event loop alone: libraries and tokenizers are
            there and only weights are read. Set too where a model must be fetched first,
            which may take minutes, and where loading has failed.
    """

    def __init__(self, settings: Settings, progress: "Progress") -> None:
        self._settings = settings
        self._progress = progress
        self.resolved: Resolved | None = None
        self.is_calm = asyncio.Event()

    async def load(self) -> Backend:
        """Load it; torch is imported in a thread, for it takes seconds.

        Raises:
            ModelUnavailableError: it is missing, broken or too large.
        """
        try:
            return await self._load()
        finally:
            self.is_calm.set()

    async def until_calm(self) -> None:
        """Wait until loading leaves the event loop alone, for a limited time."""
        try:
            async with asyncio.timeout(CALM_LIMIT_S):
                await self.is_calm.wait()
        except TimeoutError:
            log.warning("the model's libraries are slow to load; answers may come late meanwhile")

    async def _load(self) -> Backend:
        settings = self._settings
        # Both import heavy libraries, so the loop must not wait for them.
        self._progress.report(_LOADING, None, None)
        resolve, local_backend = await asyncio.to_thread(_import_engine)
        _freeze()
        if not _is_here(settings):
            self.is_calm.set()
        self.resolved = resolved = await resolve(
            settings.model,
            cache_dir=settings.cache_dir,
            revision=settings.model_revision,
            hub_timeout_s=settings.hub_timeout_s,
            report=self._progress,
        )
        log.info(
            "model chosen",
            extra={
                "model": resolved.name,
                "revision": resolved.revision,
                "reason": str(resolved.why),
            },
        )
        self._progress.report(_LOADING, None, None)
        backend: Backend = await local_backend.open(
            resolved.path,
            name=resolved.name,
            revision=resolved.revision,
            style=resolved.style
            if settings.prompt_style == "auto"
            else PromptStyle(settings.prompt_style),
            device=settings.device,
            precision=settings.precision,
            max_active=settings.max_active,
            max_waiting=settings.max_waiting,
            kv_cache_bytes=settings.kv_cache_mib * 2**20,
            threads=settings.threads,
            window_tokens=resolved.window_tokens,
            on_calm=self.is_calm.set,
        )
        _freeze()
        return backend


def _freeze() -> None:
    """Leave what there is to no later collection.

    Full ones over the objects of torch, transformers and discord.py would stop the event loop for
    100 to 250 ms: now and then while the model loads, and for good.
    """
    gc.collect()
    gc.freeze()


def check_model_setting(settings: Settings) -> None:
    """Refuse a setting that can mean no model, before anything is opened for it.

    Raises:
        ModelUnavailableError: it names a folder that is not a model, or nothing at all.
    """
    from bot.engine.local.store import describe_choice  # noqa: PLC0415 -- loads huggingface_hub

    describe_choice(settings.model, settings.cache_dir, settings.model_revision)


def _is_here(settings: Settings) -> bool:
    """Whether the model can be loaded without fetching it first."""
    from bot.engine.local.store import describe_choice  # noqa: PLC0415 -- loads huggingface_hub

    try:
        choice = describe_choice(settings.model, settings.cache_dir, settings.model_revision)
    except ModelUnavailableError:
        return False  # resolve will tell why
    return choice.is_installed


def _import_engine() -> "tuple[Resolve, type[LocalBackend]]":
    shorten_waits()
    from bot.engine.local.backend import LocalBackend  # noqa: PLC0415 -- loads torch
    from bot.engine.local.store import resolve  # noqa: PLC0415 -- loads huggingface_hub

    return resolve, LocalBackend
