"""A request's text as a whole, for those who show nothing before it is there.

Invariant: the stream is closed when ``collect`` is over, however it is over.
"""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.engine.backend import Backend
from bot.engine.types import Chunk, GenerationRequest


@dataclass(frozen=True, slots=True)
class Collected:
    """What a request wrote.

    Attributes:
        text: all of it.
        last: the chunk that ended it; an empty one where none did.
    """

    text: str = ""
    last: Chunk = field(default_factory=Chunk)


async def collect(
    backend: Backend,
    request: GenerationRequest,
    *,
    queued: Callable[[int], Awaitable[None]] | None = None,
) -> Collected:
    """Have a text written, and return it.

    Args:
        backend: writes.
        request: what is asked.
        queued: hears the request's place in the queue.

    Raises:
        EngineError: the engine failed.
    """
    text, last = "", Chunk()
    async with contextlib.aclosing(backend.stream(request)) as chunks:
        async for chunk in chunks:
            if queued is not None and chunk.queue_place is not None:
                await queued(chunk.queue_place)
            text = chunk.change(text)
            last = chunk if chunk.finish is not None else last
    return Collected(text, last)
