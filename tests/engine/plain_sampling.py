"""A draw for one request in the plainest way: loops, sets and a sort of everything.

It tells what the sampler must give. Only the arithmetic of the shares is numpy's here too,
so that both round alike.
"""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bot.engine.local.errors import BrokenLogitsError, NothingToDrawError
from bot.engine.local.repetition import DRY_REACH_TOKENS, PENALTY_REACH_TOKENS, Repetition
from bot.engine.local.sampling import Draw, Sampler, uniform
from bot.engine.types import SamplingParams
from bot.errors import EngineError
from tests.engine.engine_reading import PLAIN


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a request brings to a draw, in plain sets and tuples."""

    params: SamplingParams = PLAIN
    seed: int = 1
    exempt: frozenset[int] = frozenset()
    function: frozenset[int] = frozenset()  # tokens that begin no content word
    border: frozenset[int] = frozenset()
    context: tuple[int, ...] = ()
    generated: tuple[int, ...] = ()
    attempt: int = 0
    forbidden: frozenset[int] = frozenset()
    may_end: bool = True

    def repetition(self, size: int) -> Repetition:
        return Repetition(
            self.params,
            is_exempt=_flags(self.exempt, size),
            is_content=~_flags(self.function, size),
            is_border=_flags(self.border, size),
            context=self.context,
        )

    def draw(self, size: int) -> Draw:
        return Draw(
            params=self.params,
            seed=self.seed,
            repetition=self.repetition(size),
            generated=list(self.generated),
            attempt=self.attempt,
            forbidden=self.forbidden,
            may_end=self.may_end,
        )


def row_of(**options: Any) -> Row:
    """Return a row with some of its own options and of its sampling's changed."""
    own = {field.name for field in fields(Row)}
    params = {name: value for name, value in options.items() if name not in own}
    rest = {name: value for name, value in options.items() if name in own}
    return Row(params=replace(PLAIN, **params), **rest)


def drawn(
    logits: torch.Tensor,
    *rows: Row,
    suppressed: Collection[int] = (),
    ends: Collection[int] = (),
) -> list[int | type[EngineError]]:
    """Draw with the sampler."""
    sampler = Sampler(suppressed_ids=suppressed, end_ids=ends)
    results = sampler.draw(logits, [row.draw(logits.shape[1]) for row in rows])
    return [type(result) if isinstance(result, EngineError) else result for result in results]


def plainly_drawn(
    logits: torch.Tensor, row: Row, *, suppressed: Collection[int], ends: Collection[int]
) -> int | type[EngineError]:
    """Draw from the logits (V,) without the sampler."""
    scores: NDArray[np.float32] = logits.float().numpy().copy()
    if any(math.isnan(score) or score == math.inf for score in scores.tolist()):
        return BrokenLogitsError
    plainly_lowered(scores, row)
    for token in {*suppressed, *row.forbidden, *(() if row.may_end else ends)}:
        scores[token] = -math.inf
    best_first = sorted(range(scores.size), key=lambda token: (-scores[token], token))
    if scores[best_first[0]] == -math.inf:
        return NothingToDrawError
    if row.params.temperature == 0.0 or row.params.top_k == 1:
        return best_first[0]
    return _plainly_picked(scores, best_first, row)


def plainly_lowered(scores: NDArray[np.float32], row: Row) -> None:
    """Lower what was said, in place."""
    params, said = row.params, row.generated
    recent = set(said[-params.repetition_window :]) if params.repetition_window else set()
    for token in recent - row.exempt:
        factor = params.repetition_penalty
        scores[token] = scores[token] / factor if scores[token] > 0 else scores[token] * factor
    size = params.no_repeat_ngram
    ngrams = [said[at : at + size] for at in range(len(said) - size + 1)] if size else []
    for ngram in ngrams:
        if ngram[:-1] == said[len(said) - size + 1 :]:
            scores[ngram[-1]] = -math.inf
    history = (*row.context, *said)[-DRY_REACH_TOKENS:]
    for token, times in Counter(history[-PENALTY_REACH_TOKENS:]).items():
        if token not in row.exempt | row.function:
            cost = np.float32(params.frequency_penalty) * np.float32(times)
            scores[token] -= np.float32(params.presence_penalty) + cost
    longest: dict[int, int] = {}
    for at in range(len(history) - 1):
        follower = history[at + 1]
        if follower not in row.exempt:
            longest[follower] = max(longest.get(follower, 0), _repeated(history, at, row.border))
    for token, length in longest.items():
        if length >= 2:
            scores[token] -= np.float32(params.dry_multiplier * 1.75 ** (length - 2))


def _repeated(history: tuple[int, ...], at: int, border: frozenset[int]) -> int:
    """Return how many tokens up to a place are those that the history ends with."""
    length = 0
    while (
        length < 20
        and length <= at
        and history[at - length] == history[-1 - length]
        and history[at - length] not in border
    ):
        length += 1
    return length


def _plainly_picked(scores: NDArray[np.float32], best_first: list[int], row: Row) -> int:
    params = row.params
    best = scores[best_first[0]]
    weights = np.exp((scores.astype(np.float64) - best) / params.temperature)
    ids = np.arange(scores.size)
    total = weights.sum()
    if 0 < params.top_k < scores.size:
        ids = np.array(best_first[: params.top_k])
        # What cannot be drawn has no part in the sum, nor in the way it is rounded.
        ids = ids[scores[ids] > -math.inf]
        total = weights[ids].sum()
    elif params.top_p < 1.0:
        ids = np.array(best_first)
    shares = (weights[ids] / total).tolist()
    if params.top_p < 1.0:
        shares = [
            share if done - share < params.top_p else 0.0
            for share, done in zip(shares, np.cumsum(shares).tolist(), strict=True)
        ]
    least = params.min_p * max(shares)
    shares = [share if share >= least else 0.0 for share in shares]
    sums = np.cumsum(shares).tolist()
    point = uniform(row.seed, len(row.generated), row.attempt) * sums[-1]
    possible = [at for at, share in enumerate(shares) if share > 0.0]
    index = next((at for at in possible if sums[at] > point), possible[-1])
    return int(ids[index])


def _flags(ids: Collection[int], size: int) -> NDArray[np.bool_]:
    flags = np.zeros(size, dtype=np.bool_)
    flags[list(ids)] = True
    return flags
