"""The client's life: what it asks of the gateway, how it starts, how it ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from pydantic import SecretStr

from bot.discord_app.client import DiscordOptions, RoundtaleClient, intents_for, run_discord
from bot.errors import ConfigurationError
from bot.service.clock import SystemClock
from bot.storage import SqlStore
from tests.discord_app.discord_world import ANSWERS, GatedBackend, World, labels

TOKEN = SecretStr("very.secret.token")


@pytest.fixture
async def offstage(tmp_path: Path) -> AsyncIterator[World]:
    async with await SqlStore.open(f"sqlite:///{tmp_path / 'client.db'}") as store:
        world = World(store, GatedBackend(ANSWERS), DiscordOptions())
        yield world
        await world.stories.aclose()


async def _run(world: World, stop: asyncio.Event, **kwargs: object) -> None:
    await run_discord(
        TOKEN,
        world.services,
        clock=SystemClock(),
        new_id=world.new_id,
        options=DiscordOptions(drain_s=0.0),
        stop=stop,
        **kwargs,  # type: ignore[arg-type]  # on_client only
    )


def test_only_what_is_needed_is_asked_of_the_gateway() -> None:
    assert {name for name, wanted in intents_for(DiscordOptions()) if wanted} == {
        "guilds",
        "guild_messages",
        "dm_messages",
    }
    assert intents_for(DiscordOptions(wants_message_content=True)).message_content


@pytest.mark.parametrize(
    "error", [discord.LoginFailure("x"), discord.PrivilegedIntentsRequired(None)]
)
async def test_a_refused_start_says_what_to_do(
    offstage: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    async def start(self: RoundtaleClient, token: str, *, reconnect: bool = True) -> None:
        await asyncio.sleep(0)
        raise error

    monkeypatch.setattr(RoundtaleClient, "start", start)
    with pytest.raises(ConfigurationError) as raised:
        await _run(offstage, asyncio.Event())
    assert TOKEN.get_secret_value() not in f"{raised.value} {caplog.text}"


async def test_a_stop_drains_and_closes(offstage: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()
    seen: list[RoundtaleClient] = []

    async def start(self: RoundtaleClient, token: str, *, reconnect: bool = True) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def remember(client: RoundtaleClient) -> None:
        await asyncio.sleep(0)
        seen.append(client)

    monkeypatch.setattr(RoundtaleClient, "start", start)
    stop = asyncio.Event()
    running = asyncio.create_task(_run(offstage, stop, on_client=remember))
    await begun.wait()
    stop.set()
    await running
    assert seen[0].is_closing
    assert seen[0].is_closed()


async def test_it_enters_discord_only_after_what_must_be_over_first(offstage: World) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def load() -> None:
        begun.set()
        await over.wait()

    client = RoundtaleClient(
        offstage.services, clock=SystemClock(), new_id=offstage.new_id, before_connecting=load
    )
    # discord.py connects to the gateway once this has returned.
    hook = asyncio.create_task(client.setup_hook())
    await begun.wait()
    assert not hook.done()
    over.set()
    await hook


async def test_a_close_that_hangs_is_given_up(
    offstage: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(self: RoundtaleClient, token: str, *, reconnect: bool = True) -> None:
        await asyncio.Event().wait()

    async def close(self: RoundtaleClient) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(RoundtaleClient, "start", start)
    monkeypatch.setattr(RoundtaleClient, "close", close)
    monkeypatch.setattr(RoundtaleClient, "__aexit__", _leave)
    monkeypatch.setattr("bot.discord_app.client.CLOSE_LIMIT_S", 0.01)
    stop = asyncio.Event()
    stop.set()
    await _run(offstage, stop)
    assert "did not close in time" in caplog.text


async def _leave(*_: object) -> None:
    await asyncio.sleep(0)


async def test_while_it_ends_nothing_new_is_taken(world: World) -> None:
    await world.begin()
    await world.client.drain()
    result = await world.bob.click(world.newest(), label="Continue")
    assert "restarting" in result.response.content  # type: ignore[union-attr]
    result = await world.bob.slash(world.channel, "story continue")
    assert "restarting" in result.response.content  # type: ignore[union-attr]
    await world.bob.send(world.channel, "Bob came.", reply_to=world.newest())
    assert "restarting" in world.said()[-1].content
    assert len(await world.texts()) == 2


async def test_a_passage_that_a_crash_interrupted_goes_on_in_its_message(world: World) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.bob.click(world.newest(), label="Continue")
    growing = world.said()[-1]
    assert labels(growing) == ["Stop"]
    gate.set()
    world.backend.inner = GatedBackend(ANSWERS[1:]).inner
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("write passage")]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await world.restart()
    assert world.said()[-1].id == growing.id
    assert world.said()[-1].content == (await world.texts())[-1]
    assert labels(world.said()[-1])[0] == "Continue"


async def test_a_listener_that_breaks_is_logged_with_a_reference(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        _ = 1 // (world.epoch - world.epoch)
    except ZeroDivisionError:
        await RoundtaleClient.on_error(world.client, "on_anything", "secret text")
    assert caplog.records[-1].reference  # type: ignore[attr-defined]
    assert "secret text" not in caplog.text


async def test_deleted_channels_and_threads_are_remembered(world: World) -> None:
    await world.begin()
    story = await world.story()
    channel = world.client.get_channel(world.channel.id)
    assert isinstance(channel, discord.TextChannel)
    await world.client.on_guild_channel_delete(channel)
    async with world.store.read() as unit:
        rows = await unit.outbox.for_story(story.id)
    assert {row.status.value for row in rows} == {"gone"}
    payload = discord.RawThreadDeleteEvent({"id": 5, "guild_id": 1, "parent_id": 2, "type": 11})
    await world.client.on_raw_thread_delete(payload)
    bulk = discord.RawBulkMessageDeleteEvent({"ids": [1, 2], "channel_id": 3})
    await world.client.on_raw_bulk_message_delete(bulk)
