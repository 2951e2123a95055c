"""What channels ask for: a closed loop of thinking, asking and reading.

A channel's members read and type for a while, then the model goes on with their story; while it
writes they ask for nothing else. Lengths are those of the bot's default settings.

Invariants:
    - A channel's turns depend on the seed and its number only: the simulation and the real
      engine are given the same ones, whatever happens in between.
    - A story's context grows by whole turns and is cut as the bot cuts it: beyond its limit
      everything behind the pinned part is dropped but the newest, and so is its cache.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

CHARS_PER_TOKEN: Final = 4.46
"""Of SmolLM2's tokenizer, over the sentences of ``bot.bench.sentences``."""
TOKENS_PER_WORD: Final = 1.18
"""The same."""
PASSAGE_CHARS: Final = (560, 660)
"""A passage of medium length ends with the first sentence that ends beyond 560 characters."""
CONTEXT_TOKENS: Final = 1024
"""The bot's default for ``context_tokens``."""
REPLY_TOKENS: Final = 400
"""The bot's default for ``max_passage_tokens``: what a window keeps free for the reply."""
KEPT_SHARE: Final = 0.6
"""Of a context's limit, what is left of it after a cut."""
_PINNED_TOKENS = 60  # a concept in front of the text takes 36 to 60
_PINNED_SHARE = 0.4  # of the limit, at most
_TURN_TOKENS = (1, 60)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a channel does next.

    Attributes:
        think_s: before it asks.
        added_tokens: what the members add to the story.
        passage_tokens: what the model then writes.
    """

    think_s: float
    added_tokens: int
    passage_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How channels behave.

    Attributes:
        think_s: mean; exponentially distributed.
        limit_tokens: of a context.
        pinned_tokens: of it, what stands first in every turn and is never dropped.
        turn_tokens: least and most that members add; uniformly distributed.
        passage_tokens: least and most that the model writes; uniformly distributed.
        seed: the same one gives the same turns.
    """

    think_s: float
    limit_tokens: int
    pinned_tokens: int
    turn_tokens: tuple[int, int]
    passage_tokens: tuple[int, int]
    seed: int = 2019

    @classmethod
    def of(cls, window_tokens: int, *, think_s: float) -> Self:
        """Return the bot's default lengths, as far as a model's window has room for them.

        Args:
            window_tokens: that the engine uses.
            think_s: mean time between a passage's end and the next request.
        """
        reply = min(REPLY_TOKENS, window_tokens // 2)
        limit = min(CONTEXT_TOKENS, window_tokens - reply)
        least, most = (min(reply, round(chars / CHARS_PER_TOKEN)) for chars in PASSAGE_CHARS)
        return cls(
            think_s=think_s,
            limit_tokens=limit,
            pinned_tokens=min(_PINNED_TOKENS, int(_PINNED_SHARE * limit)),
            turn_tokens=_TURN_TOKENS,
            passage_tokens=(least, most),
        )

    def opening_tokens(self, channel: int) -> int:
        """Return how long a channel's context is at first: somewhere between two cuts."""
        chance = random.Random(f"{self.seed} opening {channel}")  # noqa: S311 -- no secret
        return chance.randint(int(KEPT_SHARE * self.limit_tokens), self.limit_tokens)

    def turns(self, channel: int) -> Iterator[Turn]:
        """Yield a channel's turns, without end."""
        chance = random.Random(f"{self.seed} {channel}")  # noqa: S311 -- no secret
        while True:
            yield Turn(
                think_s=chance.expovariate(1 / self.think_s),
                added_tokens=chance.randint(*self.turn_tokens),
                passage_tokens=chance.randint(*self.passage_tokens),
            )


class StoryText:
    """A story's tokens, as its context shows them.

    Args:
        workload: knows the limits.
        opening: the first ones; the pinned part stands before the rest.
    """

    def __init__(self, workload: Workload, opening: Sequence[int]) -> None:
        self._limit = workload.limit_tokens
        self._pinned = list(opening[: workload.pinned_tokens])
        self._rest = list(opening[workload.pinned_tokens :])

    def add(self, tokens: Sequence[int]) -> None:
        """Let the story grow."""
        self._rest += tokens

    def context(self) -> list[int]:
        """Return the prompt; cut first where it has become too long."""
        if len(self._pinned) + len(self._rest) > self._limit:
            kept = max(1, int(KEPT_SHARE * self._limit) - len(self._pinned))
            del self._rest[:-kept]
        return self._pinned + self._rest
