"""The stand-in proved with a small bot of discord.py's own, run as a process over it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.discord_server import (
    BotProcess,
    Channel,
    ClientRefusedError,
    DiscordServer,
    Guild,
    StandInTimeoutError,
    User,
)

EXAMPLE = [sys.executable, str(Path(__file__).with_name("example_bot.py"))]


@dataclass
class Scene:
    discord: DiscordServer
    bot: BotProcess
    guild: Guild
    channel: Channel
    alice: User


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        server.limits.table["message_create"] = None
        yield server


@pytest.fixture
async def scene(discord: DiscordServer) -> AsyncIterator[Scene]:
    guild = discord.add_guild("Tavern", locale="fr")
    channel = discord.add_channel(guild, "stories")
    alice = discord.add_user("alice", guild=guild, locale="de")
    bot = BotProcess(discord, command=EXAMPLE)
    async with bot:
        await bot.wait_ready()
        yield Scene(discord, bot, guild, channel, alice)


async def test_a_bot_commands_components_and_modals_work_unmodified(scene: Scene) -> None:
    discord, channel, alice = scene.discord, scene.channel, scene.alice
    assert len(discord.gateway.identifies) == 1
    assert discord.gateway.compressions == ["zstd-stream"]
    assert discord.visible_commands(alice, channel) == ["story"]

    options = {"premise": "A fox", "length": 3, "picture": ("fox.txt", b"red")}
    started = await discord.slash(alice, channel, "story start", options)
    assert started.kind == "deferred"
    assert started.acked_after_s is not None
    assert started.acked_after_s < 1
    answer = await discord.wait_reply(started)
    assert answer.text == "A fox 3 red"
    assert answer.ephemeral
    assert answer not in discord.messages(channel)
    assert answer in discord.messages(channel, viewer=alice)

    passage = await discord.wait_message(channel, lambda m: "📖" in m.reactions)
    assert [text for _, text in passage.versions] == ["Once", "Once upon a time"]
    assert passage.labels == ["Ask", "Wait"]
    asked = await discord.click(alice, passage, "❓")
    assert asked.modal is not None
    assert asked.modal.labels == ["Name", "Mood", "Page"]
    assert asked.modal.values == {"Name": "Mira"}
    with pytest.raises(ClientRefusedError):
        await discord.submit_modal(asked, {"Mood": "Sour"})
    values = {"Mood": "Wild", "Page": ("p.txt", b"page one")}
    sent = await discord.submit_modal(asked, values)
    assert sent.reply is not None
    assert sent.reply.text == "Mira ['wild'] ['page one']"

    waited = await discord.click(alice, passage, "Wait")
    assert waited.kind == "deferred_update"
    await discord.wait_for(lambda: passage.text == "waited")
    picked = await discord.select(alice, passage, "Whom?", [alice])
    assert picked.reply is not None
    assert picked.reply.text == "alice"
    assert picked.reply.ephemeral

    shown = await discord.slash(alice, channel, "story panel", wait="reply")
    board = shown.reply
    assert board is not None
    assert board.text == "Claimed 0 times\nA section"
    clicked = await discord.click(alice, board, "Claim 0")
    assert clicked.kind == "update"
    assert board.labels == ["Claim 1", "Side"]

    choices = await discord.autocomplete(alice, channel, "story open_", "title", "n")
    assert [each["name"] for each in choices] == ["North", "Night"]
    opened = await discord.slash(alice, channel, "story open_", {"title": "<@1> @everyone"})
    assert opened.reply is not None
    assert not opened.reply.pings[-1].users
    discord.assert_no_mass_pings()
    discord.assert_clean()


async def test_only_what_a_client_offers_can_be_done(scene: Scene) -> None:
    discord, channel, alice = scene.discord, scene.channel, scene.alice
    for command, options in (
        ("story", None),
        ("story nothing", None),
        ("story start", None),
        ("story start", {"premise": "x", "length": 6}),
        ("story start", {"premise": "x", "colour": "red"}),
    ):
        with pytest.raises(ClientRefusedError):
            await discord.slash(alice, channel, command, options)
    discord.set_permissions(channel, alice, deny=["send_messages"])
    with pytest.raises(ClientRefusedError):
        await discord.say(alice, channel, "hello")


async def test_words_reach_a_bot_without_the_content_intent_only_when_meant_for_it(
    scene: Scene,
) -> None:
    discord, channel, alice = scene.discord, scene.channel, scene.alice

    async def heard(message_text: str, **how: object) -> str:
        said = await discord.say(alice, channel, message_text, **how)  # type: ignore[arg-type] # keywords of say, varied by the test
        return (await discord.wait_reply(said)).text

    assert await heard("secret") == "heard ''"
    assert "secret" in await heard("secret", mentions_bot=True)
    own = discord.bot_messages(channel)[0]
    assert await heard("hi", reply_to=own) == "heard 'hi'"
    assert await heard("hi", reply_to=own, ping_reply=False) == "heard ''"
    shown = await discord.slash(alice, channel, "story panel", wait="reply")
    assert await heard("hi", reply_to=shown.reply) == "heard ''"
    private = discord.dm_channel(alice)
    said = await discord.say(alice, private, "whisper")
    assert (await discord.wait_reply(said)).text == "heard 'whisper'"

    quoted = await discord.context_menu(alice, channel, "Quote", discord.messages(channel)[0])
    assert quoted.reply is not None
    assert quoted.reply.text == "> secret"
    await discord.wait_for(lambda: len(quoted.replies) == 2)
    assert quoted.replies[1].text == "refused with 50035"
    wrong = [each.kind for each in discord.state.violations]
    assert wrong == ["form"]
    with pytest.raises(AssertionError, match="content"):
        discord.assert_clean()
    discord.assert_clean(allow=["form"])


async def test_an_answer_after_the_limit_is_refused(scene: Scene) -> None:
    discord = scene.discord
    discord.state.ack_timeout_s = 0.2
    late = await discord.slash(scene.alice, scene.channel, "story late")
    assert late.failed
    await scene.bot.wait_log("refused with 10062")
    assert [each.kind for each in discord.state.violations] == ["late_ack"]


async def test_an_expired_token_is_refused(scene: Scene) -> None:
    discord = scene.discord
    discord.state.token_lifetime_s = 0.0
    await discord.slash(scene.alice, scene.channel, "story start", {"premise": "x"})
    await discord.wait_for(lambda: discord.state.violations)
    assert [each.kind for each in discord.state.violations] == ["expired_token"]
    assert discord.calls("POST", "/webhooks/*/*")[-1].status == 401


async def test_rate_limits_faults_and_nonces(scene: Scene) -> None:
    discord, channel, alice = scene.discord, scene.channel, scene.alice
    private = discord.dm_channel(alice)
    discord.add_fault("POST", "/channels/*/messages", retry_after_s=0.3)
    await discord.say(alice, private, "burst")
    await discord.wait_for(lambda: len(discord.bot_messages(private)) == 3)
    calls = discord.calls("POST", "/channels/*/messages")
    assert [each.status for each in calls] == [429, 200, 200, 200]
    assert calls[1].at_s - calls[0].at_s >= 0.3

    discord.limits.table["message_create"] = (1, 0.3)
    now = discord.now()
    await discord.say(alice, private, "burst")
    await discord.wait_for(lambda: len(discord.bot_messages(private)) == 6)
    calls = discord.calls("POST", "/channels/*/messages", since_s=now)
    assert calls[-1].at_s - calls[0].at_s >= 0.5
    discord.limits.enabled = False

    await discord.say(alice, private, "twice")
    now = discord.now()
    await discord.wait_for(
        lambda: len(discord.calls("POST", "/channels/*/messages", since_s=now)) == 2
    )
    assert [each.text for each in discord.bot_messages(private)].count("only once") == 1

    lost = discord.add_fault("POST", "/channels/*/messages", disconnect=True, after=True)
    await discord.say(alice, channel, "hello")
    await discord.wait_message(channel)
    await discord.wait_for(lambda: lost.hits == 1)
    discord.deny_bot(channel, "send_messages")
    await discord.say(alice, channel, "hello")
    await discord.wait_for(lambda: discord.state.violations)
    assert discord.calls("POST", "/channels/*/messages")[-1].status == 403
    discord.assert_clean(allow=["permission"])


async def test_a_lost_connection_is_resumed_with_what_was_missed(scene: Scene) -> None:
    discord, channel, alice = scene.discord, scene.channel, scene.alice
    gateway = discord.gateway
    for trouble in ("cut", "op 7"):
        resumed = len(gateway.resumes)
        if trouble == "cut":
            await gateway.drop()
        else:
            gateway.reconnect()
            await discord.wait_for(lambda: not gateway.connected)
        said = await discord.say(alice, channel, "missed?")
        await discord.wait_reply(said)
        assert len(gateway.resumes) == resumed + 1
    assert len(gateway.identifies) == 1
    gateway.invalidate()
    await discord.wait_for(lambda: len(gateway.identifies) == 2 and gateway.connected)
    said = await discord.say(alice, channel, "again")
    await discord.wait_reply(said)
    discord.assert_clean()


async def test_the_process_dies_between_receipt_and_answer(scene: Scene) -> None:
    discord, channel, alice = scene.discord, scene.channel, scene.alice
    discord.crash_on("POST", "/channels/*/messages", nth=2, bot=scene.bot, after=True)
    await discord.say(alice, channel, "one", mentions_bot=True)
    await discord.wait_message(channel)
    await discord.say(alice, channel, "two", mentions_bot=True)
    assert await scene.bot.wait_exit() == -signal.SIGKILL
    assert len(discord.bot_messages(channel)) == 2
    assert discord.calls("POST", "/channels/*/messages")[-1].is_lost

    async with BotProcess(discord, command=EXAMPLE, env={"CONTENT": "1"}) as refused:
        assert await refused.wait_exit() != 0
    assert "PrivilegedIntentsRequired" in refused.log

    point = "discord.client:Client.dispatch"
    crashing = BotProcess(discord, command=EXAMPLE, crash_at=point, crash_nth=2, crash_when="after")
    async with crashing:
        assert await crashing.wait_exit() == -signal.SIGKILL


async def test_a_process_dies_before_discord_has_done_the_work(scene: Scene) -> None:
    discord, channel = scene.discord, scene.channel
    discord.crash_on("POST", "/channels/*/messages", bot=scene.bot, after=False)
    await discord.say(scene.alice, channel, "one", mentions_bot=True)
    assert await scene.bot.wait_exit() == -signal.SIGKILL
    assert not discord.bot_messages(channel)


async def test_zlib_is_spoken_where_zstandard_is_not_there(
    discord: DiscordServer, tmp_path: Path
) -> None:
    (tmp_path / "zstandard.py").write_text("raise ImportError")
    env = {"PYTHONPATH": str(tmp_path)}
    async with BotProcess(discord, command=EXAMPLE, env=env) as bot:
        await bot.wait_ready()
    assert discord.gateway.compressions == ["zlib-stream"]


async def test_an_outage_is_survived(scene: Scene) -> None:
    discord, channel = scene.discord, scene.channel
    async with discord.outage():
        assert not discord.gateway.connected
        said = await discord.say(scene.alice, channel, "anybody there?")
    assert (await discord.wait_reply(said)).text == "heard ''"
    assert len(discord.gateway.identifies) == 1


async def test_a_bot_that_is_asked_to_end_ends(scene: Scene) -> None:
    assert await scene.bot.stop() == 0
    assert not scene.discord.gateway.connected
    with pytest.raises(AssertionError, match="ended with 0"):
        await scene.bot.wait_ready()


async def test_a_wait_ends_with_what_was_seen(discord: DiscordServer) -> None:
    with pytest.raises(StandInTimeoutError, match="last requests"):
        await discord.wait_for(lambda: False, 0.01)
    waiting = asyncio.create_task(discord.wait_for(lambda: discord.state.violations, 5))
    await asyncio.sleep(0)
    discord.state.violate("form", "here", "wrong")
    assert await waiting
