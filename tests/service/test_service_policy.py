import asyncio
from dataclasses import replace

import pytest

from bot.engine.types import Chunk
from bot.errors import (
    BudgetSpentError,
    ChannelOffError,
    InvalidInputError,
    NotAllowedError,
    ScreenedError,
)
from bot.policy.screening import default_words
from bot.policy.settings import Source
from bot.service.api import ReceiptKind
from bot.service.places import channel_of, group_key, place_key, place_of, remember_place
from bot.service.settings import CACHE_S
from bot.story import tree
from bot.story.model import Concept
from bot.story.portable import export_json
from bot.story.ports import JobStatus
from tests.service.service_fakes import MemoryStore
from tests.service.service_world import World, channel, member

BAD = default_words()[0].rstrip("*")


async def test_where_stories_are_off_nothing_is_added(small_world: World) -> None:
    world = small_world
    receipt = await world.begin()
    admin = member(9, "Admin", moderates=True)
    await world.settings.set(admin, world.place, "channel", "enabled", "off")
    for call in (
        world.say("Words."),
        world.stories.retry(world.ada, world.place, key=world.key()),
        world.stories.undo(world.ada, world.place, key=world.key()),
        world.stories.stop(world.ada, world.place),
        world.stories.start(world.ada, world.place, Concept(), "New.", key=world.key()),
        world.stories.rename(world.ada, world.place, None, "New", key=world.key()),
    ):
        with pytest.raises(ChannelOffError):
            await call
    assert (await world.stories.current(world.ada, world.place)).id == receipt.story.id


async def test_only_the_author_or_a_moderator_edits_a_members_words(world: World) -> None:
    await world.begin()
    first, second = tree.path(await world.story())
    with pytest.raises(NotAllowedError):
        await world.stories.edit(world.bob, world.place, first.id, "Mine.", key=world.key())
    await world.stories.edit(world.mod, world.place, first.id, "Moderated.", key=world.key())
    await world.stories.edit(world.bob, world.place, second.id, "Anybody's.", key=world.key())
    assert await world.told() == ["Moderated.", "Anybody's."]


async def test_only_the_starter_or_a_moderator_deletes(world: World) -> None:
    receipt = await world.begin()
    with pytest.raises(NotAllowedError):
        await world.stories.delete(world.bob, world.place, receipt.story.id)
    await world.stories.delete(world.ada, world.place, receipt.story.id)
    assert await world.stories.current_or_none(world.place) is None


async def test_a_cooldown_is_charged_once_and_given_back_after_a_failure(
    small_world: World,
) -> None:
    world = small_world
    admin = member(9, "Admin", moderates=True)
    await world.settings.set(admin, world.place, "guild", "cooldown_s", "30")
    await world.begin()
    with pytest.raises(BudgetSpentError):
        await world.say("Too soon.")
    assert "Too soon." not in await world.told()
    await world.say("No answer wanted.", wants_answer=False)
    await world.finished(await world.say("Another member.", world.bob))
    world.clock.advance(31)
    world.backend.play(RuntimeError("broken"))
    await world.finished(await world.say("Now."))
    assert (await world.say(None)).kind is ReceiptKind.WRITING


async def test_words_that_are_not_allowed_are_refused_and_nothing_is_kept(
    small_world: World,
) -> None:
    world = small_world
    await world.begin()
    before = await world.told()
    with pytest.raises(ScreenedError):
        await world.say(f"You {BAD}.")
    with pytest.raises(ScreenedError):
        await world.stories.rename(world.ada, world.place, None, BAD, key=world.key())
    with pytest.raises(ScreenedError):
        await world.stories.start(world.ada, world.place, Concept(theme=BAD), None, key=world.key())
    assert await world.told() == before


async def test_output_that_is_not_allowed_is_sampled_again_and_never_shown(
    small_world: World,
) -> None:
    world = small_world
    await world.begin(wants_answer=False)
    world.backend.play(" He said", f" {BAD}", " and left.")
    world.backend.play(" He said nothing.")
    await world.finished(await world.say(None))
    assert (await world.told())[-1] == "He said nothing."
    assert all(BAD not in text for text in world.stage.presenters[-1].texts)
    assert world.backend.closed_early == 1


async def test_output_that_is_never_allowed_fails_with_a_clear_sentence(
    small_world: World,
) -> None:
    world = small_world
    await world.begin(wants_answer=False)
    for _ in range(3):
        world.backend.play(f" {BAD}.")
    receipt = await world.say("Go.")
    await world.finished(receipt)
    assert "not allowed" in str(world.stage.presenters[-1].error)
    assert (await world.job(receipt.job_id)).status is JobStatus.FAILED
    assert (await world.told())[-1] == "Go."


async def test_what_is_kept_at_a_stop_is_screened(small_world: World) -> None:
    world = small_world
    admin = member(9, "Admin", moderates=True)
    await world.begin(wants_answer=False)
    world.backend.play(" A zorblax came. And", asyncio.Event())
    await world.say(None)
    await world.backend.until_gate()
    await world.settings.set(admin, world.place, "channel", "word_list", "zorblax")
    stopped = await world.stories.stop(world.ada, world.place)
    assert stopped is not None
    assert (await world.told())[-1] == "A zorblax came."  # the rule of when it was written


async def test_screening_can_be_switched_off(small_world: World) -> None:
    world = small_world
    admin = member(9, "Admin", moderates=True)
    for name in ("screen_input", "screen_output"):
        await world.settings.set(admin, world.place, "channel", name, "off")
    await world.begin(wants_answer=False)
    world.backend.play(f" {BAD}.")
    await world.finished(await world.say(f"{BAD}!"))
    assert (await world.told())[-2:] == [f"{BAD}!", f"{BAD}."]


async def test_settings_shape_the_request(small_world: World) -> None:
    world = small_world
    admin = member(9, "Admin", moderates=True)
    for name, raw in {
        "temperature": "0,5",
        "max_passage_tokens": "64",
        "passage_length": "short",
        "streaming": "off",
    }.items():
        await world.settings.set(admin, world.place, "channel", name, raw)
    world.backend.play(Chunk(text=" Mira waved."))
    await world.begin("Mira Vale sat by the well. Mira Vale sang.")
    request = world.backend.requests[0]
    assert request.sampling.temperature == 0.5
    assert request.max_tokens == 64
    assert "Mira" in request.exempt
    assert request.cache_key == str((await world.story()).id)
    assert request.owner == place_key(world.place)
    assert request.group == f"guild:{world.place.guild_id}"
    assert not world.stage.presenters[0].view.streams
    with pytest.raises(InvalidInputError):
        await world.stories.take_turn(
            world.ada, world.place, None, key=world.key(), length="endless"
        )


async def test_settings_are_inherited_and_cached(small_world: World) -> None:
    world = small_world
    admin = member(9, "Admin", moderates=True)
    thread = replace(channel(99), parent_id=world.place.channel_id)
    await world.settings.set(admin, world.place, "guild", "cooldown_s", "5")
    row = await world.settings.set(admin, world.place, "channel", "top-k", "40")
    assert (row.value, row.source) == (40, Source.CHANNEL)
    rows = {one.setting.name: one for one in await world.settings.listing(admin, thread)}
    assert (rows["top_k"].value, rows["top_k"].source) == (40, Source.PARENT)
    assert (rows["cooldown_s"].value, rows["cooldown_s"].source) == (5.0, Source.GUILD)
    assert isinstance(world.store, MemoryStore)
    reads = world.store.setting_reads
    await world.settings.effective(thread)
    assert world.store.setting_reads == reads
    world.clock.advance(CACHE_S + 1)
    await world.settings.effective(thread)
    assert world.store.setting_reads == reads + 3
    assert await world.settings.reset(admin, world.place, "channel", None) == 1
    assert await world.settings.reset(admin, world.place, "guild", "cooldown_s") == 1
    assert (await world.settings.effective(thread)).source("top_k") is Source.DEFAULT


async def test_only_admins_see_and_change_settings(small_world: World) -> None:
    world = small_world
    for call in (
        world.settings.listing(world.ada, world.place),
        world.settings.set(world.ada, world.place, "channel", "top_k", "4"),
        world.settings.reset(world.ada, world.place, "channel", None),
    ):
        with pytest.raises(NotAllowedError):
            await call


@pytest.mark.parametrize(
    ("scope", "name", "raw"),
    [
        ("channel", "nonsense", "1"),
        ("channel", "top_k", "many"),
        ("world", "top_k", "1"),
    ],
)
async def test_wrong_settings_are_refused(
    small_world: World, scope: str, name: str, raw: str
) -> None:
    admin = member(9, "Admin", moderates=True)
    with pytest.raises(InvalidInputError):
        await small_world.settings.set(admin, small_world.place, scope, name, raw)


async def test_a_direct_message_has_no_guild_to_set_for(small_world: World) -> None:
    admin = member(9, "Admin", moderates=True)
    with pytest.raises(InvalidInputError):
        await small_world.settings.set(admin, channel(5, guild_id=None), "guild", "top_k", "1")


def test_a_guilds_places_are_one_group_and_any_other_place_is_its_own() -> None:
    assert group_key("discord:5", 7) == group_key("discord:6", 7) == "guild:7"
    assert group_key("discord:5", None) == "discord:5"


async def test_a_place_is_made_again_from_its_key(world: World) -> None:
    thread = replace(channel(99), parent_id=10, is_age_restricted=True)
    async with world.store.write() as unit:
        await remember_place(unit, thread)
        await remember_place(unit, thread)
        await unit.commit()
    async with world.store.read() as unit:
        assert await place_of(unit, place_key(thread), 7) == thread
        unknown = await place_of(unit, "discord:123", None)
        terminal = await place_of(unit, "terminal:mine", None)
    assert (unknown.channel_id, unknown.is_direct, channel_of(unknown)) == (123, True, 123)
    assert (terminal.name, place_key(terminal), channel_of(terminal)) == (
        "mine",
        "terminal:mine",
        None,
    )


async def test_an_exported_story_is_imported_whole_and_opened(world: World) -> None:
    await world.begin()
    await world.finished(await world.stories.retry(world.ada, world.place, key=world.key()))
    before = await world.told()
    exported = export_json(await world.story())
    story = await world.stories.import_(world.bob, world.place, exported.encode(), key="i:import")
    again = await world.stories.import_(world.bob, world.place, exported.encode(), key="i:import")
    assert again.id == story.id
    assert (await world.story()).id == story.id
    assert await world.told() == before
    head = tree.head_id(await world.story()) or 0
    view = await world.stories.pick(
        world.bob, world.place, key=world.key(), expected_head=head, step=1
    )
    assert tree.author_of(view.story, view.passage).name == "tiny"
    await world.finished(await world.say("On from here."))
    assert len(await world.stories.summaries(world.ada, world.place)) == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format": "other"}'])
async def test_a_file_that_is_no_story_is_refused(small_world: World, data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        await small_world.stories.import_(
            small_world.ada, small_world.place, data, key=small_world.key()
        )


async def test_an_imported_text_is_screened(small_world: World) -> None:
    world = small_world
    await world.begin("A well.", wants_answer=False)
    exported = export_json(await world.story()).replace("A well.", f"A {BAD}.")
    with pytest.raises(ScreenedError):
        await world.stories.import_(world.ada, world.place, exported.encode(), key=world.key())


async def test_context_is_what_the_model_would_see(small_world: World) -> None:
    world = small_world
    await world.begin("Once upon a time.")
    shown = await world.stories.context(world.ada, world.place)
    assert "Once upon a time." in shown.text
    assert shown.prompt_tokens <= shown.limit_tokens
    await world.finished(await world.say(None))
    sent = "".join(part.text for part in world.backend.requests[-1].prompt)
    assert sent == shown.text


async def test_a_long_storys_anchor_is_remembered_over_a_start(small_world: World) -> None:
    world = small_world
    admin = member(9, "Admin", moderates=True)
    await world.settings.set(admin, world.place, "guild", "context_tokens", "128")
    await world.begin(wants_answer=False)
    for number in range(30):
        await world.say(f"{number} " + "word " * 20 + "end.", wants_answer=False)
    await world.finished(await world.say(None))
    first = await world.stories.context(world.ada, world.place)
    await world.kill()
    await world.boot()
    second = await world.stories.context(world.ada, world.place)
    assert first.anchor is not None
    assert second == first
