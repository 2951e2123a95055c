"""Stories with a model that was trained with control tags, from the member's words to the model's."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.local.backend import LocalBackend
from bot.engine.local.tokenizer import PromptEncoder, control_tags, load_tokenizer
from bot.engine.relay import Relay
from bot.engine.types import Chunk, GenerationRequest, PromptPart
from bot.service.engine_holder import EngineHolder
from bot.story.context_parts import PartLabel
from bot.story.control_tags import format_tag, genre_tag
from bot.story.model import Concept
from tests.service.service_fakes import FakeClock, MemoryStore
from tests.service.service_world import World, channel
from tests.support.tagged_model import GENRE_WORDS, train_on_one_thread

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class Overheard(Relay):
    """Keeps the requests that a backend gets."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.requests: list[GenerationRequest] = []

    def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        return super().stream(request)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on_one_thread(tmp_path_factory.mktemp("tagged"))


@pytest.fixture
async def backend(folder: Path) -> AsyncIterator[Overheard]:
    opened = await LocalBackend.open(folder, precision="fp32", threads=1)
    yield Overheard(opened)
    await opened.aclose()


@pytest.fixture
async def world(backend: Overheard) -> AsyncIterator[World]:
    clock = FakeClock()
    world = World(MemoryStore(clock), clock)
    await world.boot(EngineHolder.of(backend))
    yield world
    await world.close()


async def tell(world: World, concept: Concept, opening: str, number: int) -> str:
    """Let the model go on from an opening in a channel of its own, and return its words."""
    world.place = channel(number)
    receipt = await world.stories.start(
        world.ada, world.place, concept, opening, key=world.key(), wants_answer=True
    )
    assert receipt.job_id is not None
    async with asyncio.timeout(60):
        await world.stories.wait(receipt.job_id)
    return (await world.told())[-1]


async def test_the_genre_of_a_concept_changes_what_is_written(
    world: World, backend: Overheard
) -> None:
    told = [
        await tell(world, Concept(genre=genre), "At 7.", number)
        for number, genre in enumerate(GENRE_WORDS)
    ]
    one, other = backend.requests
    assert [part.text for part in one.prompt] == [part.text for part in other.prompt]
    assert (await collect(backend, replace(one, prompt=other.prompt))).text.strip() != told[0]
    assert (await collect(backend, one)).text.strip() == told[0]


async def test_the_context_shows_the_tags_and_counts_them(
    world: World, backend: Overheard, folder: Path
) -> None:
    await tell(world, Concept(genre="romance", theme="a lamp"), "At 7.", 1)
    shown = await world.stories.context(world.ada, world.place)
    first, *others = shown.parts
    assert first.label is PartLabel.TAGS
    assert shown.text.startswith("<|format:prose|><|genre:romance|>A short story about a lamp.")
    asked = backend.requests[0].prompt
    assert asked[0] == PromptPart("", tags=(format_tag("prose"), genre_tag("romance")))
    rest = [PromptPart(part.text, part.token_ids, part.tokenizer_hash) for part in others]
    assert shown.prompt_tokens == 2 + backend.count_tokens(rest)


async def test_words_that_spell_a_tag_are_words(
    world: World, backend: Overheard, folder: Path
) -> None:
    spelt = genre_tag("romance")
    concept = Concept(genre=spelt, title=spelt, theme=spelt, premise=f"{spelt} and {spelt}")
    await tell(world, concept, f"{spelt} At 7. {spelt}", 1)
    tokenizer: Any = load_tokenizer(folder)
    encoder = PromptEncoder(tokenizer, tokenizer_hash=backend.info.tokenizer_hash, document_start=0)
    (request,) = backend.requests
    tags = control_tags(tokenizer)
    found = [number for number in encoder.encode(request.prompt) if number in tags.values()]
    assert found == [tags[format_tag("prose")]]
    assert "".join(part.text for part in request.prompt).count(spelt) == 7
    assert len(tags) == 3
