"""A terminal without one: the real services over SQLite, a scripted model, a recorded console."""

import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console

from bot.engine.backend import Backend
from bot.engine.scripted import Answer, ScriptedBackend
from bot.errors import RoundtaleError
from bot.locales import Words
from bot.policy.budgets import Budgets
from bot.service.clock import SystemClock
from bot.service.concepts import ConceptService
from bot.service.engine_holder import EngineHolder
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.storage import SqlStore
from bot.story import tree
from bot.story.ids import IdGenerator
from bot.story.model import Story
from bot.terminal.asking import Ask
from bot.terminal.commands import parse
from bot.terminal.play import terminal_actor, terminal_place
from bot.terminal.session import Services, Session
from bot.terminal.stage import TerminalStage, say

PLACE = terminal_place("default")
LONG_ENOUGH = " The door opened slowly. Nobody was there, and the lamp burned on."


class Typist:
    """Answers what a command asks, in turn; an exception is raised, a callable is called."""

    def __init__(self, answers: Iterable[str | Exception | Callable[[], str]]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, bool]] = []

    async def __call__(self, message: str, *, default: str = "", is_multiline: bool = False) -> str:
        self.asked.append((message, default, is_multiline))
        answer = self._answers.pop(0) if self._answers else EOFError()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else answer()


class TerminalWorld:
    """One start of the program."""

    def __init__(
        self, services: Services, stage: TerminalStage, console: Console, screen: io.StringIO
    ) -> None:
        self.services = services
        self.stories = services.stories
        self.stage = stage
        self.console = console
        self._screen = screen
        self.session = self.session_of(None)

    def session_of(self, ask: Ask | None) -> Session:
        return Session(
            self.services,
            terminal_actor(),
            PLACE,
            console=self.console,
            notes=self.console,
            words=Words(),
            ask=ask,
        )

    async def do(self, line: str, ask: Ask | None = None) -> str:
        """Do a line and return what it showed; an error is shown as play shows it."""
        session = self.session if ask is None else self.session_of(ask)
        self.seen()
        try:
            await session.execute(parse(line))
        except RoundtaleError as error:
            return "error: " + say(error, Words())
        return self.seen()

    def seen(self) -> str:
        """Return what was shown since the last call."""
        shown = self._screen.getvalue()
        self._screen.seek(0)
        self._screen.truncate()
        return shown

    async def story(self) -> Story:
        story = await self.session.story()
        assert story is not None
        return story

    async def texts(self) -> list[str]:
        story = await self.story()
        return [tree.text_of(story, passage).strip() for passage in tree.path(story)]


@asynccontextmanager
async def terminal_world(
    folder: Path,
    backend: Backend | None = None,
    *,
    answers: Iterable[Answer] = (LONG_ENOUGH,),
    owner: str = "terminal-test",
    is_terminal: bool = False,
    width: int = 100,
    streams: bool = True,
) -> AsyncIterator[TerminalWorld]:
    screen = io.StringIO()
    console = Console(
        file=screen,
        width=width,
        height=30,
        force_terminal=is_terminal,
        highlight=False,
        emoji=False,
        markup=False,
    )
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = await SqlStore.open(f"sqlite+aiosqlite:///{folder / 'stories.sqlite'}")
        stack.push_async_callback(store.aclose)
        async with store.write() as unit:
            epoch = await unit.settings.next_epoch(owner)
            await unit.commit()
        engine = EngineHolder.of(backend or ScriptedBackend(answers))
        admin = SettingsService(store, clock=clock)
        stage = TerminalStage(console, console, Words(), streams=streams)
        new_id = IdGenerator()
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
            new_seed=itertools.count(1).__next__,
        )
        stack.push_async_callback(stories.aclose)
        concepts = ConceptService(
            store, engine, stories=stories, settings=admin, clock=clock, new_id=new_id
        )
        yield TerminalWorld(Services(stories, concepts, admin), stage, console, screen)
