"""Every command of members and admins, over the wire."""

import json

import pytest

from tests.discord_server.client_side import ClientRefusedError
from tests.e2e.scenes import OPENING, Scene, plain, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_admin_sets_short_passages_without_streaming_for_the_whole_server(
    scene: Scene,
) -> None:
    channel = scene.channel()
    await scene.be_quick(channel)
    panel = await scene.discord.slash(
        scene.admin, channel, "storyadmin settings", {"group": "writing"}, wait="reply"
    )
    assert "**passage\\_length**: short · server" in told(panel)
    assert "**max\\_passage\\_tokens**: 400 · default" in told(panel)


async def test_a_story_begins_at_once_with_an_opening(scene: Scene) -> None:
    channel = scene.channel()
    begun = await scene.discord.slash(
        scene.alice, channel, "story start", {"opening": OPENING, "title": "The Mill"}, wait="reply"
    )
    assert begun.kind == "deferred"
    assert begun.reply is not None
    assert begun.reply.ephemeral
    assert told(begun) == "**The Mill** begins."
    passage = await scene.passage(channel)
    title, first, second = scene.discord.bot_messages(channel)
    assert title.content.startswith("## 📖 The Mill")
    assert first.content == f"-# **Alice** writes\n{OPENING}"
    assert second is passage
    assert passage.labels == ["Continue", "Write", "Retry", "Undo", "More"]
    await scene.assert_shown_once(channel)


async def test_the_concept_card_is_edited_rerolled_and_begun(scene: Scene) -> None:
    channel = scene.channel()
    asked = await scene.discord.slash(
        scene.alice, channel, "story start", {"premise": "A fox opens a bakery"}, wait="reply"
    )
    card = asked.reply
    assert card is not None
    assert card.ephemeral
    assert "A fox opens a bakery" in card.text
    assert card.labels == ["Begin", "Edit", "Plot", "Reroll"]
    edit = await scene.discord.click(scene.alice, card, "Edit")
    await scene.discord.submit_modal(edit, {"Title": "Bread at Dawn", "Cast": "Mira: a fox"})
    await scene.discord.wait_for(lambda: "Bread at Dawn" in card.text)
    before = card.text
    await scene.discord.click(scene.alice, card, "Reroll")
    await scene.discord.wait_for(lambda: card.text != before)
    assert "Bread at Dawn" in card.text
    assert "A fox opens a bakery" in card.text
    assert "Mira" in card.text
    assert not await scene.has_story(channel)
    await scene.discord.click(scene.alice, card, "Begin")
    await scene.discord.wait_for(lambda: card.text == "**Bread at Dawn** begins.")
    passage = await scene.passage(channel)
    assert scene.discord.bot_messages(channel)[0].content.startswith("## 📖 Bread at Dawn")
    stored = await scene.stored(channel)
    assert stored.kinds == "m"
    assert plain(passage) == stored.text.strip()


async def test_start_without_options_opens_a_form(scene: Scene) -> None:
    channel = scene.channel()
    asked = await scene.discord.slash(scene.alice, channel, "story start")
    assert asked.kind == "modal"
    sent = await scene.discord.submit_modal(
        asked, {"First sentence": "The bell rang twice."}, wait="reply"
    )
    assert "begins" in told(sent)
    await scene.passage(channel)
    assert (await scene.stored(channel)).texts[0].strip() == "The bell rang twice."


async def test_continue_takes_words_or_none(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    bare = await scene.discord.slash(scene.bob, channel, "story continue", wait="reply")
    assert told(bare) == "The model is writing …"
    second = await scene.passage(channel, [first])
    worded = await scene.discord.slash(
        scene.bob, channel, "story continue", {"text": "Bob came in."}, wait="reply"
    )
    assert told(worded) == "Added. The model is writing …"
    await scene.passage(channel, [first, second])
    stored = await scene.stored(channel)
    assert stored.kinds == "ummum"
    assert stored.texts[3].strip() == "Bob came in."
    await scene.assert_shown_once(channel)


async def test_add_keeps_words_without_an_answer(scene: Scene) -> None:
    channel = scene.channel()
    await scene.begin(channel)
    added = await scene.discord.slash(
        scene.bob, channel, "story add", {"text": "The lamp went out."}, wait="reply"
    )
    assert told(added) == "Added."
    shown = await scene.discord.wait_message(channel, lambda m: "The lamp went out." in m.content)
    await scene.discord.wait_for(lambda: "Continue" in shown.labels)
    assert "Retry" not in shown.labels
    assert (await scene.stored(channel)).kinds == "umu"
    await scene.assert_shown_once(channel)


async def test_the_write_form_opens_by_command_and_by_button(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    by_button = await scene.discord.click(scene.alice, first, "Write")
    assert by_button.kind == "modal"
    await scene.discord.submit_modal(by_button, {"What happens next?": "Rain fell.\n\nIt stayed."})
    second = await scene.passage(channel, [first])
    by_command = await scene.discord.slash(scene.alice, channel, "story write")
    await scene.discord.submit_modal(by_command, {"What happens next?": "Then snow."})
    await scene.passage(channel, [first, second])
    stored = await scene.stored(channel)
    assert stored.kinds == "umumum"
    assert [stored.texts[2].strip(), stored.texts[4].strip()] == [
        "Rain fell.\n\nIt stayed.",
        "Then snow.",
    ]


async def test_retry_writes_an_alternate_and_the_arrows_pick_one(scene: Scene) -> None:
    channel = scene.channel()
    passage = await scene.begin(channel)
    first = passage.content
    await scene.discord.click(scene.bob, passage, "Retry")
    await scene.discord.wait_for(lambda: "2/2" in passage.labels, 30)
    second = passage.content
    assert second != first
    await scene.discord.click(scene.bob, passage, "◀")
    await scene.discord.wait_for(lambda: "1/2" in passage.labels)
    assert passage.content == first
    await scene.discord.click(scene.bob, passage, "▶")
    await scene.discord.wait_for(lambda: "2/2" in passage.labels)
    assert passage.content == second
    again = await scene.discord.slash(scene.alice, channel, "story retry", wait="reply")
    assert told(again) == "The model writes another version."
    await scene.discord.wait_for(lambda: "3/3" in passage.labels, 30)
    await scene.assert_shown_once(channel)


async def test_undo_and_redo_take_whole_turns(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    await scene.discord.slash(scene.alice, channel, "story continue", {"text": "Tom sang."})
    second = await scene.passage(channel, [first])
    whole = (await scene.stored(channel)).texts
    text = second.content
    await scene.discord.click(scene.alice, second, "Undo")
    await scene.discord.wait_for(lambda: "Undone" in second.content and "Continue" in first.labels)
    assert (await scene.stored(channel)).texts == whole[:2]
    redone = await scene.discord.slash(scene.alice, channel, "story redo", wait="reply")
    assert told(redone) == "1 turn brought back."
    await scene.discord.wait_for(lambda: second.content == text and "Continue" in second.labels)
    assert (await scene.stored(channel)).texts == whole
    twice = await scene.discord.slash(
        scene.alice, channel, "story undo", {"turns": 2}, wait="reply"
    )
    assert told(twice).startswith("2 turns undone.")
    assert (await scene.stored(channel)).texts == []


async def test_edit_changes_the_wording_by_option_and_by_form(scene: Scene) -> None:
    channel = scene.channel()
    passage = await scene.begin(channel)
    options = {"text": "The wolf sang all night."}
    await scene.discord.slash(scene.alice, channel, "story edit", options, wait="reply")
    await scene.discord.wait_for(lambda: passage.content == "The wolf sang all night.")
    form = await scene.discord.slash(scene.alice, channel, "story edit")
    assert form.modal is not None
    assert form.modal.values == {"New wording": "The wolf sang all night."}
    await scene.discord.submit_modal(form, {"New wording": "The owl sang all night."})
    await scene.discord.wait_for(lambda: passage.content == "The owl sang all night.")
    await scene.assert_shown_once(channel)


async def test_show_gives_the_story_in_pages_that_turn(scene: Scene) -> None:
    channel = scene.channel()
    await scene.begin(channel, "The road went on and on. " * 70)
    for _ in range(2):
        long = {"text": "It went over hills. " * 90}
        await scene.discord.slash(scene.alice, channel, "story add", long, wait="reply")
    shown = await scene.discord.slash(scene.bob, channel, "story show", wait="reply")
    panel = shown.reply
    assert panel is not None
    assert panel.ephemeral
    assert "1/2" in panel.labels
    assert "The road went on" in panel.text
    await scene.discord.click(scene.bob, panel, "▶")
    await scene.discord.wait_for(lambda: "2/2" in panel.labels)
    assert "It went over hills." in panel.text
    assert "The road went on" not in panel.text


async def test_context_is_what_the_model_sees(scene: Scene) -> None:
    channel = scene.channel()
    await scene.begin(channel, premise="A fox at a mill", card=False)
    shown = await scene.discord.slash(scene.bob, channel, "story context", wait="reply")
    assert shown.reply is not None
    text = shown.reply.files["context.txt"].decode()
    stored = await scene.stored(channel)
    assert all(each.strip() in text for each in stored.texts)
    assert "The model sees" in told(shown)


async def test_stories_are_listed_opened_and_renamed_by_title(scene: Scene) -> None:
    channel = scene.channel()
    await scene.begin(channel, "One.", title="Alpha")
    await scene.begin_again(channel, "Two.", title="Beta")
    listed = await scene.discord.slash(scene.bob, channel, "story list", wait="reply")
    assert "**Alpha**\n-# archived" in told(listed)
    assert "**Beta**\n-# open" in told(listed)
    offered = await scene.discord.autocomplete(scene.bob, channel, "story open", "story", "alp")
    assert [each["name"] for each in offered] == ["Alpha"]
    since_s = scene.discord.now()
    opened = await scene.discord.slash(
        scene.bob, channel, "story open", {"story": offered[0]["value"]}, wait="reply"
    )
    assert told(opened) == "**Alpha** is open now."
    await scene.discord.wait_message(channel, lambda m: "Continue" in m.labels, since_s=since_s)
    assert (await scene.stored(channel)).texts[0].strip() == "One."
    renamed = await scene.discord.slash(
        scene.alice, channel, "story rename", {"title": "Gamma"}, wait="reply"
    )
    assert "Gamma" in told(renamed)
    offered = await scene.discord.autocomplete(scene.bob, channel, "story open", "story", "")
    assert {each["name"] for each in offered} == {"Gamma", "Beta"}
    lost = await scene.discord.slash(
        scene.bob, channel, "story open", {"story": "no such story"}, wait="reply"
    )
    assert "was not found" in told(lost)


async def test_an_ended_story_says_so_until_undo(scene: Scene) -> None:
    channel = scene.channel()
    first = await scene.begin(channel)
    ended = await scene.discord.slash(scene.alice, channel, "story end", wait="reply")
    assert told(ended) == "The model writes an ending."
    last = await scene.discord.wait_message(channel, lambda m: "🏁 The end." in m.content)
    assert last is not first
    assert "Continue" not in last.labels
    refused = await scene.discord.slash(scene.alice, channel, "story continue", wait="reply")
    assert "has ended" in told(refused)
    await scene.discord.click(scene.alice, last, "Undo")
    await scene.discord.wait_for(lambda: "Continue" in first.labels)
    plainly = await scene.discord.slash(
        scene.alice, channel, "story end", {"ending": False}, wait="reply"
    )
    assert "has ended" in told(plainly)
    await scene.discord.wait_for(lambda: "🏁 The end." in first.content)


async def test_delete_asks_and_removes_the_text_for_good(scene: Scene) -> None:
    channel = scene.channel()
    passage = await scene.begin(channel, "A secret village slept.", title="Secret")
    asked = await scene.discord.slash(scene.alice, channel, "story delete", wait="reply")
    assert asked.reply is not None
    assert "Secret" in told(asked)
    await scene.discord.click(scene.alice, asked.reply, "Delete for good")
    await scene.discord.wait_for(lambda: "deleted" in passage.content, 20)
    await scene.discord.wait_for(
        lambda: not any("secret" in m.text for m in scene.discord.bot_messages(channel)), 20
    )
    assert not await scene.has_story(channel)


async def test_keep_it_deletes_nothing(scene: Scene) -> None:
    channel = scene.channel()
    await scene.begin(channel)
    asked = await scene.discord.slash(scene.alice, channel, "story delete", wait="reply")
    assert asked.reply is not None
    await scene.discord.click(scene.alice, asked.reply, "Keep it")
    await scene.discord.wait_for(lambda: "Nothing was deleted." in told(asked))
    assert await scene.has_story(channel)


async def test_a_story_is_exported_as_text_markdown_and_json_and_imported(scene: Scene) -> None:
    channel, other = scene.channel(), scene.channel("other")
    await scene.begin(channel, title="Mill & Fox")
    stored = await scene.stored(channel)
    files: dict[str, bytes] = {}
    for kind in ("txt", "markdown", "json"):
        sent = await scene.discord.slash(
            scene.bob, channel, "story export", {"format": kind}, wait="reply"
        )
        assert sent.reply is not None
        files |= sent.reply.files
    assert [name.rpartition(".")[2] for name in files] == ["txt", "md", "json"]
    text, markdown, whole = files.values()
    assert OPENING in text.decode()
    assert stored.text.strip() in text.decode()
    assert markdown.decode().startswith("# ")
    assert json.loads(whole)
    brought = await scene.discord.slash(
        scene.bob, other, "story import", {"file": ("story.json", whole)}, wait="reply"
    )
    assert "is open now" in told(brought)
    await scene.passage(other)
    again = await scene.discord.slash(scene.bob, other, "story export", wait="reply")
    assert again.reply is not None
    assert [each.decode() for each in again.reply.files.values()] == [text.decode()]
    broken = await scene.discord.slash(
        scene.bob, other, "story import", {"file": ("story.json", b"{]")}, wait="reply"
    )
    assert "That cannot be used" in told(broken)
    assert len((await scene.stored(other)).texts) == 2


async def test_help_names_commands_that_can_be_clicked(scene: Scene) -> None:
    shown = await scene.discord.slash(scene.bob, scene.channel(), "story help", wait="reply")
    number = next(iter(scene.discord.state.commands.values()))[0]["id"]
    assert f"</story start:{number}>" in told(shown) or "</story start:" in told(shown)


async def test_more_offers_the_rest_by_a_select(scene: Scene) -> None:
    channel = scene.channel()
    passage = await scene.begin(channel)
    more = await scene.discord.click(scene.bob, passage, "More")
    panel = await scene.discord.wait_reply(more)
    assert panel.ephemeral
    done = await scene.discord.select(scene.bob, panel, None, ["export"], wait="reply")
    assert any(each.files for each in done.replies)


async def test_settings_are_refused_without_manage_server(scene: Scene) -> None:
    channel = scene.channel()
    with pytest.raises(ClientRefusedError):
        await scene.discord.slash(scene.bob, channel, "storyadmin settings")
    await scene.set("temperature", "0.5", channel)
    # What an integration's overwrite shows to everybody is still checked by the bot.
    for command in scene.discord.state.commands[0]:
        command["default_member_permissions"] = None
    for path, options in (
        ("storyadmin settings", {}),
        ("storyadmin set", {"name": "temperature", "value": "1.5"}),
        ("storyadmin reset", {}),
    ):
        refused = await scene.discord.slash(scene.bob, channel, path, options, wait="reply")
        assert "Manage Server" in told(refused)
    reset = await scene.discord.slash(
        scene.admin, channel, "storyadmin reset", {"name": "temperature"}, wait="reply"
    )
    assert told(reset) == "1 value was taken back for this channel."


async def test_a_setting_out_of_bounds_or_misspelt_is_refused(scene: Scene) -> None:
    channel = scene.channel()
    for name, value, sentence in (
        ("temperature", "9", "temperature goes from 0 to 2; 9 is outside."),
        ("temprature", "1", "temperature"),
        ("streaming", "perhaps", "streaming"),
    ):
        options = {"name": name, "value": value}
        refused = await scene.discord.slash(
            scene.admin, channel, "storyadmin set", options, wait="reply"
        )
        assert sentence in told(refused)
    panel = await scene.discord.slash(scene.admin, channel, "storyadmin settings", wait="reply")
    assert "this channel" not in told(panel).split("\n", 2)[2]


async def test_the_settings_panel_changes_a_value_by_form(scene: Scene) -> None:
    channel = scene.channel()
    shown = await scene.discord.slash(
        scene.admin, channel, "storyadmin settings", {"group": "sampling"}, wait="reply"
    )
    panel = shown.reply
    assert panel is not None
    form = await scene.discord.select(scene.admin, panel, "Change a setting …", ["top_k"])
    assert form.kind == "modal"
    await scene.discord.submit_modal(form, {"top_k": "12"})
    await scene.discord.wait_for(lambda: "**top\\_k**: 12 · this channel" in panel.text)


async def test_no_rule_of_discord_was_broken_and_nothing_failed(scene: Scene) -> None:
    scene.discord.assert_clean()
    scene.discord.assert_no_mass_pings()
    assert scene.problems == []
    acked = [i.acked_after_s for i in scene.discord.state.interactions.values()]
    assert max(each for each in acked if each is not None) < 3.0
