"""How likely tales are that were held back, before and after training.

Invariants:
    - Every token of a tale is scored once, the first after what begins a text, and but for the
      tale's beginning with at least half a window before it.
    - Both models read the same tokens, without tags; tales are what is drawn in the bootstrap,
      since the tokens of one are more alike than those of two.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from bot.training.data.tale import Tale
from bot.training.packing import encode
from bot.training.timing import autocast, device_of

_DRAWS = 2000
_SEED = 2019
_BITS = math.log(2)
MAX_TALE_TOKENS = 8192
"""Of a longer tale the beginning is scored."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a tale is to a model.

    Attributes:
        nats: negative log-likelihood of what was scored.
        tokens: that were scored.
        size_bytes: of their text, in UTF-8.
    """

    nats: float
    tokens: int
    size_bytes: int


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
) -> list[Likelihood]:
    """Return the likelihood of each tale.

    Args:
        model: gives logits (1, N, V) for ids (1, N).
        tokenizer: its own.
        start_id: what each tale begins after.
        tales: to score.
        window_tokens: at once; half of it overlaps.
        report: hears how many of the tales are done.
    """
    model.eval()
    found = []
    for number, tale in enumerate(tales):
        report(number, len(tales))
        ids = encode(tokenizer, tale.text)[:MAX_TALE_TOKENS]
        scored = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        nats = sum(_window_nats(model, [start_id, *ids], window_tokens))
        found.append(Likelihood(nats, len(ids), len(str(scored).encode())))
    report(len(tales), len(tales))
    return found


def _window_nats(model: Any, ids: list[int], size: int) -> list[float]:
    """Return the loss of each window's new tokens; the first id is not scored."""
    device = device_of(model)
    sums = []
    done = 1
    while done < len(ids):
        start = max(0, done - size // 2)
        stop = min(len(ids), start + size)
        row = torch.tensor([ids[start:stop]], device=device)
        with torch.inference_mode(), autocast(device):
            logits = model(input_ids=row[:, :-1], use_cache=False).logits[0]
        new = stop - done
        loss = torch.nn.functional.cross_entropy(
            logits[-new:].float(), row[0, -new:], reduction="sum"
        )
        sums.append(float(loss))
        done = stop
    return sums


def compare(before: Sequence[Likelihood], after: Sequence[Likelihood]) -> Comparison:
    """Compare two models' likelihoods of the same tales, in the same order.

    The interval is by percentiles of a bootstrap over tales (Efron and Tibshirani 1993).
    """
    chance = random.Random(_SEED)  # noqa: S311 -- no secret
    pairs = list(zip(before, after, strict=True))
    changes = sorted(_change(chance.choices(pairs, k=len(pairs))) for _ in range(_DRAWS))
    is_alone = len(pairs) == 1
    return Comparison(
        before=perplexity(before),
        after=perplexity(after),
        bits_before=_bits(before),
        bits_after=_bits(after),
        change=_change(pairs),
        low=math.nan if is_alone else changes[round(0.025 * (_DRAWS - 1))],
        high=math.nan if is_alone else changes[round(0.975 * (_DRAWS - 1))],
        tales=len(pairs),
        tokens=sum(each.tokens for each in before),
    )


def perplexity(likelihoods: Sequence[Likelihood]) -> float:
    """Return the perplexity by token of all tales together."""
    return math.exp(
        sum(each.nats for each in likelihoods) / sum(each.tokens for each in likelihoods)
    )


def _bits(likelihoods: Sequence[Likelihood]) -> float:
    return (
        sum(each.nats for each in likelihoods)
        / _BITS
        / sum(each.size_bytes for each in likelihoods)
    )


def _change(pairs: Sequence[tuple[Likelihood, Likelihood]]) -> float:
    gained = sum(after.nats - before.nats for before, after in pairs)
    return math.expm1(gained / sum(before.tokens for before, _ in pairs))
