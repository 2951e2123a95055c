"""A tiny model that was trained to tell two genres, each in words of its own.

What stands before a text says nothing of its genre but for the tag, so that whoever tells the
genres apart has read the tag.
"""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from bot.locales import Words
from bot.training.recipe import Method, Recipe
from bot.training.running import Sources, run_training
from tests.support.tiny_model import END, WORDS, build_tokenizer
from tests.training.training_kit import Notes

GENRE_WORDS: Final = {
    "fairy tale": WORDS[0:160:2],
    "romance": WORDS[1:160:2],
}  # letters tell nothing
# One validation, at the end: it reads without tags and would prefer the weights before they are learned.
_LORA = Recipe(
    window_tokens=64,
    learning_rate=1e-2,
    epochs=12.0,
    validations=1,
    rank=16,
    tagged_share=0.9,
    genre_share=1.0,
)
_FULL = replace(_LORA, method=Method.FULL, learning_rate=3e-3)


def write_genre_tales(
    path: Path, *, first: int = 0, count: int = 200, books: int = 2, are_told: bool = True
) -> Path:
    """Write tales of both genres in turn, each from one of so many books of its genre.

    Args:
        path: the file.
        first: number of the first tale; another one gives other tales.
        count: of the tales.
        books: of each genre.
        are_told: whether their genres stand there.
    """
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + count):
            genre = list(GENRE_WORDS)[number % 2]
            chance = random.Random(number)
            text = " ".join(
                " ".join(chance.choices(GENRE_WORDS[genre], k=8)).capitalize() + "."
                for _ in range(6)
            )
            record = {
                "id": f"tale-{number}",
                "text": text,
                "genre": genre if are_told else "",
                "source": f"{genre} {number // 2 % books}",
                "licence": "CC0",
            }
            file.write(json.dumps(record) + "\n")
    return path


def train_tagged_model(
    folder: Path,
    *,
    as_adapter: bool = False,
) -> Path:
    """Make a base, with a tied head, and train it; return the trained model's folder.

    An adapter can tell only what its base can say: that one learns the words of both genres first.
    """
    base = folder / "base"
    _write_tied_model(base)
    if as_adapter:
        tales = write_genre_tales(folder / "untold.jsonl", are_told=False)
        base = _train(tales, base, folder / "told", replace(_FULL, tagged_share=0.0))
    tales = write_genre_tales(folder / "tales.jsonl")
    return _train(tales, base, folder / "tagged", _LORA if as_adapter else _FULL, as_adapter)


def train_on_one_thread(folder: Path) -> Path:
    """Make and train one while torch computes on one thread, as it will when the model is read."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train_tagged_model(folder)
    finally:
        torch.set_num_threads(before)


def _train(tales: Path, base: Path, into: Path, recipe: Recipe, as_adapter: bool = False) -> Path:
    sources = Sources(tales=[tales], model=str(base), cache_dir=into.parent / "cache", threads=1)
    run_training(sources, into, recipe, Notes(), Words(), as_adapter=as_adapter)
    return into


def _write_tied_model(folder: Path) -> None:
    tokenizer = build_tokenizer()
    end = int(tokenizer.vocab[END])
    config = GPT2Config(
        n_layer=2,
        n_embd=64,
        n_head=2,
        n_positions=512,
        vocab_size=len(tokenizer),
        bos_token_id=end,
        eos_token_id=end,
    )
    torch.manual_seed(1)
    model: Any = GPT2LMHeadModel(config)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
