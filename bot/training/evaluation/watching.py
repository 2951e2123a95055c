"""What stands between the services and the engine while stories are written to be measured.

Invariant: only seeds and, for an ablation, the request's monitor are set from here; every token
that is drawn is counted, whatever comes of it.
"""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from bot.engine.backend import Backend
from bot.engine.relay import Relay
from bot.engine.types import Chunk, GenerationRequest
from bot.policy.settings import Settings
from bot.text.words import count_words
from bot.training.evaluation.ablations import Ablation, leave_out


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of one request.

    Attributes:
        seed: as it was asked with.
        words_beyond: written beyond the text's end, and taken back.
        tokens: all that were drawn, those that were rewound too.
    """

    seed: int
    words_beyond: int
    tokens: int


class WatchedBackend(Relay):
    """Gives each request its seed, leaves a measure out of it, and sees what it discards.

    Args:
        backend: writes.
        ablation: what is left out.
        settings: that hold.
    """

    def __init__(self, backend: Backend, ablation: Ablation, settings: Settings) -> None:
        super().__init__(backend)
        self._ablation = ablation
        self._settings = settings
        self._turns: dict[str, int] = {}
        self._drawn: dict[str, list[Drawn]] = {}

    def begin(self, place: str, turn: int) -> None:
        """Say which turn of a place is written from here on."""
        self._turns[place] = turn
        self._drawn[place] = []

    def drawn(self, place: str) -> tuple[Drawn, ...]:
        """Return what came of the requests of a place's turn, in the order of their ends."""
        return tuple(self._drawn.get(place, ()))

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """Write the requested text; see ``Backend.stream``."""
        asked = leave_out(request, self._ablation, self._settings)
        turn = self._turns.get(request.owner, 0)
        # The number tells a turn's requests apart.
        asked = replace(asked, seed=seed_of(f"{request.owner} {turn} {request.seed}"))
        text = longest = ""
        tokens = 0
        try:
            async with aclosing(self._backend.stream(asked)) as chunks:
                async for chunk in chunks:
                    if chunk.retract and chunk.finish is None:
                        longest = ""  # rewound: that was not about the end
                    text = chunk.change(text)
                    tokens = max(tokens, chunk.tokens)
                    if chunk.finish is None:
                        longest = text
                    elif chunk.usage is not None:
                        tokens = chunk.usage.sampled_tokens
                    yield chunk
        finally:  # one that failed or was screened was drawn too
            beyond = max(0, count_words(longest) - count_words(text))
            drawn = Drawn(request.seed, beyond, tokens)
            self._drawn.setdefault(request.owner, []).append(drawn)

    async def aclose(self) -> None:
        """Leave the backend open: others write with it after this."""


def seed_of(name: str) -> int:
    """Return a seed that is always the same for a name."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
