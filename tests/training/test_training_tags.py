"""What trained tags do: the model reads them, whatever its head and however it is kept."""

import asyncio
import random
from pathlib import Path

import pytest

from bot.engine.local.backend import LocalBackend
from bot.engine.types import GenerationRequest, PromptPart, ScoreRequest
from bot.story.control_tags import tags_for
from tests.support.tagged_model import GENRE_WORDS, train_tagged_model

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.mark.parametrize("as_adapter", [False, True])
async def test_a_model_reads_and_writes_by_its_tags(
    tmp_path: Path,
    *,
    as_adapter: bool,
) -> None:
    # Training has an event loop of its own.
    folder = await asyncio.to_thread(train_tagged_model, tmp_path, as_adapter=as_adapter)
    backend = await LocalBackend.open(folder, precision="fp32", threads=1)
    try:
        assert backend.info.tags == {
            tag for genre in GENRE_WORDS for tag in tags_for("prose", genre)
        }
        for genre, words in GENRE_WORDS.items():
            text = " ".join(random.Random(99).choices(words, k=12))
            found = {}
            for told in GENRE_WORDS:
                front = [PromptPart("", tags=tags_for("prose", told))]
                score = await backend.score(ScoreRequest(prompt=front, text=text))
                found[told] = score.log_likelihood
            assert max(found, key=lambda told: found[told]) == genre, found
            front = [PromptPart("", tags=tags_for("prose", genre))]
            told_words: list[str] = []
            for seed in range(6):
                request = GenerationRequest(prompt=front, seed=seed, max_tokens=24)
                chunks = [chunk.text async for chunk in backend.stream(request)]
                told_words += "".join(chunks).casefold().replace(".", "").split()
            own = sum(word in words for word in told_words)
            (others,) = (each for name, each in GENRE_WORDS.items() if name != genre)
            assert own > 2 * sum(word in others for word in told_words), told_words
    finally:
        await backend.aclose()
