"""What the engine's tests share: read a stream to its end, watch a text with a function."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.engine.backend import Backend
from bot.engine.local.backend import LocalBackend
from bot.engine.types import (
    Chunk,
    FinishReason,
    GenerationRequest,
    PromptPart,
    SamplingParams,
    Usage,
    Verdict,
)

Opened = Callable[..., AbstractAsyncContextManager[LocalBackend]]

PLAIN = SamplingParams(
    temperature=1.0,
    top_k=0,
    top_p=1.0,
    min_p=0.0,
    repetition_penalty=1.0,
    repetition_window=128,
    no_repeat_ngram=0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    dry_multiplier=0.0,
)
GREEDY = replace(PLAIN, temperature=0.0)
PROMPT = "Once upon a time in a small village,"


@dataclass
class Reading:
    text: str = ""
    chunks: list[Chunk] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        assert 0 <= chunk.retract <= len(self.text)
        self.text = chunk.change(self.text)
        self.chunks.append(chunk)

    @property
    def finish(self) -> FinishReason | None:
        return self.chunks[-1].finish

    @property
    def token_ids(self) -> tuple[int, ...]:
        return self.chunks[-1].token_ids

    @property
    def usage(self) -> Usage:
        usage = self.chunks[-1].usage
        assert usage is not None
        return usage

    @property
    def places(self) -> list[int]:
        return [chunk.queue_place for chunk in self.chunks if chunk.queue_place is not None]


async def read(backend: Backend, request: GenerationRequest) -> Reading:
    reading = Reading()
    async for chunk in backend.stream(request):
        reading.add(chunk)
    assert reading.finish is not None
    return reading


def ask(prompt: str | Sequence[PromptPart] = PROMPT, **options: Any) -> GenerationRequest:
    parts = [PromptPart(prompt)] if isinstance(prompt, str) else prompt
    return GenerationRequest(prompt=parts, **options)


class Watch:
    """A monitor made of a function."""

    def __init__(self, judge: Callable[[str, int, bool], Verdict]) -> None:
        self.judge = judge
        self.seen: list[str] = []

    def check(self, text: str, tokens: int, *, at_end: bool) -> Verdict:
        self.seen.append(text)
        return self.judge(text, tokens, at_end)
