"""The models that are measured, and what is put to them.

Invariants:
    - The same model, number, length and salt give the same prompt, in every process.
    - GPT-2 with random weights needs no network: speed does not depend on what weights say.
"""

import random
import shutil
import uuid
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from bot.bench.sentences import SENTENCES
from bot.engine.local.store.folder import look
from bot.engine.local.tokenizer import load_tokenizer

RANDOM_GPT2 = "random-gpt2"
_SEED = 2019
# With the default of 0.02 greedy text soon stands still, and agreement would mean little.
_INITIALIZER_RANGE = 0.1
_END = "<|endoftext|>"
_SYLLABLES = tuple(consonant + vowel for consonant, vowel in product("bdfghjklmnprstvz", "aeiou"))
_KV_ITEM_BYTES = 4  # keys and values are kept in fp32


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchModel:
    """A model on the disk.

    Attributes:
        name: for people.
        path: its folder.
        parameters: number of weights.
        window_tokens: prompt and reply together.
        kv_token_bytes: keys and values of one token in fp32.
        end_ids: that end a text.
        vocabulary: how many ids there are to draw prompts from.
        sentence_ids: the sentences that prompts are made of; random ids where there are none.
    """

    name: str
    path: Path
    parameters: int
    window_tokens: int
    kv_token_bytes: int
    end_ids: tuple[int, ...]
    vocabulary: int
    sentence_ids: tuple[tuple[int, ...], ...]

    def prompt(self, number: int, length: int, *, salt: int = 0) -> tuple[int, ...]:
        """Return the ids of a prompt.

        Args:
            number: which of those that are written at once.
            length: in tokens.
            salt: another one gives another prompt, which no cache has seen.
        """
        chance = random.Random(f"{_SEED} {salt} {number}")  # noqa: S311 -- no secret
        if not self.sentence_ids:
            return tuple(chance.randrange(self.vocabulary) for _ in range(length))
        ids: list[int] = []
        while len(ids) < length:
            ids += chance.choice(self.sentence_ids)
        return tuple(ids[:length])

    def prompts(self, count: int, length: int, *, salt: int = 0) -> list[tuple[int, ...]]:
        """Return so many prompts of the same length."""
        return [self.prompt(number, length, salt=salt) for number in range(count)]


def read_model(path: Path, name: str) -> BenchModel:
    """Read what must be known of a model's folder, its weights excepted.

    Raises:
        ModelUnavailableError: the folder is no model.
    """
    facts = look(path, model=name)
    config: Any = AutoConfig.from_pretrained(str(path), local_files_only=True).get_text_config()
    tokenizer = load_tokenizer(path)
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    ends = config.eos_token_id
    sentences = (
        ()
        if name == RANDOM_GPT2
        else tuple(
            tuple(tokenizer.encode(" " + sentence, add_special_tokens=False))
            for sentence in SENTENCES
        )
    )
    return BenchModel(
        name=name,
        path=path,
        parameters=facts.parameters,
        window_tokens=int(config.max_position_embeddings),
        kv_token_bytes=2 * config.num_hidden_layers * kv_heads * head_size * _KV_ITEM_BYTES,
        end_ids=(ends,) if isinstance(ends, int) else tuple(ends or ()),
        vocabulary=len(tokenizer) - 1,  # the last of GPT-2's ids ends a text
        sentence_ids=sentences,
    )


def random_gpt2(cache_dir: Path, config: GPT2Config | None = None) -> BenchModel:
    """Return GPT-2 with random weights, which is written to the cache folder once (500 MB).

    Args:
        cache_dir: where models are kept.
        config: GPT-2's own, 124 million weights, where None.
    """
    folder = cache_dir / "bench" / RANDOM_GPT2
    if not folder.is_dir():
        _write_random(folder, config or GPT2Config(initializer_range=_INITIALIZER_RANGE))
    return read_model(folder, RANDOM_GPT2)


def _write_random(folder: Path, config: GPT2Config) -> None:
    library: Any = transformers_logging
    library.disable_progress_bar()
    staging = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            model = GPT2LMHeadModel(config)
        model.save_pretrained(str(staging))
        word_tokenizer(config.vocab_size).save_pretrained(str(staging))
        try:
            staging.rename(folder)
        except OSError:  # another process was quicker
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def word_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose every token is a word with its space: each gives text at once.

    Args:
        size: of the vocabulary; the last id ends a text, as GPT-2's does.
    """
    words = ("".join(each) for count in (1, 2, 3) for each in product(_SYLLABLES, repeat=count))
    vocabulary = {f"\u0120{word}": number for number, word in enumerate(islice(words, size - 1))}
    vocabulary[_END] = size - 1
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_END))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # the library's constructor
        tokenizer_object=tokenizer,
        bos_token=_END,
        eos_token=_END,
        unk_token=_END,
        clean_up_tokenization_spaces=False,
    )
