"""The port that every engine fills: local, remote, or scripted for tests.

Invariant: nothing here blocks the event loop; ``stream`` may be closed at any
time (``aclose`` or cancellation of the consuming task) and then frees what it held.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from bot.engine.types import (
    Chunk,
    GenerationRequest,
    Health,
    ModelInfo,
    PromptPart,
    Score,
    ScoreRequest,
)


class Backend(Protocol):
    """Writes text for requests."""

    @property
    def info(self) -> ModelInfo:
        """The model that writes."""
        ...

    def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """Write the requested text.

        The last chunk has ``finish`` set. Closing the generator cancels the
        request within one token.

        Raises:
            PromptTooLongError: prompt and ``max_tokens`` exceed the window.
            QueueFullError: too many requests wait.
            EngineStoppedError: the engine is closed or dead.
            EngineError: this request failed.
        """
        ...

    async def score(self, request: ScoreRequest) -> Score:
        """Return how likely a text is after its prompt.

        Raises:
            EmptyPromptError: the text has no token.
            PromptTooLongError: prompt and text exceed the window.
            EngineError: as for ``stream``.
        """
        ...

    def count_tokens(self, parts: Sequence[PromptPart]) -> int:
        """Return how many tokens the parts take when joined; quick (under 5 ms for a window)."""
        ...

    def health(self) -> Health:
        """Return the state without waiting."""
        ...

    async def aclose(self) -> None:
        """Cancel everything and end; safe to call twice."""
        ...
