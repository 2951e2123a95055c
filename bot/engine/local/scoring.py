"""How likely a model finds a text: no token is drawn, the text's own are looked up.

Invariant: nothing here draws or ends by itself; logits come in as the scheduler cuts the
text, and the sum does not depend on how it was cut.
"""

from dataclasses import dataclass

import torch

from bot.engine.local.errors import BrokenLogitsError
from bot.engine.types import Score, ScoreRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreJob:
    """A score request on its way into the engine.

    Attributes:
        id: a new number.
        request: as it was asked.
        prompt_ids: what stands before the text, encoded; at least one.
        text_ids: the text, encoded; at least one.
        submitted_at_s: on the engine's clock.
    """

    id: int
    request: ScoreRequest
    prompt_ids: tuple[int, ...]
    text_ids: tuple[int, ...]
    submitted_at_s: float = 0.0


class Scoring:
    """Add up the log-likelihood of one text."""

    def __init__(self, job: ScoreJob) -> None:
        self.job = job
        self.cached_tokens = 0
        self._total = 0.0
        self._count = 0

    def start(self, cached_tokens: int) -> None:
        """Note that the waiting is over."""
        self.cached_tokens = cached_tokens

    def accept(self, logits: torch.Tensor) -> Score | None:
        """Take the logits before the next tokens of the text; return the score at its end.

        Args:
            logits: (n, V), any float type, for the next n tokens.

        Raises:
            BrokenLogitsError: they are not numbers.
        """
        ids = torch.tensor(self.job.text_ids[self._count : self._count + len(logits)])
        scores = torch.log_softmax(logits.double(), dim=1)
        found = float(scores.gather(1, ids[:, None]).sum())
        if found != found or found == float("-inf"):  # noqa: PLR0124 -- not-a-number alone differs
            raise BrokenLogitsError
        self._total += found
        self._count += len(logits)
        if self._count < len(self.job.text_ids):
            return None
        return Score(log_likelihood=self._total, tokens=self._count)
