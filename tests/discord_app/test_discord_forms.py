"""Forms: their state, their text, and that neither is lost."""

from typing import Any

from simcord.actors import _dispatch_actor_interaction

from tests.discord_app.discord_world import ANSWERS, World


async def test_a_form_submitted_after_a_restart_is_served(world: World) -> None:
    await world.begin()
    shown = await world.bob.click(world.newest(), label="Write")
    await world.restart()
    await world.bob.submit_modal(shown, {"text": "Written before the crash."})
    assert (await world.texts())[2] == "Written before the crash."


async def test_two_members_with_the_same_form_are_both_served(world: World) -> None:
    await world.begin()
    first = await world.bob.click(world.newest(), label="Write")
    second = await world.alice.click(world.newest(), label="Write")
    await world.alice.submit_modal(second, {"text": "Alice was first."})
    await world.bob.submit_modal(first, {"text": "Bob was second."})
    texts = await world.texts()
    assert "Alice was first." in texts
    assert "Bob was second." in texts


async def test_text_that_is_refused_is_given_back(world: World) -> None:
    await world.begin()
    shown = await world.bob.click(world.newest(), label="Write")
    await world.begin("Another story.")
    done = await world.bob.submit_modal(shown, {"text": "My precious words."})
    (answer,) = [*done.followups, *([done.response] if done.response else [])]
    assert "moved on" in answer.content
    (file,) = answer.attachments
    assert await file.read() == b"My precious words."


async def test_an_unknown_form_is_answered_with_its_text(world: World) -> None:
    result = await _submit(world, "rt9:form", "Words of another version.")
    assert result.response is not None
    assert "another version" in result.response.content
    assert await result.response.attachments[0].read() == b"Words of another version."


async def test_a_form_in_the_old_layout_is_read_too(world: World) -> None:
    await world.begin()
    story = await world.story()
    from bot.discord_app.custom_ids import Ref  # noqa: PLC0415 -- beside its use

    row = {"type": 1, "components": [{"type": 4, "custom_id": "text", "value": "In a row."}]}
    await _submit(world, str(Ref("add", story.id)), "", components=[row])
    assert (await world.texts())[-1] == "In a row."


async def test_the_start_form_with_a_first_sentence_alone_begins_at_once(world: World) -> None:
    shown = await world.alice.slash(world.channel, "story start")
    await world.alice.submit_modal(shown, {"opening": "It was late."})
    assert await world.texts() == ["It was late.", ANSWERS[0].strip()]


async def test_a_passage_too_long_for_a_form_is_not_cut(world: World) -> None:
    await world.begin()
    await world.admin.slash(world.channel, "storyadmin set", name="input_limit", value="20000")
    await world.alice.slash(world.channel, "story add", text="The sea was loud. " * 300)
    result = await world.alice.slash(world.channel, "story edit")
    assert result.modal is None
    assert "characters and a form takes 4000" in result.response.content  # type: ignore[union-attr]


async def _submit(
    world: World, custom_id: str, text: str, *, components: list[dict[str, Any]] | None = None
) -> Any:
    label = {"type": 18, "component": {"type": 4, "custom_id": "text", "value": text}}
    return await _dispatch_actor_interaction(
        world.alice,
        5,
        world.channel,
        {"custom_id": custom_id, "components": components or [label]},
    )
