"""Buttons: who presses, when, twice, on old messages, after a restart."""

import asyncio
import json

import pytest

from bot.discord_app.custom_ids import parse
from tests.discord_app.discord_world import ANSWERS, World, custom_ids, labels, press, words_of


async def test_anybody_may_press_continue(world: World) -> None:
    await world.begin()
    result = await world.bob.click(world.newest(), label="Continue")
    assert result.acknowledged
    assert not result.followups
    assert (await world.texts())[-1] == ANSWERS[1].strip()


async def test_buttons_stand_under_the_newest_passage_only(world: World) -> None:
    await world.begin()
    first = world.newest().id
    await world.bob.click(world.newest(), label="Continue")
    await world.env.settle()
    armed = [message.id for message in world.said() if message.components]
    assert armed == [world.newest().id]
    assert first not in armed


async def test_an_old_button_is_refused(world: World) -> None:
    await world.begin()
    old = world.newest()
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=403, code=50013, times=None)
    await world.alice.slash(world.channel, "story add", text="Meanwhile, Bob slept.")
    result = await world.bob.click(old, label="Continue")
    assert "moved on" in result.followups[0].content
    assert result.followups[0].ephemeral
    assert len(await world.texts()) == 3


async def test_two_presses_at_once_add_one_passage(world: World) -> None:
    await world.begin()
    gate = world.backend.hold()
    button = world.newest()
    await world.bob.click(button, label="Continue")
    result = await world.alice.click(button, label="Continue")
    assert "being written" in result.followups[0].content
    gate.set()
    await world.env.settle()
    assert len(await world.texts()) == 3


async def test_retry_and_the_arrows_go_round_the_alternates(world: World) -> None:
    await world.begin()
    await world.bob.click(world.newest(), label="Retry")
    await world.bob.click(world.newest(), label="Retry")
    assert world.newest().content == ANSWERS[2].strip()
    assert "3/3" in labels(world.newest())
    await world.alice.click(world.newest(), label="▶")
    assert world.newest().content == ANSWERS[0].strip()
    assert "1/3" in labels(world.newest())
    await world.alice.click(world.newest(), label="◀")
    assert world.newest().content == ANSWERS[2].strip()
    assert len(world.said()) == 3


async def test_undo_of_a_retry_brings_the_old_wording_back(world: World) -> None:
    await world.begin()
    await world.bob.click(world.newest(), label="Retry")
    await world.bob.click(world.newest(), label="Undo")
    assert world.newest().content == ANSWERS[0].strip()
    assert len(world.said()) == 3


async def test_undo_while_the_model_writes_takes_the_turn_back(world: World) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.bob.slash(world.channel, "story continue", text="Bob came in.")
    assert labels(world.said()[-1]) == ["Stop"]
    await world.bob.slash(world.channel, "story undo")
    gate.set()
    await world.env.settle()
    assert await world.texts() == ["Once upon a time there was a house.", ANSWERS[0].strip()]
    assert world.said()[-1].content.startswith("-# ↶ Undone")
    assert world.newest().content == ANSWERS[0].strip()


async def test_a_retry_that_is_undone_while_it_is_written_restores_the_wording(
    world: World,
) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.bob.click(world.newest(), label="Retry")
    assert labels(world.newest()) == ["Stop"]
    await world.bob.slash(world.channel, "story undo")
    gate.set()
    await world.env.settle()
    assert world.newest().content == ANSWERS[0].strip()
    assert labels(world.newest())[0] == "Continue"


async def test_write_opens_a_form_whose_text_is_added(world: World) -> None:
    await world.begin()
    result = await world.bob.click(world.newest(), label="Write")
    assert result.modal is not None
    done = await world.bob.submit_modal(result, {"text": "Bob wrote a lot."})
    assert done.acknowledged
    assert not done.followups
    assert (await world.texts())[2] == "Bob wrote a lot."


async def test_write_of_a_closed_story_is_refused(world: World) -> None:
    await world.begin()
    write = next(one for one in custom_ids(world.newest()) if ":write:" in one)
    await world.begin("Another story.")
    assert "moved on" in await press(world, world.newest(), write)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("context", "The model sees"),
        ("show", "Once upon a time"),
        ("help", "Roundtale"),
        ("export", "Here is"),
    ],
)
async def test_more_offers_the_rest(world: World, choice: str, expected: str) -> None:
    await world.begin()
    panel = await world.bob.click(world.newest(), label="More")
    assert panel.response is not None
    assert panel.response.ephemeral
    result = await world.bob.select(panel.response, [choice])
    answer = result.followups[0] if result.followups else result.response
    assert answer is not None
    assert expected in answer.content + words_of(answer.components)


async def test_more_redoes_edits_renames_and_ends(world: World) -> None:
    await world.begin()
    await world.bob.click(world.newest(), label="Continue")
    await world.bob.click(world.newest(), label="Undo")
    panel = await world.bob.click(world.newest(), label="More")
    assert panel.response is not None
    await world.bob.select(panel.response, ["redo"])
    assert len(await world.texts()) == 3
    form = await world.bob.select(panel.response, ["edit"])
    await world.bob.submit_modal(form, {"text": "The clock was silent."})
    assert (await world.texts())[-1] == "The clock was silent."
    form = await world.bob.select(panel.response, ["rename"])
    done = await world.bob.submit_modal(form, {"title": "The Clock"})
    assert "The Clock" in done.followups[0].content
    await world.bob.select(panel.response, ["end"])
    assert (await world.story()).status == 1


async def test_buttons_work_after_a_restart(world: World) -> None:
    await world.begin()
    await world.restart()
    await world.bob.click(world.newest(), label="Continue")
    assert (await world.texts())[-1] == ANSWERS[1].strip()


async def test_a_card_survives_a_restart_and_can_be_begun_once(world: World) -> None:
    result = await world.alice.slash(world.channel, "story start", title="The Lamp")
    card = result.response
    assert card is not None
    begin = next(one for one in _ids(card.components) if (ref := parse(one)) and ref.act == "begin")
    await world.restart()
    await world.alice.click(card, label="Begin")
    assert len(await world.texts()) == 1
    again = await press(world, card.message, begin)
    assert "was not found" in again


async def test_somebody_elses_card_is_refused(world: World) -> None:
    result = await world.alice.slash(world.channel, "story start", title="The Lamp")
    assert result.response is not None
    form_id = next(one for one in _ids(result.response.components) if ":card_edit:" not in one)
    await world.begin()
    # The card is ephemeral; another member can only reach it with a forged custom_id.
    said = await press(world, world.newest(), form_id, user=world.bob)
    assert "somebody else's" in said


@pytest.mark.parametrize("custom_id", ["rt1:nonsense:1:1", "rt0:old", "", "rt1:undo:???:1"])
async def test_a_button_of_another_version_is_answered(world: World, custom_id: str) -> None:
    await world.begin()
    said = await press(world, world.newest(), custom_id)
    assert "another version" in said


async def test_a_button_that_discord_py_drops_is_served(world: World) -> None:
    await world.begin()
    button = next(one for one in custom_ids(world.newest()) if ":continue:" in one)
    title = world.said()[0]  # no such button stands under it, so no item is found for it
    await press(world, title, button)
    assert (await world.texts())[-1] == ANSWERS[1].strip()


async def test_a_broken_act_is_told_with_the_reference_of_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await world.begin()

    async def explode(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    monkeypatch.setattr(world.stories, "take_turn", explode)
    result = await world.bob.click(world.newest(), label="Continue")
    said = result.followups[0].content
    assert said.startswith("Something went wrong (ref ")
    record = next(one for one in caplog.records if one.exc_info)
    assert record.reference in said  # type: ignore[attr-defined]


def _ids(components: object) -> list[str]:
    text = json.dumps(components)
    return [part.split('"')[0] for part in text.split('"custom_id": "')[1:]]
