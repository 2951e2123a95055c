"""Turns by message, many members at once, and every kind of place."""

import asyncio

import pytest
import pytest_asyncio

from tests.discord_server.client_side import ClientRefusedError
from tests.discord_server.world import Channel, Interaction, Message, User
from tests.e2e.scenes import OPENING, Scene, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

IS_TAPPED = True


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def quick(scene: Scene) -> None:
    await scene.be_quick(scene.channel())


def custom_id(message: Message, label: str) -> str:
    found = next(each for each in message.buttons if each.get("label") == label)
    return str(found["custom_id"])


async def test_a_reply_to_a_passage_is_a_turn_and_stays_the_members_message(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    said = await scene.discord.say(scene.bob, channel, "Bob opened the door.", reply_to=first)
    await scene.passage(channel, [first])
    stored = await scene.stored(channel)
    assert stored.kinds == "umum"
    assert stored.texts[2].strip() == "Bob opened the door."
    assert not any("Bob opened" in each.content for each in scene.discord.bot_messages(channel))
    rows = await scene.outbox(stored.path[2].id)
    assert [(row.message_id, row.is_own) for row in rows] == [(said.id, False)]


async def test_a_reply_whose_ping_is_off_gets_a_hint_and_adds_nothing(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    said = await scene.discord.say(
        scene.bob, channel, "You cannot read this.", reply_to=first, ping_reply=False
    )
    hint = await scene.discord.wait_reply(said)
    assert "ping is off" in hint.content
    assert (await scene.stored(channel)).kinds == "um"


async def test_a_mention_is_a_turn(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    await scene.discord.say(scene.bob, channel, "the clock struck one.", mentions_bot=True)
    await scene.passage(channel, [first])
    stored = await scene.stored(channel)
    assert stored.texts[2].strip() == "the clock struck one."


async def test_a_mention_without_a_story_offers_one(scene: Scene) -> None:
    channel = scene.channel()
    said = await scene.discord.say(scene.bob, channel, "hello there", mentions_bot=True)
    offer = await scene.discord.wait_reply(said)
    assert "No story is open here" in offer.content
    form = await scene.discord.click(scene.bob, offer, "Begin a story")
    assert form.kind == "modal"


async def test_whole_phrases_are_requests_and_phrases_in_a_sentence_are_text(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    await scene.discord.say(scene.bob, channel, "Go on!", reply_to=first)
    second = await scene.passage(channel, [first])
    asked = await scene.discord.say(scene.bob, channel, "undo", reply_to=second)
    await scene.discord.wait_for(lambda: "✅" in asked.reactions)
    assert (await scene.stored(channel)).kinds == "um"
    await scene.discord.say(scene.bob, channel, "Nobody could undo that.", reply_to=first)
    await scene.passage(channel, [first, second])
    stored = await scene.stored(channel)
    assert stored.texts[2].strip() == "Nobody could undo that."


async def test_messages_that_are_not_meant_for_the_bot_add_nothing(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    other = await scene.discord.say(scene.alice, channel, "Shall we go?")
    await scene.discord.say(scene.bob, channel, "Yes, let us go.", reply_to=other)
    await scene.discord.say(scene.bob, channel, "the end came.", mentions_bot=True)
    await scene.passage(channel, [first])
    assert (await scene.stored(channel)).kinds == "umum"


async def test_words_that_arrive_while_the_model_writes_get_one_joint_answer(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    await scene.set("streaming", "on", channel)
    scene.tap.close()
    await scene.discord.slash(scene.alice, channel, "story continue", {"text": "Tom sang."})
    scene.tap.let(12)
    growing = await scene.growing(channel)
    waits = await scene.discord.slash(
        scene.bob, channel, "story continue", {"text": "Bob danced."}, wait="reply"
    )
    assert "your words come right after it" in told(waits)
    said = await scene.discord.say(scene.alice, channel, "Alice laughed.", reply_to=growing)
    await scene.discord.wait_for(lambda: "✒️" in said.reactions)
    assert (await scene.stored(channel)).kinds == "umu"
    scene.tap.open()
    await scene.passage(channel, [first, growing])
    stored = await scene.stored(channel)
    assert stored.kinds == "umumuum"
    assert [each.strip() for each in stored.texts[4:6]] == ["Bob danced.", "Alice laughed."]
    await scene.discord.slash(scene.alice, channel, "story undo", wait="reply")
    assert (await scene.stored(channel)).kinds in {"umum", "umumu"}


async def pressed_at_once(
    scene: Scene, message: Message, label: str, people: tuple[User, User]
) -> list[Interaction]:
    key = custom_id(message, label)
    return list(
        await asyncio.gather(*(scene.discord.press_raw(user, message, key) for user in people))
    )


@pytest.mark.parametrize("label", ["Continue", "Retry"])
@pytest.mark.parametrize("second", ["alice", "bob"])
async def test_of_two_presses_at_once_one_gets_a_passage_and_the_other_a_sentence(
    scene: Scene, second: str, label: str
) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.tap.close()
    both = await pressed_at_once(scene, first, label, (scene.alice, getattr(scene, second)))
    await scene.discord.wait_for(lambda: any(each.replies for each in both))
    scene.tap.open()
    if label == "Continue":
        await scene.passage(channel, [first])
    else:
        await scene.discord.wait_for(lambda: "2/2" in first.labels)
    stored = await scene.stored(channel)
    assert stored.kinds == ("umm" if label == "Continue" else "um")
    assert len(stored.story.passages) == 3
    answers = [told(each) for each in both]
    assert sorted(bool(each) for each in answers) == [False, True]
    assert "is being written right now" in "".join(answers)


async def test_two_members_press_undo_at_once_and_one_turn_is_undone(scene: Scene) -> None:
    channel = scene.channel()
    second = await scene.go_on(await scene.begin(channel))
    both = await pressed_at_once(scene, second, "Undo", (scene.alice, scene.bob))
    await scene.discord.wait_for(lambda: any(each.replies for each in both))
    assert "has moved on" in "".join(told(each) for each in both)
    assert (await scene.stored(channel)).kinds == "um"


async def test_a_stale_button_is_told_so(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    keys = {label: custom_id(first, label) for label in ("Continue", "Retry", "Undo")}
    await scene.go_on(first)
    for key in keys.values():
        stale = await scene.discord.press_raw(scene.bob, first, key, wait="reply")
        assert "has moved on" in told(stale)
    assert (await scene.stored(channel)).kinds == "umm"


async def test_a_button_of_another_version_is_told_so(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    for key in ("rt9:continue:1:1", "rt1:conjure:1:1", "nonsense"):
        told_so = await scene.discord.press_raw(scene.bob, first, key, wait="reply")
        assert "another version" in told(told_so)


async def test_somebody_elses_card_is_refused(scene: Scene) -> None:
    channel = scene.channel()
    asked = await scene.discord.slash(
        scene.alice, channel, "story start", {"premise": "A fox"}, wait="reply"
    )
    card = asked.reply
    assert card is not None
    with pytest.raises(ClientRefusedError):
        await scene.discord.click(scene.bob, card, "Begin")
    for label in ("Begin", "Reroll", "Edit"):
        refused = await scene.discord.press_raw(
            scene.bob, card, custom_id(card, label), wait="reply"
        )
        assert "this card is somebody else's" in told(refused)
    assert not await scene.has_story(channel)


async def test_a_direct_message_is_a_place_of_its_own(scene: Scene) -> None:
    channel = scene.discord.dm_channel(scene.bob)
    said = await scene.discord.say(scene.bob, channel, "hello")
    offer = await scene.discord.wait_reply(said)
    assert "Begin a story" in offer.labels
    await scene.discord.slash(scene.bob, channel, "story start", {"opening": OPENING})
    first = await scene.passage(channel)
    await scene.discord.say(scene.bob, channel, "The bell rang.")
    await scene.passage(channel, [first])
    stored = await scene.stored(channel)
    assert stored.kinds == "umum"
    assert stored.texts[2].strip() == "The bell rang."


async def place(scene: Scene, kind: str) -> Channel:
    match kind:
        case "thread":
            return scene.discord.add_thread(scene.channel(), "a thread", owner=scene.alice)
        case "forum post":
            forum = scene.channel("forum", kind="forum")
            return scene.discord.add_thread(forum, "a post", owner=scene.alice, text="Read on.")
        case "age-restricted":
            return scene.channel("adults", nsfw=True)
        case _:
            return scene.channel(kind, kind=kind)


@pytest.mark.parametrize("kind", ["thread", "forum post", "age-restricted", "announcement"])
async def test_a_story_is_written_in_every_kind_of_place(scene: Scene, kind: str) -> None:
    channel = await place(scene, kind)
    first = await scene.begin(channel)
    await scene.discord.say(scene.bob, channel, "Bob came in.", reply_to=first)
    await scene.passage(channel, [first])
    assert (await scene.stored(channel)).kinds == "umum"


async def test_a_channel_that_is_off_takes_nothing_and_its_threads_neither(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    thread = scene.discord.add_thread(channel, "aside", owner=scene.alice)
    await scene.set("enabled", "off", channel)
    for where, path in ((channel, "story continue"), (thread, "story start")):
        options = {"opening": OPENING} if path == "story start" else {}
        refused = await scene.discord.slash(scene.bob, where, path, options, wait="reply")
        assert "switched off in this channel" in told(refused)
    said = await scene.discord.say(scene.bob, channel, "Hello?", reply_to=first)
    hint = await scene.discord.wait_reply(said)
    assert "switched off" in hint.content
    pressed = await scene.discord.click(scene.bob, first, "Continue", wait="reply")
    assert "switched off" in told(pressed)
    assert (await scene.stored(channel)).kinds == "um"
    assert not await scene.has_story(thread)


@pytest.mark.parametrize("missing", ["send_messages", "view_channel"])
async def test_without_a_permission_nothing_is_committed_and_the_sentence_names_it(
    scene: Scene, missing: str
) -> None:
    channel = scene.channel()
    scene.discord.deny_bot(channel, missing)
    for path, options in (("story start", {"opening": OPENING}), ("story start", {})):
        refused = await scene.discord.slash(scene.bob, channel, path, options, wait="reply")
        assert missing.replace("_", " ").title() in told(refused)
    assert not await scene.has_story(channel)
    scene.discord.deny_bot(channel)
    await scene.begin(channel)


async def test_a_turn_by_message_without_permission_to_answer_gets_a_reaction(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    scene.discord.deny_bot(channel, "send_messages")
    said = await scene.discord.say(scene.bob, channel, "Hello?", reply_to=first)
    await scene.discord.wait_for(lambda: "⚠️" in said.reactions)
    assert (await scene.stored(channel)).kinds == "um"


async def test_a_command_on_nothing_says_how_to_begin(scene: Scene) -> None:
    channel = scene.channel()
    for path in ("continue", "retry", "undo", "redo", "show", "context", "end", "export", "delete"):
        refused = await scene.discord.slash(scene.bob, channel, f"story {path}", wait="reply")
        assert "There is no story open here" in told(refused), path
    listed = await scene.discord.slash(scene.bob, channel, "story list", wait="reply")
    assert "no stories here yet" in told(listed)


async def test_no_rule_of_discord_was_broken_and_nothing_failed(scene: Scene) -> None:
    # A sentence is tried where the bot may not send, since only the attempt tells for sure.
    scene.discord.assert_clean(allow=["permission"])
    scene.discord.assert_no_mass_pings()
    assert scene.problems == []
