"""What the essay's snippet gives: plain transformers, greedy, no care taken.

Invariant: nothing of this program has a hand in the writing; a text goes on until it has enough
words.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bot.engine.local.loader import read_weights
from bot.engine.local.tokenizer import load_tokenizer
from bot.training.evaluation.openings import Opening
from bot.training.evaluation.samples import Sample, cut, normalise

ESSAY = Opening("essay", "", "Once upon a time in a small village,")
_TOKENS_A_WORD = 1.7


def write_greedily(path: Path, chosen: Sequence[Opening], words: int) -> list[Sample]:
    """Write after the essay's words and after each opening, all in one batch.

    Args:
        path: the model's folder.
        chosen: the openings.
        words: to which the texts are cut; shorter ones are left out.
    """
    tokenizer: Any = load_tokenizer(path)
    model: Any = read_weights(path.name, path, torch.float32, "cpu", tokens=len(tokenizer))
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    every = [ESSAY, *chosen]
    given = tokenizer([each.text for each in every], return_tensors="pt", padding=True)
    prompt_tokens = given["input_ids"].shape[1]
    window = int(getattr(model.config, "max_position_embeddings", 1024))
    new_tokens = min(int(_TOKENS_A_WORD * words), window - prompt_tokens)
    with torch.inference_mode():
        ids = model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            do_sample=False,
            max_new_tokens=new_tokens,
            pad_token_id=tokenizer.pad_token_id,
        )
    found: list[Sample] = []
    for opening, row in zip(every, ids, strict=True):
        written = tokenizer.decode(row[prompt_tokens:], skip_special_tokens=True)
        text = cut(normalise(written), words)
        if text is not None:
            found.append(
                Sample(
                    source=opening.name,
                    seed=1,
                    before=normalise(opening.text),
                    text=text,
                    whole=opening.text + written,
                )
            )
    return found
