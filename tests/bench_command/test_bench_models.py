"""The models that are measured, and their prompts."""

from pathlib import Path

import pytest
from transformers import GPT2Config

from bot.bench.models import BenchModel, random_gpt2, read_model, word_tokenizer
from bot.engine.local.backend import LocalBackend
from bot.engine.types import GenerationRequest, PromptPart
from bot.errors import ModelUnavailableError


def test_prompts_are_as_long_as_asked_and_the_same_every_time(tiny: BenchModel) -> None:
    assert len(tiny.prompt(0, 57)) == 57
    assert tiny.prompt(3, 57) == tiny.prompt(3, 57)
    # A longer prompt of the same number goes on where the shorter one ends.
    assert tiny.prompt(3, 57)[:20] == tiny.prompt(3, 20)
    assert len({tiny.prompt(number, 57, salt=salt) for number in (0, 1) for salt in (0, 1)}) == 4
    assert tiny.prompts(3, 9)[:2] == tiny.prompts(2, 9)


def test_keys_and_values_of_a_token_are_counted_in_fp32(tiny: BenchModel) -> None:
    # Two layers, keys and values, 64 numbers of four bytes each.
    assert tiny.kv_token_bytes == 2 * 2 * 64 * 4
    assert tiny.window_tokens == 256


def test_every_word_of_the_random_model_is_one_token_and_comes_back() -> None:
    tokenizer = word_tokenizer(7000)
    assert len(tokenizer) == 7000
    assert tokenizer.eos_token_id == 6999
    ids = [0, 79, 80, 6479, 6998]
    text = tokenizer.decode(ids)
    assert isinstance(text, str)
    assert text.count(" ") == len(ids)
    assert tokenizer.encode(text) == ids


async def test_the_random_model_is_written_once_and_the_engine_takes_it(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=1, n_embd=32, n_head=2, n_positions=128)
    model = random_gpt2(tmp_path, config)
    again = random_gpt2(tmp_path, GPT2Config(n_layer=3))
    assert again == model
    assert [each.name for each in (tmp_path / "bench").iterdir()] == ["random-gpt2"]
    backend = await LocalBackend.open(model.path, threads=1)
    try:
        part = PromptPart("", model.prompt(0, 10), backend.info.tokenizer_hash)
        request = GenerationRequest(prompt=(part,), max_tokens=5, min_tokens=5)
        chunks = [chunk async for chunk in backend.stream(request)]
    finally:
        await backend.aclose()
    # Each token is a word of its own, so that the first arrives as soon as it is there.
    assert [chunk.tokens for chunk in chunks if chunk.text][:1] == [1]
    assert chunks[-1].tokens == 5
    assert len(chunks[-1].token_ids) == 5


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError):
        read_model(tmp_path, "nothing")
