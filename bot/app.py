"""The composition root: opens everything in order and closes it in reverse.

Invariant: this module alone knows the whole; nothing below it reads the environment.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.engine.backend import Backend
from bot.locales import N_, Words
from bot.policy.budgets import Budgets
from bot.service.api import Stage
from bot.service.clock import SystemClock
from bot.service.concepts import ConceptService
from bot.service.engine_holder import EngineHolder
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.settings import Settings
from bot.storage import SqlStore
from bot.story.ids import IdGenerator

if TYPE_CHECKING:
    from bot.engine.local.store import Progress, Resolved

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class App:
    """Everything that the edges are given."""

    settings: Settings
    store: SqlStore
    model: "Model"
    engine: EngineHolder
    stories: StoryService
    concepts: ConceptService
    admin: SettingsService


class Model:
    """Finds, installs where needed, and loads the model that writes.

    Args:
        settings: the operator's.
        progress: hears of an installation.
    """

    def __init__(self, settings: Settings, progress: "Progress") -> None:
        self._settings = settings
        self._progress = progress
        self.resolved: Resolved | None = None

    async def load(self) -> Backend:
        """Load it; torch is imported in a thread, for it takes seconds.

        Raises:
            ModelUnavailableError: it is missing, broken or too large.
        """
        settings = self._settings
        # Both import heavy libraries, so the loop must not wait for them.
        resolve, local_backend = await asyncio.to_thread(_import_engine)
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
        backend: Backend = await local_backend.open(
            resolved.path,
            name=resolved.name,
            revision=resolved.revision,
            style=resolved.style,
            precision=settings.precision,
            max_active=settings.max_active,
            max_waiting=settings.max_waiting,
            kv_cache_bytes=settings.kv_cache_mib * 2**20,
            threads=settings.threads,
        )
        return backend


def _import_engine():  # noqa: ANN202 -- the types load torch
    from bot.engine.local.backend import LocalBackend  # noqa: PLC0415 -- loads torch
    from bot.engine.local.store import resolve  # noqa: PLC0415 -- loads huggingface_hub

    return resolve, LocalBackend


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    stage: Stage,
    progress: "Progress",
    owner: str,
    new_seed: Callable[[], int] | None = None,
) -> AsyncIterator[App]:
    """Open the database and the services, and begin to load the model.

    Args:
        settings: the operator's.
        stage: where passages are shown.
        progress: hears of the model's installation.
        owner: who holds leases; one name for each process that shares the database.
        new_seed: gives each passage's seed; None draws them at random.

    Raises:
        StorageError: the database cannot be used.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = await SqlStore.open(settings.database_url)
        stack.push_async_callback(store.aclose)
        async with store.write() as unit:
            epoch = await unit.settings.next_epoch(owner)
            await unit.commit()
        model = Model(settings, progress)
        engine = EngineHolder(model.load, name=settings.model)
        stack.push_async_callback(engine.aclose)
        admin = SettingsService(store)
        new_id = IdGenerator(settings.node)
        stories = StoryService(
            store,
            engine,
            clock=clock,
            new_id=new_id,
            owner=owner,
            epoch=epoch,
            settings=admin,
            budgets=Budgets(),
            stage=stage,
            new_seed=new_seed or (lambda: secrets.randbits(62)),
        )
        stack.push_async_callback(stories.aclose)
        concepts = ConceptService(
            store, engine, stories=stories, settings=admin, clock=clock, new_id=new_id
        )
        engine.start()
        yield App(settings, store, model, engine, stories, concepts, admin)


async def run_terminal(
    settings: Settings, *, place_name: str | None, seed: int | None, is_batch: bool, locale: str
) -> int:
    """Play in the terminal; return the exit status.

    Args:
        settings: the operator's.
        place_name: names the story's place; None is "default", and in batch mode a new one.
        seed: the first passage's; each further one has the next number.
        is_batch: read turns from standard input instead of asking for them.
        locale: the person's language.
    """
    # The prompt's libraries are of no use to the bot.
    from bot.terminal.play import play_batch, play_interactively  # noqa: PLC0415
    from bot.terminal.progress import show_progress  # noqa: PLC0415
    from bot.terminal.render import make_console  # noqa: PLC0415
    from bot.terminal.session import Services  # noqa: PLC0415
    from bot.terminal.stage import TerminalStage  # noqa: PLC0415

    words = Words(locale)
    notes = make_console(to_stderr=True)
    console = notes if is_batch else make_console()
    stage = TerminalStage(console, notes, words, streams=not is_batch)
    counter = None if seed is None else itertools.count(seed)
    with show_progress(words) as progress:
        async with AsyncExitStack() as stack:
            app = await stack.enter_async_context(
                open_app(
                    settings,
                    stage=stage,
                    progress=progress,
                    # Each run is its own owner: another one may write in another story.
                    owner=f"terminal-{settings.instance}",
                    new_seed=None if counter is None else counter.__next__,
                )
            )
            backend = await app.engine.get()
            progress.close()
            resolved = app.model.resolved
            greeting = words(
                N_("{model} writes ({precision}, window {window} tokens). {why}"),
                model=backend.info.name,
                precision=backend.info.precision,
                window=backend.info.window_tokens,
                why=words(resolved.why.message, **resolved.why.data) if resolved else "",
            )
            services = Services(app.stories, app.concepts, app.admin)
            if is_batch:
                return await play_batch(
                    services, place_name=place_name, words=words, greeting=greeting
                )
            return await play_interactively(
                services,
                place_name=place_name or "default",
                history_file=settings.cache_dir / "play-history",
                console=console,
                words=words,
                greeting=greeting,
            )
