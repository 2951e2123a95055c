"""Kill -9 at named points, SIGTERM in mid-passage, and what the next start makes of it.

Each test holds the same against the database and Discord: no word lost, nothing doubled, every
message in its final form with the buttons under the newest.
"""

import signal
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.discord_server.world import Channel, Interaction, Message
from tests.e2e.scenes import OPENING, Scene, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

IS_TAPPED = True
BOT_ENV = {"ROUNDTALE_DRAIN_S": "0.3"}


async def running(scene: Scene) -> None:
    """Have a bot on: the one that the test before healed, if there is one."""
    if not scene.bot.is_running:
        await scene.start_bot()


async def streaming(scene: Scene, channel: Channel) -> Message:
    """Have a passage of Bob's turn in mid-stream, behind the first one."""
    await running(scene)
    await scene.begin(channel)
    await scene.set("streaming", "on", channel)
    scene.tap.close()
    await scene.discord.slash(scene.bob, channel, "story continue", {"text": "Bob ran."})
    scene.tap.let(25)
    return await scene.growing(channel, words=8)


async def healed(scene: Scene, channel: Channel, kinds: str, but: Message | None = None) -> Message:
    """Start again; hold everything against the story that must be there, its end in another message."""
    await scene.start_bot()

    def is_settled() -> bool:
        own = scene.discord.bot_messages(channel)
        return bool(own) and "Continue" in own[-1].labels and own[-1] is not but

    await scene.discord.wait_for(is_settled, 40, "a healed channel")
    stored = await scene.stored(channel)
    assert stored.kinds == kinds
    await scene.assert_shown_once(channel)
    return scene.discord.bot_messages(channel)[-1]


# -- one kill in the middle of everything --------------------------------------------------


@dataclass
class Before:
    """What was under way when the bot was killed."""

    growing: Message
    shown: str
    said: Message
    first: Message
    card: Message
    write_form: Interaction
    start_form: Interaction


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def killed(scene: Scene) -> Before:
    """Kill the bot with a passage in mid-stream, words that wait, open forms and a card; start it again."""
    await scene.be_quick(scene.channel())
    first = await scene.begin(scene.channel("buttons"))
    form_channel = scene.channel("forms")
    write_form = await scene.discord.click(scene.bob, await scene.begin(form_channel), "Write")
    start_form = await scene.discord.slash(scene.bob, scene.channel("starts"), "story start")
    asked = await scene.discord.slash(
        scene.alice, scene.channel("cards"), "story start", {"premise": "A fox"}, wait="reply"
    )
    assert asked.reply is not None
    stream_channel = scene.channel("stream")
    growing = await streaming(scene, stream_channel)
    waits = {"text": "Bob danced."}
    await scene.discord.slash(scene.bob, stream_channel, "story continue", waits, wait="reply")
    said = await scene.discord.say(scene.alice, stream_channel, "Alice laughed.", reply_to=growing)
    await scene.discord.wait_for(lambda: "✒️" in said.reactions)
    before = Before(growing, growing.content, said, first, asked.reply, write_form, start_form)
    await scene.bot.kill()
    await scene.start_bot()
    return before


async def test_a_passage_in_mid_stream_goes_on_with_the_same_words_in_the_same_message(
    scene: Scene, killed: Before
) -> None:
    await scene.passage(killed.growing.channel, killed.growing.channel.messages[:4])
    stored = await scene.stored(killed.growing.channel)
    assert killed.growing.content == stored.texts[3].strip()
    assert killed.growing.content.startswith(killed.shown)
    assert len(killed.shown.split()) >= 8


async def test_words_that_waited_get_their_joint_answer_after_a_crash(
    scene: Scene, killed: Before
) -> None:
    channel = killed.growing.channel
    await scene.passage(channel, channel.messages[:4])
    stored = await scene.stored(channel)
    assert stored.kinds == "umumuum"
    assert [each.strip() for each in stored.texts[4:6]] == ["Bob danced.", "Alice laughed."]
    await scene.assert_shown_once(channel)


async def test_a_form_sent_after_a_restart_keeps_its_text(scene: Scene, killed: Before) -> None:
    channel = killed.write_form.channel
    known = scene.discord.bot_messages(channel)
    words = {"What happens next?": "Bob wrote this in a form."}
    await scene.discord.submit_modal(killed.write_form, words)
    await scene.passage(channel, known)
    assert (await scene.stored(channel)).texts[2].strip() == "Bob wrote this in a form."
    sent = await scene.discord.submit_modal(
        killed.start_form, {"First sentence": "A new tale began."}, wait="reply"
    )
    assert "begins" in told(sent)
    await scene.passage(killed.start_form.channel)


async def test_a_form_that_comes_too_late_gives_its_text_back(scene: Scene, killed: Before) -> None:
    channel = killed.write_form.channel
    form = await scene.discord.slash(scene.bob, channel, "story write")
    await scene.begin_again(channel, "Another story.")
    late = await scene.discord.submit_modal(
        form, {"What happens next?": "Words of great worth."}, wait="reply"
    )
    assert late.reply is not None
    assert late.reply.files == {"your-text.txt": b"Words of great worth."}


async def test_buttons_and_cards_work_after_a_restart(scene: Scene, killed: Before) -> None:
    second = await scene.go_on(killed.first, scene.bob)
    await scene.discord.click(scene.bob, second, "Retry")
    await scene.discord.wait_for(lambda: "2/2" in second.labels, 30)
    await scene.discord.click(scene.bob, second, "◀")
    await scene.discord.wait_for(lambda: "1/2" in second.labels)
    await scene.discord.click(scene.bob, second, "Undo")
    await scene.discord.wait_for(lambda: "2/2" in second.labels)
    await scene.discord.click(scene.alice, killed.card, "Begin")
    await scene.passage(killed.card.channel)
    await scene.assert_shown_once(second.channel)


# -- kills at named points -------------------------------------------------------------------


async def test_words_that_were_committed_are_answered_after_a_crash_before_generation(
    scene: Scene,
) -> None:
    await running(scene)
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.crash_at("bot.service.generation:Runner.start")
    said = await scene.discord.say(scene.bob, channel, "Bob came in.", reply_to=first)
    await scene.died()
    stored = await scene.stored(channel)
    assert stored.kinds == "umu"
    assert stored.text.strip() == "Bob came in."
    await healed(scene, channel, "umum", but=first)
    # Discord delivers the message once more: it is known.
    channel.messages.remove(said)
    scene.discord.state.publish(said)
    await scene.discord.slash(scene.alice, channel, "story add", {"text": "Rain."}, wait="reply")
    assert (await scene.stored(channel)).kinds == "umumu"


async def test_a_message_whose_receipt_was_lost_is_not_sent_again(scene: Scene) -> None:
    await running(scene)
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.discord.crash_on("POST", f"/channels/{channel.id}/messages", bot=scene.bot, after=True)
    await scene.discord.click(scene.bob, first, "Continue", wait=None)
    await scene.died()
    assert len(scene.discord.bot_messages(channel)) == 4
    await healed(scene, channel, "umm", but=first)
    assert len(scene.discord.bot_messages(channel)) == 4


async def test_a_message_that_discord_never_got_is_sent_after_the_restart(scene: Scene) -> None:
    await running(scene)
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.discord.crash_on("POST", f"/channels/{channel.id}/messages", bot=scene.bot, after=False)
    await scene.discord.click(scene.bob, first, "Continue", wait=None)
    await scene.died()
    await healed(scene, channel, "umm", but=first)


async def test_a_crash_between_the_words_of_a_member_and_their_message_doubles_neither(
    scene: Scene,
) -> None:
    await running(scene)
    channel = scene.channel()
    # The first message is the title, the second the member's words.
    path = f"/channels/{channel.id}/messages"
    scene.discord.crash_on("POST", path, bot=scene.bot, nth=2, after=True)
    await scene.discord.slash(scene.alice, channel, "story start", {"opening": OPENING}, wait=None)
    await scene.died()
    await healed(scene, channel, "um")
    assert len(scene.discord.bot_messages(channel)) == 3


async def test_a_crash_after_the_last_edit_before_it_was_noted_changes_nothing(
    scene: Scene,
) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    path = f"/channels/{channel.id}/messages/{growing.id}"
    scene.tap.let(400)
    await scene.discord.wait_for(lambda: growing.edits_at_s, 20)
    scene.crash_at("bot.discord_app.ledger:PassageMessages._settle")
    await scene.died()
    assert "Continue" in growing.labels
    text, edits = growing.content, len(growing.versions)
    assert scene.discord.calls("PATCH", path)[-1].status == 200
    stored = await scene.stored(channel)
    rows = await scene.outbox(stored.path[-1].id)
    assert [row.status.value for row in rows] == ["sent"]
    last = await healed(scene, channel, "umum")
    assert last is growing
    assert {version for _, version in growing.versions[edits - 1 :]} == {text}


@pytest.mark.parametrize(
    ("point", "when", "kinds"),
    [
        ("bot.service.generation:Runner._commit", "before", "u"),
        ("bot.storage.jobs:SqlJobs.finish", "after", "u"),  # inside the transaction
        ("bot.service.generation:Runner._commit", "after", "um"),
    ],
)
async def test_a_crash_around_the_commit_leaves_one_passage(
    scene: Scene, point: str, when: str, kinds: str
) -> None:
    await running(scene)
    channel = scene.channel()
    scene.crash_at(point, when)
    await scene.discord.slash(scene.alice, channel, "story start", {"opening": OPENING})
    await scene.died()
    assert (await scene.stored(channel)).kinds == kinds
    await healed(scene, channel, "um")


# -- ends ---------------------------------------------------------------------------------------


async def test_sigterm_in_mid_passage_ends_in_time_and_the_passage_goes_on(scene: Scene) -> None:
    channel = scene.channel()
    growing = await streaming(scene, channel)
    shown = growing.content
    scene.bot.process.send_signal(signal.SIGTERM)
    await scene.discord.wait_for(lambda: "⏸️" in growing.content, 15)
    assert growing.labels == []
    scene.tap.open()
    assert await scene.bot.wait_exit(15) == 0
    assert (await scene.stored(channel)).kinds == "umu"
    last = await healed(scene, channel, "umum")
    assert last is growing
    assert last.content.startswith(shown)
    assert "⏸️" not in last.content


async def test_no_rule_of_discord_was_broken_and_nothing_failed(scene: Scene) -> None:
    await running(scene)
    assert await scene.bot.stop() == 0
    scene.discord.assert_clean()
    scene.discord.assert_no_mass_pings()
    assert scene.problems == []
