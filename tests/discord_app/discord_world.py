"""A bot in a simulated Discord: the real client, the real use cases, a scripted model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import discord
from simcord import ChannelHandle, GuildHandle, MemberActor
from simcord.actors import _dispatch_actor_interaction
from simcord.backend import serializers
from simcord.env import Env
from simcord.results import InteractionResult

from bot.discord_app.client import DiscordOptions, RoundtaleClient
from bot.discord_app.errors import root_of
from bot.discord_app.services import Services
from bot.engine.relay import Relay
from bot.engine.scripted import ScriptedBackend
from bot.engine.types import Chunk, GenerationRequest
from bot.errors import RoundtaleError
from bot.policy.budgets import Budgets
from bot.service.clock import SystemClock
from bot.service.concepts import ConceptService
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.storage import SqlStore
from bot.story import tree
from bot.story.ids import IdGenerator
from bot.story.model import Story

INTERVAL_S = 0.02
ANSWERS = (
    " The door opened. Nobody was there. Mira lit the lamp and went in.",
    " Behind the stairs an old clock began to strike thirteen. She counted twice.",
    " Rain fell on the roof all night, and the fire burned low in the grate.",
    " In the morning a letter lay on the table, sealed with green wax.",
    " Tom laughed at the map, folded it and walked towards the harbour.",
    " Seven gulls circled above the mast while the captain read the sky.",
)


class GatedBackend(Relay):
    """A scripted model that can be held before its first word without stopping the simulation."""

    def __init__(self, answers: Sequence[str | Exception]) -> None:
        self.inner = ScriptedBackend(list(answers))
        super().__init__(self.inner)
        self.gate: asyncio.Event | None = None
        self.half: asyncio.Event | None = None
        self.env: Env | None = None
        self.places: tuple[int, ...] = ()

    def hold(self) -> asyncio.Event:
        self.gate = asyncio.Event()
        return self.gate

    def hold_in_the_middle(self) -> asyncio.Event:
        self.half = asyncio.Event()
        return self.half

    async def _wait(self, gate: asyncio.Event | None) -> None:
        if gate is not None and not gate.is_set() and self.env is not None:
            await self.env.external_wait(gate.wait(), reason="the model is held by the test")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        for place in self.places:
            yield Chunk(queue_place=place)
        await self._wait(self.gate)
        count = 0
        async for chunk in self.inner.stream(request):
            yield chunk
            count += 1
            if count == 6:
                await self._wait(self.half)


class _Waits(dict[Any, str]):
    """What simcord need not wait for: a task that waits for an event which another task sets."""

    def get(self, task: Any, default: Any = None) -> Any:
        coroutine = task.get_coro()
        while hasattr(getattr(coroutine, "cr_await", None), "cr_code"):
            coroutine = coroutine.cr_await
        if coroutine.cr_code.co_qualname == "Event.wait":
            return "an event of another task"
        return super().get(task, default)


class World:
    """One guild, one channel, three members, one bot."""

    def __init__(self, store: SqlStore, backend: GatedBackend, options: DiscordOptions) -> None:
        self.store = store
        self.backend = backend
        self.options = options
        self.epoch = 0
        self.expected_errors: list[BaseException] = []
        self.new_id = IdGenerator()
        self.client = self.make_client()
        self.env: Env
        self.guild: GuildHandle
        self.channel: ChannelHandle
        self.alice: MemberActor
        self.bob: MemberActor
        self.admin: MemberActor

    def make_client(self) -> RoundtaleClient:
        self.epoch += 1
        clock = SystemClock()
        settings = SettingsService(self.store, clock=clock)
        self.stories = StoryService(
            self.store,
            self.backend,
            clock=clock,
            new_id=self.new_id,
            owner="test",
            epoch=self.epoch,
            settings=settings,
            budgets=Budgets(),
            new_seed=lambda: 7,
        )
        concepts = ConceptService(
            self.store,
            self.stories.desk.engine,
            stories=self.stories,
            settings=settings,
            clock=clock,
            new_id=self.new_id,
        )
        self.services = Services(self.store, self.stories, concepts, settings)
        return RoundtaleClient(
            self.services,
            clock=clock,
            new_id=self.new_id,
            options=self.options,
            shard_count=1,
        )

    def populate(self, env: Env) -> None:
        self.env = env
        self.backend.env = env
        self.guild = env.create_guild("Tavern")
        self.channel = self.guild.create_text_channel("stories")
        self.alice = self.guild.add_member(env.create_user("alice", global_name="Alice"))
        self.bob = self.guild.add_member(env.create_user("bob", global_name="Bob"))
        admins = self.guild.create_role(
            "admins", permissions=discord.Permissions(manage_guild=True, manage_messages=True)
        )
        self.admin = self.guild.add_member(env.create_user("admin"), roles=[admins])

    async def restart(self) -> None:
        """End the bot as a crash would, and start it anew."""
        self.client = self.make_client()
        await self.env.restart_bot(self.client)
        await self.env.settle()

    # ------------------------------------------------------------- looking

    async def story(self, channel: ChannelHandle | None = None) -> Story:
        key = f"discord:{(channel or self.channel).id}"
        async with self.store.read() as unit:
            story = await unit.stories.current(key)
        assert story is not None
        return story

    async def texts(self, channel: ChannelHandle | None = None) -> list[str]:
        story = await self.story(channel)
        return [tree.text_of(story, passage).strip() for passage in tree.path(story)]

    def said(self, channel: ChannelHandle | None = None) -> list[discord.Message]:
        """Return the bot's own messages in a channel, oldest first."""
        me = self.client.user
        assert me is not None
        history = (channel or self.channel).history()
        return [
            message
            for message in sorted(history, key=lambda message: message.id)
            if message.author.id == me.id and not message.flags.ephemeral
        ]

    def newest(self, channel: ChannelHandle | None = None) -> discord.Message:
        """Return the newest message of the bot that has buttons."""
        return [message for message in self.said(channel) if message.components][-1]

    async def begin(
        self, opening: str = "Once upon a time there was a house.", **options: Any
    ) -> InteractionResult:
        return await self.alice.slash(self.channel, "story start", opening=opening, **options)


@asynccontextmanager
async def open_world(
    path: Path,
    *,
    answers: Sequence[str | Exception] = ANSWERS,
    options: DiscordOptions | None = None,
    **env_options: Any,
) -> AsyncIterator[World]:
    """Open a world over a database file."""
    options = options or DiscordOptions(
        edit_interval_s=INTERVAL_S, edit_grant_s=4 * INTERVAL_S, drain_s=0.1
    )
    async with await SqlStore.open(f"sqlite:///{path / 'discord.db'}") as store:
        world = World(store, GatedBackend(answers), options)
        # Not simcord.run: its clock context cannot be left from a fixture's finalizer.
        env = Env(world.client, check_errors=False, **env_options)
        env._work.external_waits = _Waits()
        await env.start()
        try:
            world.populate(env)
            yield world
            await world.stories.aclose()
            await world.client.stage.aclose()
        finally:
            await env.shutdown()
        # simcord records what reaches the tree's error handler, refusals included.
        unexpected = [
            error for error in map(root_of, env.errors) if not isinstance(error, RoundtaleError)
        ]
        assert unexpected == world.expected_errors


def labels(message: discord.Message) -> list[str]:
    """Return the labels of a message's buttons."""
    return [
        item.label or ""
        for row in message.components
        for item in getattr(row, "children", ())
        if isinstance(item, discord.Button)
    ]


def custom_ids(message: discord.Message) -> list[str]:
    return [
        item.custom_id or ""
        for row in message.components
        for item in getattr(row, "children", ())
        if isinstance(item, discord.Button)
    ]


def words_of(components: Any) -> str:
    """Return all text of a panel's components."""
    if isinstance(components, dict):
        own = str(components.get("content") or "")
        inner = components.get("components") or components.get("component")
        return "\n".join(filter(None, [own, words_of(inner)]))
    if isinstance(components, list):
        return "\n".join(filter(None, (words_of(one) for one in components)))
    return ""


async def press(
    world: World, message: discord.Message, custom_id: str, *, user: object = None
) -> str:
    """Press a button that the client would not offer, and return what was said."""
    actor = user or world.alice
    backend = world.env.backend
    stored = backend.get_message(world.channel.id, message.id)
    result = await _dispatch_actor_interaction(
        actor,
        3,
        world.channel,
        {"custom_id": custom_id, "component_type": 2},
        extra={"message": dict(serializers.message_payload(backend, stored))},
        source_message_id=stored.id,
    )
    answers = [*result.followups, *([result.response] if result.response else [])]
    return "\n".join(one.content + words_of(one.components) for one in answers)
