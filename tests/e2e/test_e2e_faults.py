"""What Discord does to a bot in a bad hour: the story is kept, and the end is quiet or a sentence."""

import pytest
import pytest_asyncio

from tests.discord_server.world import Channel, Message
from tests.e2e.scenes import OPENING, Scene, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

IS_TAPPED = True


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def quick(scene: Scene) -> None:
    await scene.be_quick(scene.channel())


async def streaming(scene: Scene, channel: Channel) -> Message:
    """Have the first passage of a story in mid-stream."""
    await scene.set("streaming", "on", channel)
    scene.tap.close()
    await scene.discord.slash(scene.alice, channel, "story start", {"opening": OPENING})
    scene.tap.let(12)
    return await scene.growing(channel)


async def kept(scene: Scene, channel: Channel, kinds: str, timeout_s: float = 20.0) -> None:
    """Wait until the story has been committed: nothing of it is to be seen in Discord any more."""
    for _ in range(int(timeout_s / 0.1)):
        if (await scene.stored(channel)).kinds == kinds:
            return
        await scene.discord.state.next_change(0.1)
    raise AssertionError((await scene.stored(channel)).kinds)


async def test_edits_that_are_limited_end_in_the_final_text(scene: Scene) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    fault = scene.discord.add_fault(
        "PATCH", f"/channels/{channel.id}/messages/*", retry_after_s=0.4, times=2
    )
    scene.tap.open()
    await scene.discord.wait_for(lambda: "Continue" in growing.labels, 20)
    assert fault.hits == 2
    await scene.assert_shown_once(channel)


async def test_a_burst_of_502_loses_and_doubles_nothing(scene: Scene) -> None:
    channel = scene.channel()
    path = f"/channels/{channel.id}/messages"
    refused = scene.discord.add_fault("POST", path, status=502, times=1)
    spoilt = scene.discord.add_fault("POST", path, status=502, times=1, skip=2, after=True)
    edits = scene.discord.add_fault("PATCH", f"{path}/*", status=500, times=1)
    await scene.set("streaming", "on", channel)
    await scene.begin(channel)
    assert [refused.hits, spoilt.hits, edits.hits] == [1, 1, 1]
    await scene.assert_shown_once(channel)


async def test_an_answer_that_is_cut_off_is_not_sent_twice(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.discord.add_fault(
        "POST", f"/channels/{channel.id}/messages", disconnect=True, after=True, times=1
    )
    await scene.go_on(first)
    await scene.assert_shown_once(channel)


@pytest.mark.parametrize("trouble", ["drop", "reconnect", "invalid session", "resumable session"])
async def test_the_gateway_comes_back_and_a_passage_in_mid_stream_does_not_mind(
    scene: Scene, trouble: str
) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    gateway = scene.discord.gateway
    before = len(gateway.identifies) + len(gateway.resumes)
    match trouble:
        case "drop":
            await gateway.drop()
        case "reconnect":
            gateway.reconnect()
        case _:
            gateway.invalidate(resumable=trouble == "resumable session")
    scene.tap.open()
    await scene.discord.wait_for(lambda: "Continue" in growing.labels, 20)
    await scene.discord.wait_for(
        lambda: gateway.connected and len(gateway.identifies) + len(gateway.resumes) > before, 20
    )
    await scene.go_on(growing)
    await scene.assert_shown_once(channel)


async def test_an_interaction_during_a_dropped_connection_arrives_once_it_is_back(
    scene: Scene,
) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    await scene.discord.gateway.drop()
    said = await scene.discord.say(scene.bob, channel, "Bob came in.", reply_to=first)
    await scene.passage(channel, [first])
    assert (await scene.stored(channel)).texts[2].strip() == said.content


async def test_a_message_deleted_in_mid_stream_comes_again_whole(scene: Scene) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    await scene.discord.delete_message(growing)
    scene.tap.open()
    again = await scene.passage(channel)
    assert again is not growing
    await scene.assert_shown_once(channel)


async def test_a_passage_deleted_later_stays_in_the_story_and_the_buttons_go_on(
    scene: Scene,
) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    second = await scene.go_on(first)
    await scene.discord.delete_message(second)
    await scene.discord.slash(scene.bob, channel, "story continue", wait="reply")
    await scene.passage(channel, [first, second])
    assert (await scene.stored(channel)).kinds == "ummm"
    stale = await scene.discord.press_raw(
        scene.bob, second, second.buttons[0]["custom_id"], wait="reply"
    )
    assert "has moved on" in told(stale)


async def test_a_channel_deleted_in_mid_stream_ends_quietly_with_the_story_kept(
    scene: Scene,
) -> None:
    channel = scene.channel()
    await streaming(scene, channel)
    scene.discord.delete_channel(channel)
    scene.tap.open()
    await kept(scene, channel, "um")


async def test_a_thread_that_is_locked_in_mid_stream_keeps_the_story(scene: Scene) -> None:
    parent = scene.channel()
    thread = scene.discord.add_thread(parent, "aside", owner=scene.alice)
    await streaming(scene, thread)
    scene.discord.archive(thread, locked=True)
    scene.tap.open()
    await kept(scene, thread, "um")


@pytest.mark.parametrize("name", ["send_messages", "view_channel"])
async def test_a_permission_taken_away_in_mid_stream_keeps_the_story(
    scene: Scene, name: str
) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    scene.discord.deny_bot(channel, name)
    scene.tap.open()
    await kept(scene, channel, "um")
    refused = await scene.discord.slash(scene.bob, channel, "story continue", wait="reply")
    assert name.replace("_", " ").title() in told(refused)
    scene.discord.deny_bot(channel)
    second = await scene.discord.slash(scene.bob, channel, "story continue", wait="reply")
    assert "The model is writing" in told(second)
    await scene.passage(channel, [growing])
    assert (await scene.stored(channel)).kinds == "umm"


async def test_a_guild_that_throws_the_bot_out_in_mid_stream_keeps_its_story(scene: Scene) -> None:
    guild = scene.discord.add_guild("Short stay")
    channel = scene.discord.add_channel(guild, "stories")
    for user in (scene.alice, scene.admin):
        scene.discord.add_member(guild, user, ["manage_guild"])
    await streaming(scene, channel)
    scene.discord.remove_bot(guild)
    scene.tap.open()
    await kept(scene, channel, "um")


async def test_an_interaction_token_that_expired_costs_the_sentence_only(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.discord.add_fault(
        "PATCH", "/webhooks/*/*/messages/@original", status=401, code=50027, times=1
    )
    await scene.discord.slash(scene.bob, channel, "story continue", {"text": "Bob ran."})
    await scene.passage(channel, [first])
    assert (await scene.stored(channel)).kinds == "umum"


async def test_an_acknowledgement_that_discord_does_not_know_adds_nothing_twice(
    scene: Scene,
) -> None:
    channel = scene.channel()
    await scene.begin(channel)
    scene.discord.add_fault("POST", "/interactions/*/*/callback", status=404, code=10062, times=1)
    await scene.discord.slash(scene.bob, channel, "story add", {"text": "Bob ran."}, wait=None)
    again = await scene.discord.slash(
        scene.bob, channel, "story add", {"text": "Bob ran."}, wait="reply"
    )
    assert told(again) == "Added."
    assert (await scene.stored(channel)).kinds == "umu"


async def test_discord_down_for_a_while_is_waited_for(scene: Scene) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    async with scene.discord.outage():
        scene.tap.open()
        await kept(scene, channel, "um")
    await scene.discord.wait_for(lambda: "Continue" in growing.labels, 40)
    await scene.assert_shown_once(channel)


async def test_nothing_failed_in_all_that_trouble(scene: Scene) -> None:
    assert scene.bot.is_running
    # What may still be written is known only by trying, and a lost answer is asked for again.
    scene.discord.assert_clean(allow=["permission"])
    scene.discord.assert_no_mass_pings()
    assert scene.problems == []
    assert await scene.bot.stop() == 0
