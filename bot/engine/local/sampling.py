"""How the next token is drawn from the logits.

Invariants:
    - A draw depends on the logits, the request and (seed, position, attempt) alone: no
      state is kept between draws, so that a request gives the same text in any company.
    - With ``top_k`` set, the vocabulary is never sorted: a full-sort nucleus costs more
      than a step of the model.
"""

import math
import struct
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b

import torch

from bot.engine.local.errors import BrokenLogitsError, NothingToDrawError
from bot.engine.types import SamplingParams

PENALTY_REACH_TOKENS = 256
"""How far back the presence and frequency penalties look, into the prompt too."""
DRY_REACH_TOKENS = 512
_DRY_BASE = 1.75
_DRY_ALLOWED = 2  # tokens in a row that may come again for nothing
_DRY_LONGEST = 20  # beyond it the penalty is enormous anyhow
_NUCLEUS_STEP = 1024  # how many of the likeliest are tried before the whole vocabulary is sorted


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


class Sampler:
    """Draw the tokens of one request.

    Args:
        params: how.
        seed: the request's.
        is_exempt: whether a token is never held against the text when it repeats.
        is_content: whether a token begins a content word: the presence and frequency
            penalties are for these.
        is_border: whether a token ends a line or opens a quotation: what repeats across it
            is no phrase.
        context: the prompt's last ids, to hold against the text as well.
        suppressed_ids: (n,) int64: never drawn.
        end_ids: (n,) int64: the ends of text, not drawn before ``min_tokens``.
    """

    __slots__ = (
        "_context",
        "_end_ids",
        "_is_border",
        "_is_content",
        "_is_exempt",
        "_params",
        "_seed",
        "_suppressed_ids",
    )

    def __init__(
        self,
        params: SamplingParams,
        *,
        seed: int,
        is_exempt: Callable[[int], bool],
        is_content: Callable[[int], bool],
        is_border: Callable[[int], bool],
        context: Sequence[int] = (),
        suppressed_ids: torch.Tensor,
        end_ids: torch.Tensor,
    ) -> None:
        self._params = params
        self._seed = seed
        self._is_exempt = is_exempt
        self._is_content = is_content
        self._is_border = is_border
        self._context = tuple(context[-DRY_REACH_TOKENS:])
        self._suppressed_ids = suppressed_ids
        self._end_ids = end_ids

    def draw(
        self,
        logits: torch.Tensor,
        generated: Sequence[int],
        *,
        attempt: int = 0,
        forbidden: Collection[int] = (),
        may_end: bool = True,
    ) -> int:
        """Return the next token.

        Args:
            logits: (V,), any float type, on the CPU; not changed.
            generated: the request's tokens so far, without its prompt.
            attempt: how often the text was rewound.
            forbidden: tokens not to be drawn here.
            may_end: whether an end of text may be drawn.

        Raises:
            BrokenLogitsError: the logits are not numbers.
            NothingToDrawError: every token is ruled out.
        """
        scores = logits.to(torch.float32, copy=True)
        # NaN carries through max, so that one pass finds it and infinity.
        if not float(scores.max()) < math.inf:
            raise BrokenLogitsError
        self._adjust(scores, generated)
        scores[self._suppressed_ids] = -math.inf
        if not may_end:
            scores[self._end_ids] = -math.inf
        if forbidden:
            scores[list(forbidden)] = -math.inf
        if not math.isfinite(float(scores.max())):
            raise NothingToDrawError
        if self._params.temperature == 0.0 or self._params.top_k == 1:
            return int(scores.argmax())
        return self._pick(scores, uniform(self._seed, len(generated), attempt))

    def _adjust(self, scores: torch.Tensor, generated: Sequence[int]) -> None:
        """Lower what was said lately, in place (Keskar et al. 2019, section 4.1)."""
        params = self._params
        if params.repetition_penalty != 1.0 and params.repetition_window and generated:
            recent = set(generated[-params.repetition_window :])
            ids = [token for token in recent if not self._is_exempt(token)]
            if ids:
                index = torch.tensor(ids)
                said = scores[index]
                penalty = params.repetition_penalty
                scores[index] = torch.where(said > 0, said / penalty, said * penalty)
        size = params.no_repeat_ngram
        if size and len(generated) >= size:
            begun = list(generated[len(generated) - size + 1 :])
            repeats = [
                generated[at + size - 1]
                for at in range(len(generated) - size + 1)
                if list(generated[at : at + size - 1]) == begun
            ]
            scores[repeats] = -math.inf
        if params.presence_penalty or params.frequency_penalty or params.dry_multiplier:
            history = [*self._context, *generated][-DRY_REACH_TOKENS:]
            self._vary_words(scores, history[-PENALTY_REACH_TOKENS:])
            self._vary_phrases(scores, history)

    def _vary_words(self, scores: torch.Tensor, said: Sequence[int]) -> None:
        """Lower content words, in place, for standing there and for how often they do."""
        params = self._params
        counts = {
            token: times
            for token, times in Counter(said).items()
            if self._is_content(token) and not self._is_exempt(token)
        }
        if counts:
            often = torch.tensor(list(counts.values()), dtype=scores.dtype)
            scores[list(counts)] -= params.presence_penalty + params.frequency_penalty * often

    def _vary_phrases(self, scores: torch.Tensor, said: Sequence[int]) -> None:
        """Lower, in place, what would prolong a phrase that was said before."""
        if not self._params.dry_multiplier or not said or self._is_border(said[-1]):
            return
        last = len(said) - 1
        longest: dict[int, int] = {}
        for at in range(last):
            if said[at] != said[last] or self._is_exempt(said[at + 1]):
                continue
            length = 1
            while (
                length < min(_DRY_LONGEST, at + 1)
                and said[at - length] == said[last - length]
                and not self._is_border(said[at - length])
            ):
                length += 1
            if length >= _DRY_ALLOWED:
                longest[said[at + 1]] = max(longest.get(said[at + 1], 0), length)
        for token, length in longest.items():
            scores[token] -= self._params.dry_multiplier * _DRY_BASE ** (length - _DRY_ALLOWED)

    def _pick(self, scores: torch.Tensor, point: float) -> int:
        """Draw by inverting the distribution function at a point in [0, 1)."""
        params = self._params
        scaled = scores / params.temperature
        if params.top_k and params.top_k < scaled.numel():
            values, ids = scaled.topk(params.top_k)
            shares = torch.softmax(values.double(), dim=0)
        elif params.top_p < 1.0:
            values, ids, shares = self._head(scaled)
        else:
            shares = torch.softmax(scaled.double(), dim=0)
            ids = None
        if ids is not None and params.top_p < 1.0:
            # The token that carries the sum over p still belongs to the nucleus.
            before = shares.cumsum(0) - shares
            shares = torch.where(before < params.top_p, shares, 0.0)
        if params.min_p > 0.0:
            shares = torch.where(shares < params.min_p * shares.max(), 0.0, shares)
        sums = shares.cumsum(0)
        # The last index with any share is the answer should rounding carry the point over.
        index = int(torch.searchsorted(sums, point * float(sums[-1]), right=True))
        last = int(shares.nonzero()[-1])
        index = min(index, last)
        return int(ids[index]) if ids is not None else index

    def _head(self, scaled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the likeliest tokens that hold the nucleus, with their shares of the whole."""
        scaled = scaled.double()
        total = torch.logsumexp(scaled, dim=0)
        count = min(_NUCLEUS_STEP, scaled.numel())
        values, ids = scaled.topk(count)
        shares = torch.exp(values - total)
        if float(shares.sum()) < self._params.top_p and count < scaled.numel():
            values, ids = scaled.sort(descending=True)
            shares = torch.exp(values - total)
        return values, ids, shares
