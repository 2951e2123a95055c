"""Passages that grow before everybody's eyes, within Discord's limits."""

from functools import partial

import pytest

from tests.discord_server.world import Message
from tests.e2e.scenes import OPENING, Scene, plain, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

IS_TAPPED = True
HAS_RATE_LIMITS = True
BOT_ENV = {"ROUNDTALE_MAX_ACTIVE": "1"}

LEAST_GAP_S = 1.2
TOLERANCE_S = 0.3
"""What the way over loopback and two busy cores may take from a gap."""


def assert_paced(message: Message) -> None:
    gaps_s = message.edit_gaps_s
    assert min(gaps_s, default=9.9) >= LEAST_GAP_S - TOLERANCE_S, gaps_s


def has_grown(message: Message, count: int) -> bool:
    return len(message.versions) >= count


async def test_a_passage_grows_in_whole_words_at_most_every_1200_ms(scene: Scene) -> None:
    channel = scene.channel()
    scene.tap.close()
    await scene.discord.slash(scene.alice, channel, "story start", {"opening": OPENING})
    scene.tap.let(12)
    message = await scene.growing(channel)
    for count in range(2, 5):
        scene.tap.let(12)
        await scene.discord.wait_for(partial(has_grown, message, count), 30)
    assert message.labels == ["Stop"]
    scene.tap.open()
    await scene.discord.wait_for(lambda: "Continue" in message.labels, 60)
    texts = [text for _, text in message.versions]
    assert len(set(texts)) >= 4
    final = (await scene.stored(channel)).text.strip()
    assert texts[-1] == final
    for text in texts:
        assert final.startswith(text)
        assert final[len(text) : len(text) + 1] in {"", " ", ",", ".", "\n"}
    assert_paced(message)
    assert message.interaction is None
    assert message.reference_id is None
    assert channel.typing_at_s


async def test_stop_keeps_what_is_whole(scene: Scene) -> None:
    channel = scene.channel()
    scene.tap.close()
    await scene.discord.slash(scene.alice, channel, "story start", {"opening": OPENING})
    scene.tap.let(8)
    message = await scene.growing(channel)
    await scene.write_until(lambda: "." in message.content)
    await scene.discord.click(scene.bob, message, "Stop", wait=None)
    scene.tap.open()
    await scene.discord.wait_for(lambda: "Continue" in message.labels, 30)
    assert message.content.endswith(".")
    assert (await scene.stored(channel)).text.strip() == message.content
    await scene.assert_shown_once(channel)


async def test_undo_takes_a_passage_under_way_back(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.tap.close()
    await scene.discord.slash(scene.bob, channel, "story continue", {"text": "Then rain."})
    scene.tap.let(12)
    growing = await scene.growing(channel)
    undone = await scene.discord.slash(scene.alice, channel, "story undo", wait="ack")
    scene.tap.open()
    await scene.discord.wait_reply(undone, lambda m: "undone" in m.text)
    await scene.discord.wait_for(lambda: growing.is_deleted, 20)
    await scene.discord.wait_for(lambda: "Continue" in first.labels, 20)
    stored = await scene.stored(channel)
    assert stored.kinds == "um"
    assert any("Then rain." in each for each in stored.every_text)


async def test_without_streaming_a_passage_comes_whole(scene: Scene) -> None:
    channel = scene.channel()
    await scene.set("streaming", "off", channel)
    message = await scene.begin(channel)
    assert [text for _, text in message.versions] == [(await scene.stored(channel)).text.strip()]


async def test_whoever_waits_for_the_model_sees_the_place_in_the_queue(scene: Scene) -> None:
    first, second, third = (scene.channel(name) for name in ("first", "second", "third"))
    scene.tap.close()
    for channel in (first, second, third):
        await scene.discord.slash(scene.alice, channel, "story start", {"opening": OPENING})
        await scene.discord.wait_message(channel, lambda m: OPENING in m.content)
    await scene.write_until(lambda: "✒️" in scene.discord.bot_messages(third)[-1].content)
    waiting = scene.discord.bot_messages(third)[-1]
    assert waiting.content == "-# ✒️ … 1 passage before this one"
    assert waiting.labels == ["Stop"]
    scene.tap.open()
    for channel in (first, second, third):
        await scene.passage(channel)
    assert plain(waiting) == (await scene.stored(third)).text.strip()
    for channel in (first, second, third):
        await scene.assert_shown_once(channel)
        assert_paced(scene.discord.bot_messages(channel)[-1])


async def test_words_beyond_2000_characters_are_split_between_sentences(scene: Scene) -> None:
    channel = scene.channel()
    await scene.begin(channel)
    text = " ".join(f"This is sentence number {n} of a long tale." for n in range(85))
    await scene.discord.slash(scene.bob, channel, "story add", {"text": text}, wait="reply")
    last = await scene.discord.wait_message(channel, lambda m: "number 84" in m.content)
    parts = scene.discord.bot_messages(channel)[-2:]
    assert parts[-1] is last
    assert all(len(each.content) <= 2000 for each in parts)
    assert plain(parts[0]).endswith(".")
    assert " ".join(plain(each) for each in parts) == text
    await scene.discord.wait_for(lambda: "Continue" in last.labels)
    assert parts[0].labels == []
    shorter = {"text": "It was a long tale, but not now."}
    await scene.discord.slash(scene.bob, channel, "story edit", shorter, wait="reply")
    await scene.discord.wait_for(lambda: last.is_deleted and "Continue" in parts[0].labels, 20)
    assert plain(parts[0]) == shorter["text"]


async def test_nothing_quoted_or_generated_can_ping(scene: Scene) -> None:
    channel = scene.channel()
    role = scene.discord.add_role(scene.guild, "heroes")
    bad = (
        f"@everyone and @here, {role.mention} and {scene.bob.mention}, come! [x](https://a.example)"
    )
    options = {"opening": bad, "title": "@everyone wakes"}
    begun = await scene.discord.slash(scene.alice, channel, "story start", options, wait="reply")
    await scene.passage(channel)
    said = await scene.discord.say(
        scene.bob, channel, f"@everyone ran to {role.mention}.", mentions_bot=True
    )
    await scene.passage(channel, [scene.discord.bot_messages(channel)[-1]])
    everything: list[Message] = [*scene.discord.bot_messages(channel), *begun.replies]
    assert said.author is scene.bob
    for message in everything:
        for pings in message.pings:
            assert not pings.is_mass
            assert not pings.users
    assert "@" in told(begun)


async def test_buttons_stand_under_the_newest_passage_only(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    second = await scene.go_on(first)
    third = await scene.go_on(second, scene.bob)
    await scene.discord.wait_for(lambda: not first.labels and not second.labels, 20)
    assert third.labels == ["Continue", "Write", "Retry", "Undo", "More"]
    assert scene.discord.bot_messages(channel)[-1] is third


async def test_no_rule_of_discord_was_broken_and_nothing_failed(scene: Scene) -> None:
    scene.discord.assert_clean()
    scene.discord.assert_no_mass_pings()
    assert scene.problems == []
    assert scene.discord.limits.refused == []
