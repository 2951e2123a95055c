"""Several versions of a passage at once: which is kept."""

import asyncio

import pytest

from bot.engine.types import ScoreRequest
from bot.errors import EngineError
from bot.story import tree
from tests.service.service_world import World


@pytest.fixture
async def chooser(world: World) -> World:
    """Give a story in a place where three versions of each passage are written."""
    await world.begin("The girl Mirabel lit the lamp.", wants_answer=False)
    await world.settings.set(world.mod, world.place, "channel", "candidates", "3")
    return world


async def answer(world: World, *versions: str) -> str:
    """Have a passage written that may become one of these; return which it is."""
    for version in versions:
        world.backend.play(version)
    await world.finished(await world.say(None))
    return (await world.told())[-1]


def likelihood(gains: dict[str, float]) -> object:
    """Let the story make texts likelier by so many nats; the front alone makes them alike."""

    def of(request: ScoreRequest) -> float:
        knows_story = any("Mirabel" in part.text for part in request.prompt)
        return gains.get(request.text.strip(), 0.0) if knows_story else 0.0

    return of


async def test_the_one_that_the_story_makes_likelier_is_kept(chooser: World) -> None:
    chooser.backend.likelihood = likelihood({"It rained.": 1.0, "It burned.": 3.0})  # type: ignore[assignment]
    assert await answer(chooser, " It rained.", " It burned.", " It froze.") == "It burned."
    seeds = [request.seed for request in chooser.backend.requests]
    assert len(set(seeds)) == 3
    head = tree.head(await chooser.story())
    assert head is not None
    assert head.provenance is not None
    assert head.provenance.seed == seeds[1]
    assert {len(request.prompt) for request in chooser.backend.requests} == {3}


async def test_the_likelier_without_the_story_does_not_win(chooser: World) -> None:
    def everywhere(request: ScoreRequest) -> float:
        knows_story = any("Mirabel" in part.text for part in request.prompt)
        return {"It rained.": 9.0, "It burned.": 1.0 * knows_story}.get(request.text.strip(), 0.0)

    chooser.backend.likelihood = everywhere
    assert await answer(chooser, " It rained.", " It burned.", " It froze.") == "It burned."


async def test_a_misspelt_name_and_an_empty_version_lose(chooser: World) -> None:
    chooser.backend.likelihood = likelihood({"Then Mirabell sang.": 9.0})  # type: ignore[assignment]
    versions = ("\u200b ", " Then Mirabell sang.", " Then Mirabel sang.")
    assert await answer(chooser, *versions) == "Then Mirabel sang."


async def test_what_is_not_allowed_loses_and_nothing_of_it_is_shown(chooser: World) -> None:
    await chooser.settings.set(chooser.mod, chooser.place, "channel", "word_list", "goblin")
    chooser.backend.likelihood = likelihood({"A goblin came.": 9.0, "A fox came.": 1.0})  # type: ignore[assignment]
    assert await answer(chooser, " A goblin came.", " A hen came.", " A fox came.") == "A fox came."
    assert not any("goblin" in text for text in (await chooser.presenter()).texts)


async def test_where_none_is_allowed_others_are_written(chooser: World) -> None:
    await chooser.settings.set(chooser.mod, chooser.place, "channel", "word_list", "goblin")
    refused = [f" Goblin {n}." for n in range(3)]
    assert await answer(chooser, *refused, " A hen came.", " A fox.", " A cow.") == "A hen came."
    assert len({request.seed for request in chooser.backend.requests}) == 6


async def test_versions_that_cannot_be_ranked_give_the_first(chooser: World) -> None:
    def fails(request: ScoreRequest) -> float:
        raise EngineError(reason="it broke")

    chooser.backend.likelihood = fails
    assert await answer(chooser, " It rained.", " It burned.", " It froze.") == "It rained."


async def test_an_engine_that_fails_fails_the_passage_and_ends_the_other_versions(
    chooser: World,
) -> None:
    gate = asyncio.Event()
    chooser.backend.play(gate, " It rained.")
    chooser.backend.play(EngineError(reason="it broke"))
    chooser.backend.play(gate, " It froze.")
    await chooser.finished(await chooser.say(None))
    assert await chooser.told() == ["The girl Mirabel lit the lamp."]
    assert chooser.backend.closed_early == 3


async def test_one_version_is_written_as_ever(world: World) -> None:
    await world.begin()
    assert len(world.backend.requests) == 1
