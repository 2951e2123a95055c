"""How likely texts are to a model, in numbers.

Invariant: two models are compared text by text, for the tokens of one text are more alike than
those of two.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.training.intervals import Interval, ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore:
    """How likely a text is to a model.

    Attributes:
        nats: negative log-likelihood of all that was scored.
        tokens: that were scored.
        words: of their text.
        size_bytes: of it in UTF-8.
    """

    nats: float
    tokens: int
    words: int
    size_bytes: int

    @property
    def bits_per_byte(self) -> float:
        """What does not depend on the tokenizer."""
        return self.nats / math.log(2) / self.size_bytes


def total(scores: Collection[TextScore]) -> TextScore:
    """Return the score of all texts together."""
    return TextScore(
        nats=math.fsum(each.nats for each in scores),
        tokens=sum(each.tokens for each in scores),
        words=sum(each.words for each in scores),
        size_bytes=sum(each.size_bytes for each in scores),
    )


def perplexity_change(
    before: Mapping[str, TextScore], after: Mapping[str, TextScore], *, draws: int
) -> Interval:
    """Return by what share the perplexity by token changes: -0.15 is 15 % less.

    Args:
        before: scores by text.
        after: another model's of the same texts in the same tokens.
        draws: of the bootstrap over texts.
    """
    gained = {name: after[name].nats - score.nats for name, score in before.items()}
    tokens = {name: float(score.tokens) for name, score in before.items()}
    nats = ratio(gained, tokens, draws=draws)
    return Interval(math.expm1(nats.mean), math.expm1(nats.low), math.expm1(nats.high), nats.n)
