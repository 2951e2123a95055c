"""A backend that stands before another one.

Invariant: what a subclass does not take up goes through unchanged.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from bot.engine.backend import Backend
from bot.engine.types import (
    Chunk,
    GenerationRequest,
    Health,
    ModelInfo,
    PromptPart,
    Score,
    ScoreRequest,
)


class Relay(Backend):
    """Hands everything on.

    Args:
        backend: to whom.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def info(self) -> ModelInfo:
        """The model that writes."""
        return self._backend.info

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """Write the requested text; see ``Backend.stream``."""
        async with aclosing(self._backend.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def score(self, request: ScoreRequest) -> Score:
        """Return how likely a text is after its prompt."""
        return await self._backend.score(request)

    def count_tokens(self, parts: Sequence[PromptPart]) -> int:
        """Return how many tokens the parts take when joined."""
        return self._backend.count_tokens(parts)

    def health(self) -> Health:
        """Return the state without waiting."""
        return self._backend.health()

    async def aclose(self) -> None:
        """Close the other one."""
        await self._backend.aclose()
