"""The whole way of a member through a story, by command, button and form."""

import json
from typing import Any

import pytest

from tests.bench.bench_scene import PATIENCE_S, assert_faultless, make_scene

BUTTONS = ["Continue", "Write", "Retry", "Undo", "More"]


async def test_a_story_is_written_from_its_card_to_its_end(  # noqa: PLR0915 -- one run, one journey
    fake: Any, bot: Any
) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    async with bot() as run:
        await run.wait_ready()
        # The card, by a form without a single option.
        form = await fake.slash(alice, here, "story start")
        assert form.kind == "modal"
        asked = await fake.submit_modal(form, {"premise": "A wolf who is afraid of the dark"})
        card = await fake.wait_reply(asked, timeout=PATIENCE_S)
        assert card.ephemeral
        assert card.labels == ["Begin", "Edit", "Plot", "Reroll"]
        assert "afraid of the dark" in card.text
        edit = await fake.click(alice, card, "Edit")
        await fake.submit_modal(edit, {"title": "The Lamp", "cast": "Mira: a shepherd"})
        await fake.wait_until(lambda: "The Lamp" in card.text and "Mira" in card.text)
        plot = await fake.click(alice, card, "Plot")
        await fake.submit_modal(plot, {"opening": "Once upon a time in a small village,"})
        await fake.wait_until(lambda: "small village" in card.text)
        before = len(card.versions)
        await fake.click(alice, card, "Reroll")
        await fake.wait_until(lambda: len(card.versions) > before, PATIENCE_S)
        assert "The Lamp" in card.text
        since = fake.now()
        await fake.click(alice, card, "Begin")
        first = await scene.passage(since)
        assert "begins" in card.text
        assert first.labels == BUTTONS
        title, opening = [m for m in fake.bot_messages(here) if not m.ephemeral][:2]
        assert "The Lamp" in title.content
        assert "Mira" in title.content
        assert "Once upon a time in a small village," in opening.content
        assert not title.data.get("interaction_metadata")  # regular messages, all of them
        assert not first.data.get("interaction_metadata")
        assert here.typing

        # Continue: by button, by command with words, by form.
        second = await scene.turn(lambda: fake.click(bob, first, "Continue"))
        told = {"text": "Mira lit the lamp.", "length": "short"}
        third = await scene.turn(lambda: fake.slash(alice, here, "story continue", told))
        assert "Mira lit the lamp." in scene.story_text()
        form = await fake.click(bob, third, "Write")
        words = {"What happens next?": "Bob wrote this by form."}
        fourth = await scene.turn(lambda: fake.submit_modal(form, words))
        form = await fake.slash(alice, here, "story write")
        words = {"text": "Alice wrote this by command."}
        fifth = await scene.turn(lambda: fake.submit_modal(form, words))
        assert "**Bob** writes" in scene.story_text()
        assert len({m.id for m in (first, second, third, fourth, fifth)}) == 5

        # Another version, and the way between them.
        version = fifth.content
        await fake.click(alice, fifth, "Retry")
        await fake.wait_until(lambda: "2/2" in fifth.labels, PATIENCE_S)
        other = fifth.content
        assert other != version
        await fake.click(bob, fifth, "◀")
        await fake.wait_until(lambda: "1/2" in fifth.labels and fifth.content == version)
        await fake.click(bob, fifth, "▶")
        await fake.wait_until(lambda: "2/2" in fifth.labels and fifth.content == other)

        # Back and forth: a pick and a retry are steps of their own.
        await fake.click(alice, fifth, "Undo")
        await fake.wait_until(lambda: "1/2" in fifth.labels and fifth.content == version)
        done = fake.slash(alice, here, "story undo", {"turns": 3})
        await scene.answer(done, "3 turns undone")
        await fake.wait_until(lambda: "Undone" in fifth.content and "Continue" in fourth.labels)
        await scene.answer(fake.slash(alice, here, "story redo", {"turns": 3}), "3 turns")
        await fake.wait_until(lambda: "Continue" in fifth.labels)

        # Only words.
        since = fake.now()
        await fake.slash(alice, here, "story add", {"text": "Only words, no answer."})
        added = await scene.passage(since)
        assert "Only words, no answer." in added.content
        assert "Retry" not in added.labels

        # Edits: with and without the form.
        await scene.answer(fake.slash(alice, here, "story edit", {"text": "Other words."}))
        await fake.wait_until(lambda: "Other words." in added.content)
        form = await fake.slash(alice, here, "story edit")
        assert form.modal["components"][0]["component"]["value"] == "Other words."
        await fake.submit_modal(form, {"text": "Words of the form."})
        await fake.wait_until(lambda: "Words of the form." in added.content)

        # Stop.
        await scene.answer(fake.slash(alice, here, "story stop"), "Nothing is being written")
        since = fake.now()
        await fake.slash(alice, here, "story continue", {"length": "long"})
        growing = await scene.growing(since)
        await fake.click(bob, growing, "Stop")
        await fake.wait_until(lambda: scene.is_at_rest(growing), PATIENCE_S)

        # The end.
        end = await scene.turn(lambda: fake.slash(alice, here, "story end"))
        assert "The end." in end.content
        assert "Continue" not in end.labels
    assert run.proc.returncode == 0
    assert_faultless(fake)


async def test_stories_are_kept_found_and_carried_away(  # noqa: PLR0915 -- one run, one journey
    bench: Any, fake: Any, bot: Any
) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    async with bot() as run:
        await run.wait_ready()
        genres = await fake.autocomplete(alice, here, "story start", "genre", "f")
        assert 0 < len(genres) <= 25
        empty = await scene.answer(fake.slash(alice, here, "story list"), "no stories")
        assert empty.ephemeral
        await scene.answer(fake.slash(alice, here, "story undo"), "no story open")
        first = await scene.begin(title="The Wolf", genre=genres[0]["value"])
        # Without a card, from an opening; the one before is archived.
        newest = await scene.begin(title="The Sea", opening="The sea was calm.")

        listed = await scene.answer(fake.slash(bob, here, "story list"), "The Wolf", "The Sea")
        choices = await fake.autocomplete(alice, here, "story open", "story", "wolf")
        assert [one["name"] for one in choices] == ["The Wolf"]
        wolf = choices[0]["value"]

        # Reading, by command and from More, the context, the help.
        await scene.answer(fake.slash(bob, here, "story show", {"story": wolf}), "The Wolf")
        shown = await scene.answer(fake.slash(bob, here, "story show"), "The sea was calm.")
        assert shown.ephemeral
        context = await scene.answer(fake.slash(bob, here, "story context"), "tokens")
        assert b"The sea was calm." in context.files["context.txt"]
        helped = await scene.answer(fake.slash(bob, here, "story help"), "/story start")
        command_id = fake.visible_commands(bob, here)["story"]["id"]
        assert f"</story start:{command_id}>" in helped.text
        panel = await fake.wait_reply(await fake.click(bob, newest, "More"))
        assert panel.ephemeral
        offered = [one["label"] for one in panel.selects[0]["options"]]
        key = panel.selects[0]["custom_id"]
        assert offered == [
            "Redo", "Edit", "Read", "Context", "Export", "Rename", "End", "Help",
        ]  # fmt: skip
        await scene.answer(fake.select(bob, panel, key, "Redo"), "nothing to redo")
        await scene.answer(fake.select(bob, panel, key, "Read"), "The sea was calm.")
        await scene.answer(fake.select(bob, panel, key, "Context"), "tokens")
        await scene.answer(fake.select(bob, panel, key, "Help"), "/story start")
        taken = await scene.answer(fake.select(bob, panel, key, "Export"), "The Sea")
        assert any(b"The sea was calm." in data for data in taken.files.values())
        form = await fake.select(bob, panel, key, "Edit")
        assert form.kind == "modal"
        form = await fake.select(bob, panel, key, "Rename")
        named = fake.submit_modal(form, {"title": "The Calm Sea"})
        await scene.answer(named, "The Calm Sea")
        assert "## 📖 The Calm Sea" in scene.story_text()
        await scene.answer(fake.slash(bob, here, "story show"), "The Calm Sea")

        # Export in all formats, and back.
        files = {}
        for kind in ("plain text", "Markdown", "JSON, to import again"):
            got = await scene.answer(fake.slash(alice, here, "story export", {"format": kind}))
            ((name, data),) = got.files.items()
            files[name.rsplit(".", 1)[1]] = data
        assert set(files) == {"txt", "md", "json"}
        json.loads(files["json"])
        other = fake.add_channel(scene.guild, "attic")
        await fake.gateway.dispatch("CHANNEL_CREATE", other.json(), guild=scene.guild)
        upload = {"file": ("story.json", files["json"])}
        await scene.answer(fake.slash(alice, other, "story import", upload), "is open now")
        brought = await fake.wait_message(other, scene.is_at_rest)
        await scene.turn(lambda: fake.click(bob, brought, "Continue"), other)
        for bad in (b"", b"not json", b'{"format": 1}', b"[" * 5000, b"\xff\xfe"):
            upload = {"file": ("story.json", bad)}
            refused = await scene.answer(fake.slash(alice, other, "story import", upload))
            assert "wrong (ref" not in refused.text, (bad, refused.text)

        # Open by the list's menu and by command, rename, end without the model, delete.
        since = fake.now()
        await fake.select(bob, listed, listed.selects[0]["custom_id"], "The Wolf")
        await scene.passage(since)
        named = {"title": "The Grey Wolf", "story": wolf}
        await scene.answer(fake.slash(alice, here, "story rename", named), "The Grey Wolf")
        await scene.answer(fake.slash(alice, here, "story end", {"ending": False}), "ended")
        choices = await fake.autocomplete(alice, here, "story open", "story", "sea")
        since = fake.now()
        await fake.slash(alice, here, "story open", {"story": choices[0]["value"]})
        await scene.passage(since)
        nowhere = fake.slash(alice, here, "story open", {"story": "nothing such"})
        await scene.answer(nowhere, "not found")
        question = await fake.wait_reply(
            await fake.slash(alice, here, "story delete", {"story": wolf})
        )
        assert question.labels == ["Delete for good", "Keep it"]
        await fake.click(alice, question, "Keep it")
        await fake.wait_until(lambda: "Nothing was deleted" in question.text)
        question = await fake.wait_reply(
            await fake.slash(alice, here, "story delete", {"story": wolf})
        )
        await fake.click(alice, question, "Delete for good")
        await fake.wait_until(lambda: "The story was deleted." in question.text)
        choices = await fake.autocomplete(alice, here, "story open", "story", "wolf")
        assert choices == []
        await fake.wait_until(lambda: first.labels == [])
        with pytest.raises(bench.ClientRefused):
            await fake.slash(alice, here, "storyadmin settings")
    assert_faultless(fake)
