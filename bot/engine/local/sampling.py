"""How the next tokens of a step are drawn from its logits.

Invariants:
    - A draw depends on its row of the logits, the request and (seed, position, attempt)
      alone: no state is kept between draws, and over several rows at once only exact
      operations are done (copies and maxima). So a request gives the same text in any
      company.
    - Of tokens with equal scores the one with the lower id comes first: logits of two bytes
      are often equal.
    - With ``top_k`` set, the vocabulary is never sorted: a full-sort nucleus costs more
      than a step of the model.
"""

import math
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray

from bot.engine.local.errors import BrokenLogitsError, NothingToDrawError
from bot.engine.local.repetition import Repetition
from bot.engine.types import SamplingParams
from bot.errors import EngineError

_COLUMN = 32  # tokens that are looked at through their greatest score
_NUCLEUS_STEP = 1024  # how many of the likeliest are tried before the whole vocabulary is sorted
_LOWEST = np.finfo(np.float32).min


def uniform(seed: int, position: int, attempt: int) -> float:
    """Return the uniform number in [0, 1) that belongs to one draw.

    Counter-based, in the manner of Salmon et al. 2011 ("Parallel random numbers: as easy
    as 1, 2, 3"), with BLAKE2b (RFC 7693) as the mixing function: a microsecond a token,
    and the same on every machine.

    Args:
        seed: the request's, 0 <= seed < 2**63.
        position: the index of the generated token.
        attempt: how often the text was rewound before.
    """
    digest = blake2b(struct.pack("<QQQ", seed, position, attempt), digest_size=8).digest()
    bits: int = struct.unpack("<Q", digest)[0]
    return (bits >> 11) * 2.0**-53  # 53 bits: every value is an exact double


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One request's next token.

    Attributes:
        params: how it is drawn.
        seed: the request's.
        repetition: what is held against the text.
        generated: the request's tokens so far, without its prompt.
        attempt: how often the text was rewound.
        forbidden: tokens not to be drawn here.
        may_end: whether an end of text may be drawn.
    """

    params: SamplingParams
    seed: int
    repetition: Repetition
    generated: Sequence[int]
    attempt: int = 0
    forbidden: Collection[int] = ()
    may_end: bool = True


class Sampler:
    """Draw the tokens of all the requests of a step.

    Args:
        suppressed_ids: never drawn.
        end_ids: the ends of text, drawn only where a request may end.
    """

    def __init__(self, *, suppressed_ids: Collection[int], end_ids: Collection[int]) -> None:
        self._suppressed_ids = np.array(sorted(suppressed_ids), dtype=np.int64)
        self._end_ids = np.array(sorted(end_ids), dtype=np.int64)

    def draw(self, logits: torch.Tensor, draws: Sequence[Draw]) -> list[int | EngineError]:
        """Return each row's next token, or what is wrong with the row.

        A row fails with BrokenLogitsError where the logits are not numbers, and with
        NothingToDrawError where every token is ruled out.

        Args:
            logits: (B, V), any float type; not changed.
            draws: B.
        """
        rows, size = logits.shape
        columns = -(-size // _COLUMN)
        padded = torch.empty(rows, _COLUMN * columns)
        padded[:, size:] = -math.inf
        padded[:, :size].copy_(logits)
        scores: NDArray[np.float32] = padded.numpy()
        # NaN carries through a maximum, so that one pass finds it and infinity.
        is_sound = (scores.max(axis=1) < math.inf).tolist()
        scores[:, self._suppressed_ids] = -np.inf
        with np.errstate(over="ignore"):  # what overflows is as unlikely as -inf says
            for row, draw, is_number in zip(scores, draws, is_sound, strict=True):
                if is_number:
                    self._adjust(row, draw)
            peaks = scores.reshape(rows, _COLUMN, columns).max(axis=1)
            return [
                _Row(row, size, high, draw).pick() if is_number else BrokenLogitsError()
                for row, high, draw, is_number in zip(scores, peaks, draws, is_sound, strict=True)
            ]

    def _adjust(self, scores: NDArray[np.float32], draw: Draw) -> None:
        draw.repetition.lower(scores, draw.generated)
        if not draw.may_end:
            scores[self._end_ids] = -np.inf
        if draw.forbidden:
            scores[list(draw.forbidden)] = -np.inf


class _Row:
    """The adjusted scores of one request.

    Args:
        scores: (32 * C,), the end of it -inf.
        size: V, the vocabulary's.
        peaks: (C,), the greatest score of each 32 tokens that stand C apart.
        draw: the request's.
    """

    __slots__ = ("_draw", "_params", "_peak", "_peaks", "_scores", "_size")

    def __init__(
        self, scores: NDArray[np.float32], size: int, peaks: NDArray[np.float32], draw: Draw
    ) -> None:
        self._scores = scores
        self._size = size
        self._peaks = peaks
        self._peak = float(peaks.max())
        self._draw = draw
        self._params = draw.params

    def pick(self) -> int | EngineError:
        """Draw by inverting the distribution function at the draw's point in [0, 1)."""
        params = self._params
        if self._peak == -math.inf:
            return NothingToDrawError()
        if params.temperature == 0.0 or params.top_k == 1:
            return int(self._scores.argmax())
        ids: NDArray[np.int64] | None = None
        if 0 < params.top_k < self._size:
            ids = self._likeliest(params.top_k)
            shares = self._weights(self._scores[ids])
            shares /= shares.sum()
        elif params.top_p < 1.0:
            ids, shares = self._head()
        else:
            shares = self._weights(self._scores[: self._size])
            shares /= shares.sum()
        if ids is not None and params.top_p < 1.0:
            # The token that carries the sum over p still belongs to the nucleus.
            shares[shares.cumsum() - shares >= params.top_p] = 0.0
        if params.min_p > 0.0:
            shares[shares < params.min_p * shares.max()] = 0.0
        sums = shares.cumsum()
        point = uniform(self._draw.seed, len(self._draw.generated), self._draw.attempt)
        index = int(sums.searchsorted(point * sums[-1], side="right"))
        # The last index with any share is the answer should rounding carry the point over.
        if index == sums.size:
            index = int(shares.nonzero()[0][-1])
        return int(ids[index]) if ids is not None else index

    def _weights(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what is proportional to the shares: 1 for the likeliest."""
        weights: NDArray[np.float64] = scores.astype(np.float64)
        weights -= self._peak
        weights /= self._params.temperature
        return np.exp(weights, out=weights)

    def _likeliest(self, count: int) -> NDArray[np.int64]:
        """Return the likeliest tokens, the best first; fewer where fewer can be drawn.

        The count-th greatest of the peaks is at most the count-th greatest score, so that
        only columns with such a peak are looked into.
        """
        peaks = self._peaks
        among = peaks if count <= peaks.size else self._scores
        bound = max(np.partition(among, among.size - count)[among.size - count], _LOWEST)
        columns = np.flatnonzero(peaks >= bound)
        near = self._scores.reshape(_COLUMN, peaks.size)[:, columns]
        at, column = np.nonzero(near >= bound)
        ids = at * peaks.size + columns[column]
        order = np.argsort(-self._scores[ids], kind="stable")
        return ids[order[:count]]

    def _head(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the likeliest tokens that hold the nucleus, with their shares of the whole."""
        total = self._weights(self._scores[: self._size]).sum()
        ids = self._likeliest(min(_NUCLEUS_STEP, self._size))
        shares = self._weights(self._scores[ids]) / total
        if shares.sum() < self._params.top_p:
            ids = self._likeliest(self._size)
            shares = self._weights(self._scores[ids]) / total
        return ids, shares
