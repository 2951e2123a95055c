"""A world for the use cases: a store, a stage and a model that can be held at gates."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bot.errors import StorageError
from bot.policy.budgets import Budgets
from bot.policy.rights import Actor, Place
from bot.service.api import Receipt
from bot.service.concepts import ConceptService
from bot.service.desk import Limits
from bot.service.engine_holder import EngineHolder
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.story import tree
from bot.story.ids import IdGenerator
from bot.story.model import Concept, Story
from bot.story.ports import Job, Store, UnitOfWork
from tests.service.service_fakes import (
    FakeBackend,
    FakeClock,
    FakePresenter,
    FakeStage,
)

LIMITS = Limits(lease_s=60.0, pause_s=1.0, cancel_s=5.0, revive_s=5.0)


def member(user_id: int = 1, name: str = "Ada", *, moderates: bool = False) -> Actor:
    return Actor(
        user_id=user_id,
        name=name,
        is_admin=moderates,
        is_moderator=moderates,
        locale="en",
        platform="discord",
    )


def channel(channel_id: int = 10, guild_id: int | None = 7) -> Place:
    return Place(
        platform="discord",
        guild_id=guild_id,
        channel_id=channel_id,
        parent_id=None,
        is_age_restricted=False,
        is_direct=guild_id is None,
        name="tales",
    )


class MortalStore:
    """A process's access to the store; a kill takes it away in the middle of anything."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_dead = False
        self.refused = asyncio.Event()
        self.wrote = asyncio.Event()

    @asynccontextmanager
    async def _alive(
        self, opened: AbstractAsyncContextManager[UnitOfWork]
    ) -> AsyncIterator[UnitOfWork]:
        if self.is_dead:
            self.refused.set()
            raise StorageError(reason="killed")
        async with opened as unit:
            yield unit

    @asynccontextmanager
    async def _noted(
        self, opened: AbstractAsyncContextManager[UnitOfWork]
    ) -> AsyncIterator[UnitOfWork]:
        async with opened as unit:
            yield unit
        self.wrote.set()

    def read(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return self._alive(self._store.read())

    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return self._noted(self._alive(self._store.write()))


class World:
    """One database, one stage; processes come and go."""

    def __init__(self, store: Store, clock: FakeClock | None = None) -> None:
        self.store = store
        self.clock = clock or FakeClock()
        self.stage = FakeStage()
        self.backend = FakeBackend()
        self.new_id = IdGenerator()
        self.place = channel()
        self.ada = member()
        self.bob = member(2, "Bob")
        self.mod = member(3, "Mod", moderates=True)
        self._keys = itertools.count(1)
        self._seeds = itertools.count(100)
        self._processes: list[tuple[StoryService, MortalStore]] = []
        self.stories: StoryService
        self.concepts: ConceptService
        self.settings: SettingsService

    def key(self) -> str:
        return f"i:{next(self._keys)}"

    async def boot(
        self, engine: EngineHolder | None = None, *, limits: Limits = LIMITS, owner: str = "main"
    ) -> StoryService:
        """Start a process over the same database."""
        store = MortalStore(self.store)
        async with store.write() as unit:
            epoch = await unit.settings.next_epoch(owner)
            await unit.commit()
        engine = engine or EngineHolder.of(self.backend)
        self.settings = SettingsService(store, clock=self.clock)
        self.stories = StoryService(
            store,
            engine,
            clock=self.clock,
            new_id=self.new_id,
            owner=owner,
            epoch=epoch,
            settings=self.settings,
            budgets=Budgets(),
            stage=self.stage,
            new_seed=lambda: next(self._seeds),
            limits=limits,
        )
        self.concepts = ConceptService(
            store,
            engine,
            stories=self.stories,
            settings=self.settings,
            clock=self.clock,
            new_id=self.new_id,
        )
        self._processes.append((self.stories, store))
        return self.stories

    async def kill(self) -> None:
        """End the newest process as kill -9 does: nothing is written any more."""
        service, store = self._processes.pop()
        store.is_dead = True
        await service.aclose()

    async def close(self) -> None:
        for service, _ in self._processes:
            await service.aclose()

    async def begin(
        self, opening: str | None = "Once upon a time.", *, wants_answer: bool = True
    ) -> Receipt:
        """Start a story and wait for its first answer."""
        receipt = await self.stories.start(
            self.ada,
            self.place,
            Concept(title="The Well"),
            opening,
            key=self.key(),
            wants_answer=wants_answer,
        )
        await self.finished(receipt)
        return receipt

    async def say(
        self, text: str | None, actor: Actor | None = None, *, wants_answer: bool = True
    ) -> Receipt:
        return await self.stories.take_turn(
            actor or self.ada, self.place, text, key=self.key(), wants_answer=wants_answer
        )

    async def finished(self, receipt: Receipt) -> None:
        """Wait for a receipt's job and those that follow from it."""
        async with asyncio.timeout(10):
            if receipt.job_id is not None:
                await self.stories.wait(receipt.job_id)
            while await self.stories.is_writing(self.place):
                async with self.store.read() as unit:
                    job = await unit.jobs.open_for(receipt.story.id)
                if job is not None:
                    await self.stories.wait(job.id)
            await self.stories.settle()

    async def story(self) -> Story:
        story = await self.stories.current_or_none(self.place)
        assert story is not None
        return story

    async def told(self) -> list[str]:
        """Return the story as it reads."""
        story = await self.story()
        return [tree.text_of(story, passage).strip() for passage in tree.path(story)]

    async def job(self, job_id: int | None) -> Job:
        assert job_id is not None
        async with self.store.read() as unit:
            job = await unit.jobs.get(job_id)
        assert job is not None
        return job

    async def presenter(self, number: int = -1) -> FakePresenter:
        if number >= 0:
            return await self.stage.presenter(number)
        return self.stage.presenters[number]
