import asyncio
from dataclasses import replace

import pytest

from bot.engine.backend import Backend
from bot.engine.scripted import ScriptedBackend
from bot.engine.types import Chunk, ScoreRequest
from bot.errors import (
    BusyError,
    EngineStoppedError,
    ModelUnavailableError,
    NotAllowedError,
    NotFoundError,
    PinnedTooLargeError,
    QueueFullError,
    ScreenedError,
    UnknownCommandError,
)
from bot.policy.screening import default_words
from bot.service.api import ReceiptKind
from bot.service.clock import SystemClock
from bot.service.concept_fields import CANDIDATES
from bot.service.concepts import ConceptService, DraftCard
from bot.service.engine_holder import EngineHolder
from bot.service.places import place_key
from bot.story import tree
from bot.story.concept import Wish
from bot.story.model import CastMember, Concept
from tests.service.service_fakes import INFO, FakeBackend
from tests.service.service_world import World

GIVEN = Wish(
    premise="A girl finds a well that sings.",
    title="The Well",
    genre="fairy tale",
    theme="courage",
    setting="a village in the hills",
    cast=(CastMember(name="Mira", line="a curious girl"),),
    plot=("Mira hears the well", "Mira climbs down", "Mira comes home"),
)


async def draft(world: World, wish: Wish = GIVEN, opening: str | None = None) -> DraftCard:
    return await world.concepts.draft(world.ada, world.place, wish, opening, key=world.key())


async def test_what_the_member_gave_is_kept_and_nothing_is_asked(world: World) -> None:
    card = await draft(world, opening="The well sang.")
    assert card.concept.title == "The Well"
    assert card.concept.cast[0].name == "Mira"
    assert card.opening == "The well sang."
    assert card.invented == frozenset()
    assert card.owner_user_id == world.ada.user_id
    assert not world.backend.requests


async def test_missing_fields_are_asked_of_the_model_and_parsed(world: World) -> None:
    world.backend.play(" The Singing Stone\nMore")
    card = await draft(world, replace(GIVEN, title=""))
    assert card.concept.title == "The Singing Stone"
    assert card.invented == frozenset()
    assert world.backend.requests[0].stop == ("\n",)


async def test_fields_are_asked_for_in_the_name_of_the_place(small_world: World) -> None:
    world = small_world
    world.backend.play(" The Singing Stone\nMore")
    card = await draft(world, replace(GIVEN, title=""))
    world.backend.play(" The Crying Stone\nMore")
    await world.concepts.reroll(world.ada, card.id, "title")
    direct = replace(world.place, guild_id=None, channel_id=77, is_direct=True)
    world.backend.play(" The Singing Stone\nMore")
    await world.concepts.draft(world.ada, direct, replace(GIVEN, title=""), None, key=world.key())
    key = place_key(world.place)
    asked = [(request.owner, request.group) for request in world.backend.requests]
    assert asked == [
        *[(key, f"guild:{world.place.guild_id}")] * 2 * CANDIDATES,
        *[("discord:77", "discord:77")] * CANDIDATES,
    ]


async def titled(world: World, backend: ScriptedBackend) -> DraftCard:
    await world.boot(EngineHolder.of(backend))
    return await draft(world, replace(GIVEN, title="", premise="A lost well sings at night."))


async def test_of_eight_candidates_the_one_that_the_story_makes_likeliest_is_taken(
    world: World,
) -> None:
    def score(request: ScoreRequest) -> float:
        is_told = "sings at night" in request.prompt[0].text
        # The plain one is the likeliest of all, and gains nothing from the story.
        if request.text == " The House":
            return -1.0
        return -2.0 if is_told and request.text == " The Song at Night" else -9.0

    titles = [
        " The House",
        " The Song at Night",
        " A Red Door",
        " ",
        " The House",
        " 77777",
        " x|y",
    ]
    backend = ScriptedBackend([*titles, " The Last Room"], score=score)
    card = await titled(world, backend)
    assert card.concept.title == "The Song at Night"
    assert len(backend.requests) == CANDIDATES
    assert len({request.seed for request in backend.requests}) == CANDIDATES
    assert len({(request.prompt[0].text, request.cache_key) for request in backend.requests}) == 1


async def test_candidates_that_cannot_be_ranked_or_written_leave_one_that_was(world: World) -> None:
    def score(request: ScoreRequest) -> float:
        raise QueueFullError(waiting=9)

    backend = ScriptedBackend(
        [QueueFullError(waiting=9), " The Song at Night", " The Red Door"], score=score
    )
    card = await titled(world, backend)
    assert card.concept.title == "The Song at Night"
    assert card.invented == frozenset()


def concepts_of(world: World, **patience_s: float) -> ConceptService:
    return ConceptService(
        world.store,
        world.stories.desk.engine,
        stories=world.stories,
        settings=world.settings,
        clock=world.clock,
        new_id=world.new_id,
        **patience_s,
    )


async def test_what_the_model_does_not_answer_well_is_invented_and_marked(world: World) -> None:
    for _ in range(6):
        world.backend.play("")
    card = await draft(world, Wish(premise="A dragon wakes."))
    assert card.invented == {"title", "genre", "theme", "setting", "cast", "plot"}
    assert card.concept.title
    assert card.concept.plot


async def test_a_model_that_fails_or_hangs_does_not_keep_the_card_away(
    small_world: World,
) -> None:
    world = small_world
    world.backend.play(RuntimeError("broken"))
    impatient = concepts_of(world, patience_s=0.01)
    for _ in range(5):
        world.backend.play(Chunk(text=" Some"), asyncio.Event())
    card = await impatient.draft(world.ada, world.place, Wish(), None, key=world.key())
    assert len(card.invented) == 6


async def test_a_model_that_still_loads_leaves_the_card_to_the_tables(
    small_world: World,
) -> None:
    world = small_world

    async def load() -> Backend:
        raise EngineStoppedError

    await world.boot(EngineHolder(load))
    card = await draft(world, Wish(premise="A dragon wakes."))
    assert len(card.invented) == 6


async def test_a_card_does_not_wait_for_loading_as_it_does_for_answers(small_world: World) -> None:
    world = small_world
    loaded = asyncio.Event()

    async def load() -> Backend:
        await loaded.wait()
        return world.backend

    await world.boot(EngineHolder(load))
    concepts = concepts_of(world, patience_s=60.0, loading_patience_s=0.01)
    async with asyncio.timeout(10.0):
        card = await concepts.draft(
            world.ada, world.place, replace(GIVEN, title=""), None, key=world.key()
        )
    assert card.invented == {"title"}
    loaded.set()
    world.backend.play(" The Singing Stone\nMore")
    async with asyncio.timeout(10.0):
        await world.stories.desk.engine.get()
        card = await concepts.reroll(world.ada, card.id, None)
    assert card.concept.title == "The Singing Stone"
    assert card.invented == frozenset()


async def test_an_answer_that_is_not_allowed_is_not_taken(small_world: World) -> None:
    world = small_world
    world.backend.play(f" The {default_words()[0].rstrip('*')}")
    card = await draft(world, replace(GIVEN, title=""))
    assert card.invented == {"title"}


async def test_the_same_key_gives_the_same_card(world: World) -> None:
    first = await world.concepts.draft(world.ada, world.place, GIVEN, None, key="i:d")
    second = await world.concepts.draft(world.ada, world.place, GIVEN, None, key="i:d")
    assert first.id == second.id


async def test_a_card_survives_a_restart_and_is_its_owners_alone(world: World) -> None:
    card = await draft(world)
    await world.kill()
    await world.boot()
    assert await world.concepts.get(world.ada, card.id) == card
    for call in (
        world.concepts.get(world.bob, card.id),
        world.concepts.reroll(world.bob, card.id, None),
        world.concepts.edit(world.bob, card.id, {"title": "Mine"}),
        world.concepts.begin(world.bob, world.place, card.id, key=world.key()),
    ):
        with pytest.raises(NotAllowedError):
            await call


async def test_reroll_changes_one_field_or_all_that_were_not_given(world: World) -> None:
    card = await draft(world, Wish(premise="A dragon wakes.", title="Fire"))
    changed = await world.concepts.reroll(world.ada, card.id, "theme")
    assert changed.concept.theme != card.concept.theme
    assert changed.concept.setting == card.concept.setting
    all_new = await world.concepts.reroll(world.ada, card.id, None)
    assert all_new.concept.title == "Fire"
    assert all_new.concept != changed.concept
    assert await world.concepts.get(world.ada, card.id) == all_new
    with pytest.raises(UnknownCommandError):
        await world.concepts.reroll(world.ada, card.id, "colour")


async def test_reroll_of_a_card_that_is_all_given_changes_nothing(world: World) -> None:
    card = await draft(world)
    assert await world.concepts.reroll(world.ada, card.id, None) == card


async def test_edit_changes_fields_by_hand(world: World) -> None:
    card = await draft(world, Wish(premise="A dragon wakes."))
    edited = await world.concepts.edit(
        world.ada,
        card.id,
        {
            "title": "  Fire ",
            "cast": "Bo: a miner\nKim",
            "premise": "A dragon sleeps.",
            "opening": "It snored.",
            "genre": card.concept.genre,
        },
    )
    assert edited.concept.title == "Fire"
    assert [one.name for one in edited.concept.cast] == ["Bo", "Kim"]
    assert edited.concept.premise == "A dragon sleeps."
    assert edited.opening == "It snored."
    assert not {"title", "cast"} & edited.invented
    again = await world.concepts.reroll(world.ada, card.id, None)
    assert again.concept.title == "Fire"
    assert (await world.concepts.edit(world.ada, card.id, {"opening": " "})).opening is None
    with pytest.raises(UnknownCommandError):
        await world.concepts.edit(world.ada, card.id, {"colour": "red"})
    with pytest.raises(ScreenedError):
        await world.concepts.edit(world.ada, card.id, {"title": default_words()[0].rstrip("*")})


async def test_a_concept_that_would_crowd_out_the_story_is_refused(world: World) -> None:
    card = await draft(world)
    with pytest.raises(PinnedTooLargeError):
        await world.concepts.edit(world.ada, card.id, {"premise": "dragon " * 1100})
    assert await world.concepts.get(world.ada, card.id) == card


async def test_begin_starts_the_story_and_the_card_is_gone(world: World) -> None:
    card = await draft(world, opening="The well sang.")
    receipt = await world.concepts.begin(world.ada, world.place, card.id, key="i:b")
    again = await world.concepts.begin(world.ada, world.place, card.id, key="i:b")
    assert (receipt.kind, again.kind) == (ReceiptKind.WRITING, ReceiptKind.DUPLICATE)
    await world.finished(receipt)
    assert (await world.told())[0] == "The well sang."
    assert tree.concept(await world.story()).theme == "courage"
    for call in (
        world.concepts.begin(world.ada, world.place, card.id, key=world.key()),
        world.concepts.get(world.ada, card.id),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_two_presses_of_begin_make_one_story(world: World) -> None:
    card = await draft(world, opening="The well sang.")
    results = await asyncio.gather(
        *(world.concepts.begin(world.ada, world.place, card.id, key=world.key()) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["NotFoundError", "Receipt"]
    assert len(await world.stories.summaries(world.ada, world.place)) == 1
    await world.finished(next(one for one in results if not isinstance(one, BaseException)))


async def test_begin_while_a_passage_is_written_keeps_the_card(world: World) -> None:
    gate = asyncio.Event()
    await world.begin(wants_answer=False)
    card = await draft(world)
    world.backend.play(gate, " Late.")
    receipt = await world.say("Go.")
    with pytest.raises(BusyError):
        await world.concepts.begin(world.ada, world.place, card.id, key=world.key())
    assert (await world.concepts.get(world.ada, card.id)).id == card.id
    gate.set()
    await world.finished(receipt)


async def test_an_expired_card_is_not_found(world: World) -> None:
    card = await draft(world)
    world.clock.advance(8 * 24 * 3600)
    with pytest.raises(NotFoundError):
        await world.concepts.get(world.ada, card.id)
    await world.stories.recover()
    async with world.store.read() as unit:
        assert await unit.drafts.get(card.id) is None


async def test_turns_wait_as_queued_while_the_model_loads(small_world: World) -> None:
    world = small_world
    loaded = asyncio.Event()

    async def load() -> Backend:
        await loaded.wait()
        return world.backend

    holder = EngineHolder(load, name="gpt2")
    await world.boot(holder)
    assert (holder.ready, holder.backend, holder.info) == (False, None, None)
    assert holder.health().is_ok
    receipt = await world.stories.start(
        world.ada, world.place, Concept(title="The Well"), "It sang.", key=world.key()
    )
    presenter = await world.stage.presenter()
    await presenter.until("queued")
    loaded.set()
    await world.finished(receipt)
    assert len(await world.told()) == 2
    assert holder.ready
    assert holder.info == INFO
    assert holder.health().is_ok
    await holder.aclose()
    await holder.aclose()
    assert world.backend.is_closed
    assert not holder.health().is_ok
    with pytest.raises(EngineStoppedError):
        await holder.get()


async def test_a_premise_is_measured_roughly_while_the_model_loads(small_world: World) -> None:
    world = small_world

    async def load() -> Backend:
        await asyncio.Event().wait()
        raise AssertionError

    holder = EngineHolder(load)
    await world.boot(holder)
    with pytest.raises(PinnedTooLargeError):
        await draft(world, Wish(premise="dragon " * 1100))
    with pytest.raises(ModelUnavailableError):
        await holder.get(0.0)
    await holder.aclose()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("no such file"), ModelUnavailableError),
        (ModelUnavailableError(model="gpt2", reason="broken"), ModelUnavailableError),
    ],
)
async def test_a_model_that_cannot_be_loaded_fails_the_passage_and_keeps_the_words(
    small_world: World, error: Exception, expected: type[Exception]
) -> None:
    world = small_world

    async def load() -> Backend:
        raise error

    holder = EngineHolder(load)
    holder.start()
    await world.boot(holder)
    await world.begin("Kept.")
    assert await world.told() == ["Kept."]
    assert isinstance(world.stage.presenters[-1].error, expected)
    assert holder.failure is error
    assert not holder.health().is_ok
    await holder.aclose()


async def test_a_backend_can_be_given_without_a_holder() -> None:
    holder = EngineHolder.of(FakeBackend())
    assert holder.ready
    assert (await holder.get()).info == INFO
    holder.start()
    assert holder.failure is None


def test_the_system_clock_tells_utc_and_grows() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() is not None
    assert clock.monotonic() <= clock.monotonic()
