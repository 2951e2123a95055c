"""Turns by message: replies, mentions, direct messages, whole phrases."""

from pathlib import Path

import discord
import pytest

from bot.discord_app.client import DiscordOptions
from bot.story.model import StoryStatus
from tests.discord_app.discord_world import ANSWERS, INTERVAL_S, World, labels, open_world


def _mention(world: World) -> str:
    assert world.client.user is not None
    return world.client.user.mention


async def test_a_reply_to_a_passage_is_story_text_and_is_not_copied(world: World) -> None:
    await world.begin()
    before = len(world.said())
    await world.bob.send(world.channel, "Bob opened the box.", reply_to=world.newest())
    assert (await world.texts())[2:] == ["Bob opened the box.", ANSWERS[1].strip()]
    assert len(world.said()) == before + 1


async def test_a_reply_to_the_title_is_story_text_too(world: World) -> None:
    await world.begin()
    await world.bob.send(world.channel, "Bob came in.", reply_to=world.said()[0])
    assert (await world.texts())[2] == "Bob came in."


@pytest.mark.parametrize("phrase", ["go on", "Continue!", "  MORE … "])
async def test_a_whole_phrase_is_a_command(world: World, phrase: str) -> None:
    await world.begin()
    await world.bob.send(world.channel, phrase, reply_to=world.newest())
    assert (await world.texts())[2:] == [ANSWERS[1].strip()]


async def test_a_phrase_within_a_sentence_is_story_text(world: World) -> None:
    await world.begin()
    await world.bob.send(world.channel, "Go on, said Tom.", reply_to=world.newest())
    assert (await world.texts())[2] == "Go on, said Tom."


async def test_undo_redo_retry_and_end_by_phrase(world: World) -> None:
    await world.begin()
    await world.bob.send(world.channel, "go on", reply_to=world.newest())
    said = await world.bob.send(world.channel, "undo that", reply_to=world.newest())
    assert len(await world.texts()) == 2
    message = next(one for one in world.channel.history() if one.id == said.id)
    assert [str(reaction.emoji) for reaction in message.reactions] == ["✅"]
    await world.bob.send(world.channel, "redo", reply_to=world.newest())
    assert len(await world.texts()) == 3
    await world.bob.send(world.channel, "try again", reply_to=world.newest())
    assert "2/2" in labels(world.newest())
    await world.bob.send(world.channel, "stop", reply_to=world.newest())
    await world.bob.send(world.channel, "the end", reply_to=world.newest())
    assert (await world.story()).status is StoryStatus.ENDED


async def test_a_mention_adds_its_words_and_names_others(world: World) -> None:
    await world.begin()
    await world.bob.send(world.channel, f"{_mention(world)} then {world.alice.mention} sang")
    assert (await world.texts())[2] == "then @Alice sang"


async def test_a_mention_without_words_lets_the_model_go_on(world: World) -> None:
    await world.begin()
    await world.bob.send(world.channel, _mention(world))
    assert (await world.texts())[2:] == [ANSWERS[1].strip()]


async def test_without_a_story_a_mention_offers_to_begin_one(world: World) -> None:
    await world.bob.send(world.channel, f"{_mention(world)} tell me a story")
    (offer,) = world.said()
    assert "No story is open here" in offer.content
    assert labels(offer) == ["Begin a story"]
    shown = await world.bob.click(offer, label="Begin a story")
    await world.bob.submit_modal(shown, {"opening": "It rained."})
    assert (await world.texts())[0] == "It rained."
    await world.env.advance_time(121)
    assert offer.id not in [message.id for message in world.said()]


async def test_help_is_a_phrase(world: World) -> None:
    await world.bob.send(world.channel, f"{_mention(world)} help")
    assert "Roundtale" in world.said()[-1].content


async def test_a_direct_message_is_for_the_bot(world: World) -> None:
    await world.bob.user.send_dm("hello")
    dm = world.bob.user.dm_channel
    offer = world.said(dm)[-1]
    assert labels(offer) == ["Begin a story"]
    shown = await world.bob.user.click(offer, label="Begin a story")
    await world.bob.user.submit_modal(shown, {"opening": "It snowed."})
    await world.bob.user.send_dm("A wolf howled.")
    assert (await world.texts(dm))[2] == "A wolf howled."


async def test_a_command_works_in_a_direct_message(world: World) -> None:
    await world.bob.user.send_dm("help")
    result = await world.bob.user.slash("story start", opening="It snowed.")
    assert result.acknowledged
    assert (await world.texts(world.bob.user.dm_channel))[0] == "It snowed."


async def test_words_that_come_while_the_model_writes_wait_and_are_marked(world: World) -> None:
    await world.begin()
    gate = world.backend.hold()
    await world.alice.click(world.newest(), label="Continue")
    said = await world.bob.send(world.channel, "Bob waits.", reply_to=world.said()[2])
    message = next(one for one in world.channel.history() if one.id == said.id)
    assert [str(reaction.emoji) for reaction in message.reactions] == ["✒️"]
    gate.set()
    await world.env.settle()
    assert (await world.texts())[2:] == [
        ANSWERS[1].strip(),
        "Bob waits.",
        ANSWERS[2].strip(),
    ]


async def test_ordinary_messages_bots_and_edits_are_ignored(world: World) -> None:
    await world.begin()
    said = await world.bob.send(world.channel, "What a nice story.")
    await world.bob.edit(said, "What a very nice story.")
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    await robot.send(world.channel, "beep", reply_to=world.newest())
    hook = world.guild.create_webhook(world.channel)
    await hook.send("boop")
    await world.alice.send(world.channel, "I agree.", reply_to=said)
    assert len(await world.texts()) == 2


async def test_a_file_alone_gets_a_hint_that_deletes_itself(world: World) -> None:
    await world.begin()
    await world.bob.send(
        world.channel,
        "",
        reply_to=world.newest(),
        attachments=[("cat.png", b"\x89PNG")],
    )
    assert "text, not files" in world.said()[-1].content
    await world.env.advance_time(16)
    assert "text, not files" not in world.said()[-1].content
    assert len(await world.texts()) == 2


async def test_a_reply_to_an_archived_story_is_refused(world: World) -> None:
    await world.begin()
    old = world.newest()
    await world.begin("Another story.")
    await world.bob.send(world.channel, "Bob went on.", reply_to=old)
    assert "moved on" in world.said()[-1].content
    assert len(await world.texts()) == 2


async def test_replies_and_mentions_can_be_switched_off(world: World) -> None:
    await world.begin()
    for name in ("reply_turns", "mention_turns"):
        await world.admin.slash(world.channel, "storyadmin set", name=name, value="off")
    await world.bob.send(world.channel, "Bob went on.", reply_to=world.newest())
    await world.bob.send(world.channel, f"{_mention(world)} go on")
    assert len(await world.texts()) == 2


async def test_every_message_is_a_turn_only_where_operator_and_admin_want_it(
    tmp_path: Path,
) -> None:
    options = DiscordOptions(
        edit_interval_s=INTERVAL_S, edit_grant_s=4 * INTERVAL_S, wants_message_content=True
    )
    async with open_world(tmp_path, options=options) as world:
        await world.begin()
        await world.bob.send(world.channel, "Bob says nothing of note.")
        assert len(await world.texts()) == 2
        await world.admin.slash(world.channel, "storyadmin set", name="listen_to_all", value="on")
        await world.bob.send(world.channel, "Bob came in.")
        assert (await world.texts())[2:] == ["Bob came in.", ANSWERS[1].strip()]


async def test_turns_in_threads_belong_to_the_thread(world: World) -> None:
    parent = world.client.get_channel(world.channel.id)
    assert isinstance(parent, discord.TextChannel)
    with world.env._bot_scope():
        await parent.create_thread(name="side", type=discord.ChannelType.public_thread)
    await world.env.settle()
    (handle,) = world.channel.threads
    await world.alice.slash(handle, "story start", opening="In a thread.")
    assert (await world.texts(handle))[0] == "In a thread."
    await world.bob.send(handle, "Bob joined in.", reply_to=world.newest(handle))
    assert (await world.texts(handle))[2] == "Bob joined in."
