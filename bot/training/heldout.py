"""How likely tales are that were held back, before and after training.

Invariants:
    - Tales are scored as ``windows`` says, with half a window before each token.
    - Both models read the same tokens, without tags.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from bot.text.words import count_words
from bot.training.data.tale import Tale
from bot.training.packing import encode
from bot.training.scores import TextScore, perplexity_change, total
from bot.training.timing import autocast, device_of
from bot.training.windows import Logits, losses

_DRAWS = 2000
MAX_TALE_TOKENS = 8192
"""Of a longer tale the beginning is scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same tales.

    Attributes:
        before: perplexity by token.
        after: the same of the other model.
        bits_before: bits per byte.
        bits_after: the same of the other model.
        change: of the perplexity, -0.15 for 15 % less.
        low: lower end of the paired 95 % interval of the change; NaN with one tale.
        high: its upper end.
        tales: how many were scored.
        tokens: of them.
    """

    before: float
    after: float
    bits_before: float
    bits_after: float
    change: float
    low: float
    high: float
    tales: int
    tokens: int


def score(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    start_id: int,
    tales: Sequence[Tale],
    *,
    window_tokens: int,
    report: Callable[[int, int], None],
) -> list[TextScore]:
    """Return how likely each tale is.

    Args:
        model: gives logits (1, N, V) for ids (1, N).
        tokenizer: its own.
        start_id: what each tale begins after.
        tales: to score.
        window_tokens: at once; half of it overlaps.
        report: hears how many of the tales are done.
    """
    model.eval()
    logits = _logits_of(model)
    found = []
    for number, tale in enumerate(tales):
        report(number, len(tales))
        ids = encode(tokenizer, tale.text)[:MAX_TALE_TOKENS]
        scored = str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        nats = losses(logits, [start_id, *ids], size=window_tokens, context=window_tokens // 2)
        found.append(
            TextScore(
                nats=sum(nats),
                tokens=len(ids),
                words=count_words(scored),
                size_bytes=len(scored.encode()),
            )
        )
    report(len(tales), len(tales))
    return found


def _logits_of(model: Any) -> Logits:
    """Return what computes a text as the Trainer does, where the model is."""
    device = device_of(model)

    def compute(ids: Sequence[int]) -> torch.Tensor:
        row = torch.tensor([list(ids)], device=device)
        with torch.inference_mode(), autocast(device):
            logits: torch.Tensor = model(input_ids=row, use_cache=False).logits[0]
        return logits.float()

    return compute


def compare(before: Sequence[TextScore], after: Sequence[TextScore]) -> Comparison:
    """Compare two models' scores of the same tales, in the same order."""
    named_before, named_after = (
        {str(number): score for number, score in enumerate(scores)} for scores in (before, after)
    )
    change = perplexity_change(named_before, named_after, draws=_DRAWS)
    whole_before, whole_after = total(before), total(after)
    return Comparison(
        before=math.exp(whole_before.nats / whole_before.tokens),
        after=math.exp(whole_after.nats / whole_after.tokens),
        bits_before=whole_before.bits_per_byte,
        bits_after=whole_after.bits_per_byte,
        change=change.mean,
        low=change.low,
        high=change.high,
        tales=change.n,
        tokens=whole_before.tokens,
    )
