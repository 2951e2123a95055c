"""The composition root: opens everything in order and closes it in reverse.

Invariant: this module alone knows the whole; nothing below it reads the environment.
"""

import asyncio
import hashlib
import itertools
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.errors import ConfigurationError
from bot.loading import Model, check_model_setting
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
from bot.telemetry import Metrics, serve_metrics

if TYPE_CHECKING:
    from bot.engine.local.store import Progress

log = logging.getLogger(__name__)

_FIRST_TERMINAL_NODE = 512
"""Terminals take their id's node from the upper half, by process; operators number from 0."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything that the edges are given."""

    settings: Settings
    store: SqlStore
    model: Model
    engine: EngineHolder
    stories: StoryService
    concepts: ConceptService
    admin: SettingsService
    clock: SystemClock
    new_id: IdGenerator


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    stage: Stage | None,
    progress: "Progress",
    owner: str,
    new_seed: Callable[[], int] | None = None,
    node: int | None = None,
) -> AsyncIterator[App]:
    """Open the database and the services, and begin to load the model.

    Args:
        settings: the operator's.
        stage: where passages are shown; None where it is set later.
        progress: hears of the model's installation.
        owner: who holds leases; one name for each process that shares the database.
        new_seed: gives each passage's seed; None draws them at random.
        node: goes into ids; None is the operator's setting.

    Raises:
        ModelUnavailableError: the setting can mean no model.
        StorageError: the database cannot be used.
    """
    check_model_setting(settings)
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
        admin = SettingsService(store, clock=clock)
        new_id = IdGenerator(settings.node if node is None else node)
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
        yield App(settings, store, model, engine, stories, concepts, admin, clock, new_id)


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
    from bot.terminal.keyboard import until_terminated  # noqa: PLC0415 -- only for terminals

    return await until_terminated(
        _play(settings, place_name=place_name, seed=seed, is_batch=is_batch, words=Words(locale))
    )


async def _play(
    settings: Settings, *, place_name: str | None, seed: int | None, is_batch: bool, words: Words
) -> int:
    # The prompt's libraries are of no use to the bot.
    from bot.terminal.play import play_batch, play_interactively, terminal_place  # noqa: PLC0415
    from bot.terminal.progress import show_progress  # noqa: PLC0415
    from bot.terminal.render import make_console  # noqa: PLC0415
    from bot.terminal.session import Services  # noqa: PLC0415
    from bot.terminal.stage import TerminalStage  # noqa: PLC0415

    console, notes = make_console(), make_console(to_stderr=True)
    stage = TerminalStage(notes if is_batch else console, notes, words, streams=not is_batch)
    counter = None if seed is None else itertools.count(seed)
    # In batch mode every run without a name is a story of its own.
    name = place_name or (f"batch-{secrets.token_hex(4)}" if is_batch else "default")
    async with AsyncExitStack() as stack:
        owner = "terminal-batch"
        if place_name or not is_batch:
            owner = stack.enter_context(_alone_at(settings, name))
        progress = stack.enter_context(show_progress(words))
        app = await stack.enter_async_context(
            open_app(
                settings,
                stage=stage,
                progress=progress,
                owner=owner,
                new_seed=None if counter is None else counter.__next__,
                # Another process may share the database; its number is not set by anybody.
                node=_FIRST_TERMINAL_NODE + os.getpid() % _FIRST_TERMINAL_NODE,
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
            status = await play_batch(
                services,
                place=terminal_place(name),
                # None where the shell closed it (<&-); its number may be another file's by now.
                source=os.open(os.devnull, os.O_RDONLY)
                if sys.stdin is None
                else sys.stdin.fileno(),
                console=console,
                notes=notes,
                words=words,
                greeting=greeting,
            )
            return status or int(stage.failures > 0)
        return await play_interactively(
            services,
            place=terminal_place(name),
            history_file=settings.cache_dir / "play-history",
            console=console,
            words=words,
            greeting=greeting,
        )
    raise AssertionError  # the stack swallows nothing


@contextmanager
def _alone_at(settings: Settings, name: str) -> Iterator[str]:
    """Keep other terminals away from a place; the system gives it back after a crash too.

    Yields:
        The owner of this place's leases: as nobody else can have it, what it left open
        is taken up at once at the next start.

    Raises:
        ConfigurationError: another terminal is at the place.
    """
    import filelock  # noqa: PLC0415 -- only what the terminal needs

    place = hashlib.sha256(f"{settings.database_url}\n{name}".encode()).hexdigest()[:16]
    folder = settings.cache_dir / "terminals"
    lock = filelock.FileLock(folder / f"{place}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ConfigurationError(
            setting="--story",
            reason=N_("this story is open in another terminal; close it there, or name another"),
        ) from None
    except OSError as error:
        # A folder that cannot be written to must not forbid stories.
        log.warning("other terminals cannot be kept away: %s", error)
    try:
        yield f"terminal-{place}"
    finally:
        lock.release()


async def run_discord(settings: Settings) -> int:
    """Be the Discord bot until SIGTERM, Ctrl-C or a refusal; return the exit status.

    Raises:
        ConfigurationError: Discord refuses the token or an intent.
        ModelUnavailableError: the setting can mean no model.
        StorageError: the database cannot be used.
    """
    # The terminal has no use for discord.py, nor for a server of metrics.
    from bot.discord_app.client import DiscordOptions  # noqa: PLC0415
    from bot.discord_app.client import run_discord as serve  # noqa: PLC0415
    from bot.discord_app.services import Services  # noqa: PLC0415
    from bot.engine.local.store import SILENT  # noqa: PLC0415

    if settings.token is None:
        raise ConfigurationError(setting="DISCORD_TOKEN", reason=N_("is missing"))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            open_app(settings, stage=None, progress=SILENT, owner=settings.instance)
        )
        if settings.metrics_port:
            await stack.enter_async_context(_metrics(app))
        await serve(
            settings.token,
            Services(app.store, app.stories, app.concepts, app.admin),
            clock=app.clock,
            new_id=app.new_id,
            options=DiscordOptions(
                wants_message_content=settings.listen_to_all,
                sync_commands=settings.sync_commands,
                drain_s=settings.drain_s,
            ),
            stop=stop,
            # Importing torch and reading tokenizers hold the interpreter's lock for up to 0.4 s
            # at a time: nobody is to wait for an answer meanwhile.
            before_connecting=app.model.until_calm,
        )
    log.info("ended")
    return 0


def _metrics(app: App) -> AbstractAsyncContextManager[int]:
    metrics = Metrics()
    metrics.gauge("passages_active", "Passages under way.", lambda: app.engine.health().active)
    metrics.gauge("passages_waiting", "Passages in the queue.", lambda: app.engine.health().waiting)
    metrics.gauge("engine_ok", "1 where the model can write.", lambda: app.engine.health().is_ok)
    metrics.counter(
        "forms",
        "Passages whose format asks for a form, by how they came to have it.",
        ("format", "outcome"),
        lambda: {key: float(n) for key, n in app.stories.form_outcomes.items()},
    )

    def health() -> tuple[bool, Mapping[str, object]]:
        engine = app.engine.health()
        return engine.is_ok, {
            "engine": engine.detail,
            "active": engine.active,
            "waiting": engine.waiting,
            "last_error": engine.last_error,
        }

    return serve_metrics(metrics, health, app.settings.metrics_host, app.settings.metrics_port)
