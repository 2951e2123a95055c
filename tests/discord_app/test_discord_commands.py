"""Each command once, with its effect on the story."""

import json

import pytest

from bot.policy.rights import Place
from bot.story import tree
from bot.story.ids import encode_id
from bot.story.model import StoryStatus
from tests.discord_app.discord_world import ANSWERS, World, labels, words_of


def _said(result: object) -> str:
    response = result.response  # type: ignore[attr-defined]
    assert response is not None
    assert response.ephemeral
    return str(response.content) or words_of(response.components)


async def test_a_first_sentence_begins_a_story_at_once(world: World) -> None:
    result = await world.begin()
    assert result.acknowledged
    assert "begins" in _said(result)
    title, opening, answer = world.said()
    assert title.content == "## 📖 A new story\n-# begun by **Alice**"
    assert opening.content == "-# **Alice** writes\nOnce upon a time there was a house."
    assert answer.content == ANSWERS[0].strip()
    assert labels(answer) == ["Continue", "Write", "Retry", "Undo", "More"]
    assert await world.texts() == ["Once upon a time there was a house.", ANSWERS[0].strip()]


async def test_start_without_options_opens_a_form(world: World) -> None:
    result = await world.alice.slash(world.channel, "story start")
    assert result.modal is not None
    assert not result.deferred
    done = await world.alice.submit_modal(
        result, {"premise": "A lighthouse keeper finds a map.", "title": "The Map"}
    )
    assert "The Map" in words_of(done.response.components)  # type: ignore[union-attr]


async def test_a_concept_card_is_shown_edited_rerolled_and_begun(world: World) -> None:
    result = await world.alice.slash(
        world.channel, "story start", title="The Lamp", genre="mystery"
    )
    card = result.response
    assert card is not None
    assert card.ephemeral
    assert "The Lamp" in words_of(card.components)
    assert not world.said()
    form = await world.alice.click(card, label="Edit")
    assert form.modal is not None
    await world.alice.submit_modal(form, {"title": "The Old Lamp", "cast": "Ida, a diver"})
    assert "The Old Lamp" in words_of(result.response.components)  # type: ignore[union-attr]
    assert "Ida" in words_of(result.response.components)  # type: ignore[union-attr]
    form = await world.alice.click(card, label="Plot")
    plot = {"plot": "The lamp goes out.\nIda dives.", "format": ["screenplay"]}
    await world.alice.submit_modal(form, plot)
    assert "Screenplay" in words_of(result.response.components)  # type: ignore[union-attr]
    assert "The lamp goes out" in words_of(result.response.components)  # type: ignore[union-attr]
    await world.alice.click(card, label="Reroll")
    await world.alice.click(card, label="Begin")
    assert "begins" in words_of(result.response.components)  # type: ignore[union-attr]
    title = world.said()[0].content
    assert "The Old Lamp" in title
    assert "begun by **Alice**" in title
    assert "With Ida" in title
    assert tree.concept(await world.story()).title == "The Old Lamp"
    assert len(await world.texts()) == 1


async def test_without_a_card_the_concept_is_made_and_begun(world: World) -> None:
    result = await world.alice.slash(
        world.channel, "story start", premise="A lamp speaks.", card=False
    )
    assert "begins" in _said(result)
    assert tree.concept(await world.story()).premise == "A lamp speaks."


async def test_continue_adds_words_and_is_answered(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story continue", text="Bob knocked.")
    assert _said(result).startswith("Added.")
    assert await world.texts() == [
        "Once upon a time there was a house.",
        ANSWERS[0].strip(),
        "Bob knocked.",
        ANSWERS[1].strip(),
    ]
    assert world.said()[-2].content == "-# **Bob** writes\nBob knocked."


async def test_continue_without_words_lets_the_model_go_on(world: World) -> None:
    await world.begin()
    await world.bob.slash(world.channel, "story continue", length="short")
    assert (await world.texts())[-1] == ANSWERS[1].strip()


async def test_write_opens_a_form_for_longer_text(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story write")
    assert result.modal is not None
    await world.bob.submit_modal(result, {"text": "A long passage. " * 20})
    assert (await world.texts())[2].startswith("A long passage.")


async def test_add_is_not_answered(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story add", text="Bob waited.")
    assert _said(result) == "Added."
    assert (await world.texts())[-1] == "Bob waited."
    assert labels(world.newest()) == ["Continue", "Write", "Undo", "More"]


async def test_retry_writes_an_alternate_into_the_same_message(world: World) -> None:
    await world.begin()
    before = world.newest()
    await world.bob.slash(world.channel, "story retry")
    after = world.newest()
    assert after.id == before.id
    assert after.content == ANSWERS[1].strip()
    assert "2/2" in labels(after)
    assert len(world.said()) == 3


async def test_undo_leaves_a_note_and_redo_brings_the_text_back(world: World) -> None:
    await world.begin()
    await world.alice.slash(world.channel, "story continue")
    result = await world.bob.slash(world.channel, "story undo")
    assert _said(result).startswith("1 turn undone")
    assert await world.texts() == ["Once upon a time there was a house.", ANSWERS[0].strip()]
    assert world.said()[-1].content.startswith("-# ↶ Undone")
    assert world.newest().content == ANSWERS[0].strip()
    result = await world.bob.slash(world.channel, "story redo")
    assert _said(result) == "1 turn brought back."
    assert world.said()[-1].content == ANSWERS[1].strip()
    assert world.newest().id == world.said()[-1].id


async def test_several_turns_are_undone_at_once(world: World) -> None:
    await world.begin()
    for _ in range(2):
        await world.alice.slash(world.channel, "story continue")
    result = await world.alice.slash(world.channel, "story undo", turns=2)
    assert _said(result).startswith("2 turns undone")
    assert len(await world.texts()) == 2


async def test_edit_changes_the_newest_passage(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story edit", text="The door stayed shut.")
    assert "differently" in _said(result)
    assert world.newest().content == "The door stayed shut."


async def test_edit_without_text_opens_a_form_with_the_old_wording(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story edit")
    assert result.modal is not None
    assert ANSWERS[0].strip() in json.dumps(result.modal)
    await world.bob.submit_modal(result, {"text": "Nothing stirred."})
    assert (await world.texts())[-1] == "Nothing stirred."


async def test_show_gives_the_story_page_by_page(world: World) -> None:
    await world.begin("The sea was loud. " * 150)
    for _ in range(2):
        await world.alice.slash(world.channel, "story add", text="The sea was loud. " * 150)
    result = await world.bob.slash(world.channel, "story show")
    first = words_of(result.response.components)  # type: ignore[union-attr]
    assert "The sea was loud." in first
    assert result.response is not None
    await world.bob.click(result.response, label="▶")
    second = json.dumps(result.response.components)
    assert '"2/3"' in second
    await world.bob.click(result.response, label="⏭")
    assert '"3/3"' in json.dumps(result.response.components)


async def test_context_is_given_as_a_file(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story context")
    assert "The model sees **" in _said(result)
    assert [file.filename for file in result.response.attachments] == ["context.txt"]  # type: ignore[union-attr]


async def test_list_open_and_autocomplete_find_stories_by_title(world: World) -> None:
    await world.begin(title="The Old Lamp")
    first = await world.story()
    await world.begin("A ship came in.", title="Seven Gulls")
    result = await world.bob.slash(world.channel, "story list")
    listed = words_of(result.response.components)  # type: ignore[union-attr]
    assert "The Old Lamp" in listed
    assert "Seven Gulls" in listed
    choices = await world.bob.autocomplete(world.channel, "story open", "story", "old")
    assert choices == [{"name": "The Old Lamp", "value": encode_id(first.id)}]
    await world.bob.slash(world.channel, "story open", story=choices[0]["value"])
    assert (await world.story()).id == first.id
    title, passage = world.said()[-2:]
    assert "The Old Lamp" in title.content
    assert passage.content == ANSWERS[0].strip()
    assert labels(passage)[0] == "Continue"


async def test_a_story_is_opened_from_the_list(world: World) -> None:
    await world.begin(title="The Old Lamp")
    first = await world.story()
    await world.begin("A ship came in.", title="Seven Gulls")
    result = await world.bob.slash(world.channel, "story list")
    assert result.response is not None
    await world.bob.select(result.response, [encode_id(first.id)])
    assert (await world.story()).id == first.id


async def test_rename(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story rename", title="The *New* Lamp")
    assert r"The \*New\* Lamp" in _said(result)
    assert tree.title(await world.story()) == "The *New* Lamp"


async def test_end_lets_the_model_write_an_ending(world: World) -> None:
    await world.begin()
    await world.bob.slash(world.channel, "story end")
    assert (await world.story()).status is StoryStatus.ENDED
    assert world.newest().content.endswith("-# 🏁 The end.")
    assert labels(world.newest()) == ["Retry", "Undo", "More"]
    result = await world.bob.slash(world.channel, "story continue")
    assert "has ended" in _said(result)


async def test_end_as_it_stands(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story end", ending=False)
    assert "has ended" in _said(result)
    assert world.newest().content.endswith("-# 🏁 The end.")


async def test_delete_asks_first(world: World) -> None:
    await world.begin(title="The Lamp")
    story = await world.story()
    result = await world.alice.slash(world.channel, "story delete")
    assert result.response is not None
    assert "for good" in words_of(result.response.components)
    await world.alice.click(result.response, label="Delete for good")
    assert "deleted" in words_of(result.response.components)
    async with world.store.read() as unit:
        assert await unit.stories.current(f"discord:{world.channel.id}") is None
    assert story.passages
    assert all("deleted" in message.content for message in world.said()[1:])


async def test_a_deletion_can_be_thought_better_of(world: World) -> None:
    await world.begin()
    result = await world.alice.slash(world.channel, "story delete")
    assert result.response is not None
    await world.alice.click(result.response, label="Keep it")
    assert len(await world.texts()) == 2


@pytest.mark.parametrize(
    ("wanted", "suffix", "holds"),
    [
        ("txt", ".txt", b"Once upon"),
        ("markdown", ".md", b"# "),
        ("fountain", ".fountain", b"Title: The Lamp"),
        ("json", ".json", b"{"),
    ],
)
async def test_export_gives_a_file_and_import_takes_it_back(
    world: World, wanted: str, suffix: str, holds: bytes
) -> None:
    await world.begin(title="The Lamp")
    result = await world.bob.slash(world.channel, "story export", format=wanted)
    assert result.response is not None
    (file,) = result.response.attachments
    assert file.filename == f"the-lamp{suffix}"
    data = await file.read()
    assert holds in data
    if wanted == "json":
        other = world.guild.create_text_channel("elsewhere")
        done = await world.bob.slash(other, "story import", file=("lamp.json", data))
        assert "is open now" in _said(done)
        assert (await world.texts(other)) == await world.texts()
        assert world.newest(other).content == ANSWERS[0].strip()


async def test_an_import_that_is_no_story_is_refused_in_a_sentence(world: World) -> None:
    result = await world.bob.slash(
        world.channel, "story import", file=("x.json", b"\x00 not a story")
    )
    assert _said(result)
    assert not world.said()


async def test_stop_without_a_passage_under_way_says_so(world: World) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story stop")
    assert _said(result) == "Nothing is being written right now."


async def test_stop_keeps_what_is_whole(world: World) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.alice.slash(world.channel, "story continue")
    assert labels(world.newest()) == ["Stop"]
    await world.bob.click(world.newest(), label="Stop")
    gate.set()
    await world.env.settle()
    assert not await world.stories.is_writing(
        Place(platform="discord", guild_id=world.guild.id, channel_id=world.channel.id)
    )


async def test_help_mentions_the_commands(world: World) -> None:
    result = await world.bob.slash(world.channel, "story help")
    assert "</story start:" in words_of(result.response.components)  # type: ignore[union-attr]


async def test_genres_are_offered(world: World) -> None:
    choices = await world.bob.autocomplete(world.channel, "story start", "genre", "fan")
    assert [choice["value"] for choice in choices] == ["fantasy"]


async def test_commands_without_a_story_say_how_to_begin_one(world: World) -> None:
    for command in ("continue", "retry", "undo", "redo", "show", "context", "end", "stop", "write"):
        result = await world.bob.slash(world.channel, f"story {command}")
        assert "/story start" in _said(result), command


async def test_start_offers_and_takes_the_formats_that_are_on(world: World) -> None:
    offered = await world.bob.autocomplete(world.channel, "story start", "format", "")
    assert [choice["value"] for choice in offered] == ["prose", "fable", "screenplay", "lesson"]
    await world.admin.slash(
        world.channel, "storyadmin set", name="formats", value="fable, lesson", scope="channel"
    )
    offered = await world.bob.autocomplete(world.channel, "story start", "format", "words and")
    assert [choice["value"] for choice in offered] == ["lesson"]
    for wrong, said in (("prose", "fable, lesson"), ("sonnet", "prose")):
        result = await world.bob.slash(
            world.channel, "story start", premise="A fox.", format=wrong, card=True
        )
        assert said in _said(result)
    shown = await world.bob.slash(world.channel, "story start", premise="A fox.", card=True)
    assert "Fable" in _said(shown)
    await world.admin.slash(
        world.channel, "storyadmin set", name="genres", value="western", scope="channel"
    )
    offered = await world.bob.autocomplete(world.channel, "story start", "genre", "")
    assert [choice["value"] for choice in offered] == ["western"]


async def test_start_takes_a_format_and_shows_it_on_the_card(world: World) -> None:
    shown = await world.bob.slash(
        world.channel, "story start", premise="A fox.", format="lesson", age=8, card=True
    )
    assert "Lesson" in _said(shown)
    assert "(8)" in _said(shown)


async def test_a_lesson_gives_its_questions_to_who_ended_it(world: World) -> None:
    opening = (
        "The grandmother carried the lantern through the narrow valley. Mira followed the old"
        " fisherman to the harbour. They discovered a silver key under the enormous stones."
    )
    await world.bob.slash(
        world.channel, "story start", opening=opening, format="lesson", age=8, card=False
    )
    result = await world.bob.slash(world.channel, "story end")
    assert result.response is not None
    (file,) = result.response.attachments
    assert b"Answers" in await file.read()
