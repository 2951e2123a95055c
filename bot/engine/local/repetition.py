"""What is held against a text when it repeats itself.

Invariants:
    - Every change lowers a score, and depends on the request and its own text alone.
    - Work is done on arrays of ids, never token by token.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bot.engine.types import SamplingParams

PENALTY_REACH_TOKENS = 256
"""How far back the presence and frequency penalties look, into the prompt too."""
DRY_REACH_TOKENS = 512
_DRY_BASE = 1.75
_DRY_LONGEST = 20  # beyond it the penalty is enormous anyhow


class Repetition:
    """Lower what one request has said lately.

    Args:
        params: how much.
        is_exempt: (n,) bool, by id: never held against the text when it repeats.
        is_content: (n,) bool, by id: begins a content word; the presence and frequency
            penalties are for these.
        is_border: (n,) bool, by id: ends a line or opens a quotation; what repeats across
            it is no phrase.
        context: the prompt's last ids, to hold against the text as well.
    """

    __slots__ = ("_context", "_is_border", "_is_counted", "_is_exempt", "_params")

    def __init__(
        self,
        params: SamplingParams,
        *,
        is_exempt: NDArray[np.bool_],
        is_content: NDArray[np.bool_],
        is_border: NDArray[np.bool_],
        context: Sequence[int] = (),
    ) -> None:
        self._params = params
        self._is_exempt = is_exempt
        self._is_counted = is_content & ~is_exempt
        self._is_border = is_border
        self._context = np.array(context[-DRY_REACH_TOKENS:], dtype=np.int64)

    def lower(self, scores: NDArray[np.float32], generated: Sequence[int]) -> None:
        """Lower the scores of what would repeat, in place.

        Args:
            scores: (V,) or longer.
            generated: the request's tokens so far, without its prompt.
        """
        params = self._params
        said = np.array(generated, dtype=np.int64)
        if params.repetition_penalty != 1.0 and params.repetition_window:
            self._lower_recent(scores, said[-params.repetition_window :])
        if params.no_repeat_ngram:
            scores[_ends_of_ngrams(said, params.no_repeat_ngram)] = -np.inf
        if params.presence_penalty or params.frequency_penalty or params.dry_multiplier:
            history = np.concatenate((self._context, said))[-DRY_REACH_TOKENS:]
            if params.presence_penalty or params.frequency_penalty:
                self._lower_words(scores, history[-PENALTY_REACH_TOKENS:])
            if params.dry_multiplier:
                self._lower_phrases(scores, history)

    def _lower_recent(self, scores: NDArray[np.float32], recent: NDArray[np.int64]) -> None:
        """Lower recent tokens, in place (Keskar et al. 2019, section 4.1)."""
        penalty = self._params.repetition_penalty
        ids = recent[~self._is_exempt[recent]]
        before = scores[ids]
        # A token that stands there twice is written twice, with the same value.
        scores[ids] = np.where(before > 0, before / penalty, before * penalty)

    def _lower_words(self, scores: NDArray[np.float32], said: NDArray[np.int64]) -> None:
        """Lower content words, in place, for standing there and for how often they do."""
        params = self._params
        ids, times = np.unique(said[self._is_counted[said]], return_counts=True)
        often = times.astype(np.float32)
        scores[ids] -= params.presence_penalty + params.frequency_penalty * often

    def _lower_phrases(self, scores: NDArray[np.float32], said: NDArray[np.int64]) -> None:
        """Lower, in place, what would prolong a phrase that was said before."""
        last = said.size - 1
        borders = np.flatnonzero(self._is_border[said[: -_DRY_LONGEST - 1 : -1]])
        longest = int(borders[0]) if borders.size else min(_DRY_LONGEST, said.size)
        if longest <= 1:
            return
        at = np.flatnonzero(said[:-1] == said[-1])
        at = at[~self._is_exempt[said[at + 1]]]
        ids: list[NDArray[np.int64]] = []
        costs: list[NDArray[np.float32]] = []
        # Two tokens in a row cost the multiplier, each further one more.
        for back in range(1, longest):
            at = at[at >= back]
            at = at[said[at - back] == said[last - back]]
            if not at.size:
                break
            cost = self._params.dry_multiplier * _DRY_BASE ** (back - 1)
            ids.append(said[at + 1])
            costs.append(np.full(at.size, cost, dtype=np.float32))
        if ids:
            # Of a token's several costs the last is written: that of the longest phrase.
            prolonging = np.concatenate(ids)
            scores[prolonging] = scores[prolonging] - np.concatenate(costs)


def _ends_of_ngrams(said: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the ids that would end an n-gram of a size that was said before."""
    ends = np.arange(size - 1, said.size)
    for back in range(1, size):
        if not ends.size:
            break
        ends = ends[said[ends - back] == said[said.size - back]]
    return said[ends]
