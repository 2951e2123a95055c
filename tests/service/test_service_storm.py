"""Many members at once, kills in between: whatever happens, no word is lost or doubled."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

from bot.engine.scripted import Script, ScriptedBackend
from bot.engine.types import Chunk, GenerationRequest
from bot.errors import RoundtaleError
from bot.service.api import Receipt, ReceiptKind
from bot.story import tree
from bot.story.ports import JobStatus
from tests.service.service_fakes import FakeBackend
from tests.service.service_world import World


class UnsteadyBackend(FakeBackend):
    """Lets others run between its words, and fails now and then; its text follows the seed."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        if self._chance.random() < 0.1:
            raise RuntimeError("broken")
        async for chunk in super().stream(request):
            for _ in range(self._chance.randrange(6)):
                await asyncio.sleep(0)
            yield chunk


async def _act(world: World, chance: random.Random, number: int, kept: list[str]) -> None:
    actor = chance.choice([world.ada, world.bob, world.mod])
    stories, place = world.stories, world.place
    for _ in range(chance.randrange(8)):
        await asyncio.sleep(0)
    try:
        match chance.choice(["say", "say", "say", "add", "go", "retry", "undo", "redo", "stop"]):
            case "say" | "add" as how:
                text = f"Words {number}."
                receipt: Receipt = await stories.take_turn(
                    actor, place, text, key=f"m:{number}", wants_answer=how == "say"
                )
                if receipt.kind is not ReceiptKind.DUPLICATE:
                    kept.append(text)
                if chance.random() < 0.3:
                    await stories.take_turn(actor, place, text, key=f"m:{number}")
            case "go":
                await stories.take_turn(actor, place, None, key=world.key())
            case "retry":
                await stories.retry(actor, place, key=world.key())
            case "undo":
                await stories.undo(actor, place, chance.randint(1, 2), key=world.key())
            case "redo":
                await stories.redo(actor, place, key=world.key())
            case _:
                await stories.stop(actor, place)
    except RoundtaleError:
        pass  # refused, busy, nothing to undo: a clear answer


async def _storm(world: World, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    kept: list[str] = []
    number = 0
    await world.kill()
    world.backend = UnsteadyBackend(chance)
    await world.boot()
    await world.begin()
    for _ in range(rounds):
        acts = []
        for _ in range(4):
            number += 1
            acts.append(_act(world, chance, number, kept))
        async with asyncio.timeout(20):
            await asyncio.gather(*acts)
        if chance.random() < 0.3:
            await world.kill()
            await world.boot()
            await world.stories.recover()
    story = await world.story()
    await world.finished(Receipt(kind=ReceiptKind.KEPT, story=story))
    story = await world.story()
    async with world.store.read() as unit:
        waiting = [item.text for item in await unit.inbox.waiting(story.id)]
        assert await unit.jobs.open_for(story.id) is None
        for presenter in world.stage.presenters:
            job = await unit.jobs.get(presenter.view.job.id)
            assert job is not None
            assert (job.status is JobStatus.DONE) == (job.id in story.passages)
    written = Counter(text.body for text in story.texts.values())
    assert kept
    assert not waiting
    assert [text for text in kept if written[text] != 1] == []
    assert [text for text, count in written.items() if text.startswith("Words") and count > 1] == []
    assert tree.path(story)


@pytest.mark.parametrize("seed", range(8))
async def test_no_word_is_lost_or_doubled(small_world: World, seed: int) -> None:
    await _storm(small_world, seed, rounds=25)


async def test_no_word_is_lost_or_doubled_over_the_real_store(world: World) -> None:
    await _storm(world, 99, rounds=6)


async def test_the_scripted_backend_writes_the_same_way(small_world: World) -> None:
    world = small_world
    gate = asyncio.Event()
    await world.begin(wants_answer=False)
    scripted = ScriptedBackend(
        [Script(text=" The bell rang. Mira ran", gates={3: gate}, retractions={2: 1}, places=(3,))]
    )
    await world.kill()
    world.backend = scripted  # type: ignore[assignment]
    await world.boot()
    receipt = await world.say("At noon.")
    presenter = await world.stage.presenter()
    await presenter.until("grow")
    gate.set()
    await world.finished(receipt)
    assert presenter.queue_places == [3]
    assert (await world.told())[-1] == "The bell rang."
