"""A backend that writes what it is told: for tests, without a model and without torch.

Invariant: it keeps the contract of ``Backend`` (places in the queue aside): stop strings,
the monitor, ``max_tokens``, the window, cancellation, errors, ``aclose``. A token is a word
with the spaces before it.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.engine.backend import Backend
from bot.engine.types import (
    GO_ON,
    Action,
    Chunk,
    FinishReason,
    GenerationRequest,
    Health,
    ModelInfo,
    PromptPart,
    PromptStyle,
    Score,
    ScoreRequest,
    Usage,
    Verdict,
)
from bot.errors import EngineStoppedError, PromptTooLongError, QueueFullError

_TOKEN = re.compile(r"\s*\S+|\s+")

SCRIPTED_INFO = ModelInfo(
    name="scripted",
    revision="0",
    window_tokens=1024,
    tokenizer_hash="",
    style=PromptStyle.COMPLETION,
    precision="none",
    engine_version="scripted",
)


def tokenize(text: str) -> list[str]:
    """Cut a text into the scripted backend's tokens; joined they are the text."""
    return _TOKEN.findall(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one call writes, and what befalls it.

    Attributes:
        text: all of it, before stop strings, monitor and limits.
        gates: by number of words written, an event that is waited for before the next.
        retractions: by number of words written, how many of them to take back; the words
            are then written again.
        places: queue places told before anything else.
        fails_after: words before ``error`` is raised; None never fails.
        error: what is raised.
        finish: why it ends where nothing else ended it.
    """

    text: str
    gates: Mapping[int, asyncio.Event] = field(default_factory=dict)
    retractions: Mapping[int, int] = field(default_factory=dict)
    places: tuple[int, ...] = ()
    fails_after: int | None = None
    error: Exception = field(default_factory=EngineStoppedError)
    finish: FinishReason = FinishReason.END_OF_TEXT


Answer = str | Script | Exception


class ScriptedBackend(Backend):
    """Answer each request from a script.

    Args:
        answers: one for each call, in turn (the last is repeated), or a function of the request. An
            exception is raised instead of writing.
        info: what it says of itself.
        max_open: more streams than these at a time are refused.
        score: the log-likelihood of a text; a nat less for each of its words by default.

    Attributes:
        requests: all that were asked, refused ones included.
        cancelled: how many streams were closed before their end.
        started: set as soon as some request is under way.
    """

    def __init__(
        self,
        answers: Iterable[Answer] | Callable[[GenerationRequest], Answer] = (
            " The door opened. Nobody was there.",
        ),
        *,
        info: ModelInfo = SCRIPTED_INFO,
        max_open: int = 64,
        score: Callable[[ScoreRequest], float] = lambda request: -1.0 * len(tokenize(request.text)),
    ) -> None:
        self._answer: Callable[[GenerationRequest], Answer]
        if callable(answers):
            self._answer = answers
        else:
            queued = list(answers)
            self._answer = lambda _: queued.pop(0) if len(queued) > 1 else queued[0]
        self._info = info
        self._max_open = max_open
        self._score = score
        self._tasks: dict[int, asyncio.Event] = {}
        self._is_closed = False
        self.requests: list[GenerationRequest] = []
        self.cancelled = 0
        self.started = asyncio.Event()

    @property
    def info(self) -> ModelInfo:
        """What it says of itself."""
        return self._info

    @property
    def active(self) -> int:
        """How many streams are open."""
        return len(self._tasks)

    async def score(self, request: ScoreRequest) -> Score:
        """Score as told."""
        if self._is_closed:
            raise EngineStoppedError
        return Score(
            log_likelihood=self._score(request), tokens=max(1, len(tokenize(request.text)))
        )

    def count_tokens(self, parts: Sequence[PromptPart]) -> int:
        """Count words."""
        return sum(len(tokenize(part.text)) for part in parts)

    def health(self) -> Health:
        """Say that all is well, until it is closed."""
        return Health(
            is_ok=not self._is_closed,
            detail="closed" if self._is_closed else "ready",
            waiting=0,
            active=self.active,
        )

    async def aclose(self) -> None:
        """End all streams with an error."""
        self._is_closed = True
        for closing in self._tasks.values():
            closing.set()

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """Write the next answer word by word."""
        self.requests.append(request)
        prompt_tokens = self._admit(request)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        script = answer if isinstance(answer, Script) else Script(text=answer)
        number = len(self.requests)
        closing = self._tasks[number] = asyncio.Event()
        self.started.set()
        run = _Run(request, script, prompt_tokens)
        is_over = False
        try:
            for place in script.places:
                yield Chunk(queue_place=place)
            while not is_over:
                await self._pass_gate(script.gates.get(run.words), closing)
                if self._is_closed:
                    raise EngineStoppedError
                if script.fails_after is not None and run.words >= script.fails_after:
                    raise script.error
                for chunk in run.step():
                    is_over = chunk.finish is not None
                    yield chunk
                await asyncio.sleep(0)
        finally:
            del self._tasks[number]
            if not is_over:
                self.cancelled += 1

    def _admit(self, request: GenerationRequest) -> int:
        """Return the prompt's length, if the request can be served."""
        if self._is_closed:
            raise EngineStoppedError
        prompt_tokens = self.count_tokens(request.prompt)
        tokens = prompt_tokens + request.max_tokens
        if tokens > self._info.window_tokens:
            raise PromptTooLongError(tokens=tokens, limit=self._info.window_tokens)
        if self.active >= self._max_open:
            raise QueueFullError(waiting=self.active)
        return prompt_tokens

    @staticmethod
    async def _pass_gate(gate: asyncio.Event | None, closing: asyncio.Event) -> None:
        """Wait for a gate, or for the backend to close."""
        if gate is None or gate.is_set():
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (gate, closing)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class _Run:
    """One request's progress through its script."""

    def __init__(self, request: GenerationRequest, script: Script, prompt_tokens: int) -> None:
        self._request = request
        self._script = script
        self._prompt_tokens = prompt_tokens
        self._tokens = tokenize(script.text)
        self._retractions = dict(script.retractions)
        self._shown = ""
        self._text = ""
        self._sampled = 0
        self._rewinds = 0
        self.words = 0  # written, and not taken back

    def step(self) -> list[Chunk]:
        """Write one word, or end."""
        back = self._retractions.pop(self.words, 0)
        if back:
            self._go_to(max(0, self.words - back))
            return self._show(self._text)
        if self.words >= len(self._tokens):
            return self._end(self._script.finish, self._text)
        if self.words >= self._request.max_tokens:
            return self._end(FinishReason.LENGTH, self._text)
        return self._write()

    def _write(self) -> list[Chunk]:
        self._text += self._tokens[self.words]
        self.words += 1
        self._sampled += 1
        stops = [at for stop in self._request.stop if stop and (at := self._text.find(stop)) >= 0]
        if stops:
            return self._end(FinishReason.STOP_STRING, self._text[: min(stops)])
        free = self._text[: len(self._text) - self._held()]
        verdict = self._check(free, at_end=False)
        match verdict.action:
            case Action.STOP:
                return self._finish(FinishReason.MONITOR, free[: verdict.keep_chars])
            case Action.REWIND:
                return self._rewind(free, verdict.keep_chars)
            case _:
                return self._show(free)

    def _held(self) -> int:
        """Return how many last characters might begin a stop string."""
        return max(
            (
                length
                for stop in self._request.stop
                for length in range(1, len(stop))
                if self._text.endswith(stop[:length])
            ),
            default=0,
        )

    def _check(self, text: str, *, at_end: bool) -> Verdict:
        monitor = self._request.monitor
        return monitor.check(text, self.words, at_end=at_end) if monitor else GO_ON

    def _rewind(self, text: str, keep_chars: int) -> list[Chunk]:
        """Go on with the word after the rejected one: the same would be rejected again."""
        if self._rewinds >= self._request.max_rewinds:
            return self._finish(FinishReason.GAVE_UP, text[:keep_chars])
        self._rewinds += 1
        kept = self.words
        while kept and len("".join(self._tokens[:kept])) > keep_chars:
            kept -= 1
        kept = min(kept, self.words - 1)
        del self._tokens[kept]
        self._go_to(kept)
        return self._show(self._text)

    def _go_to(self, words: int) -> None:
        self.words = words
        self._text = "".join(self._tokens[:words])

    def _show(self, text: str) -> list[Chunk]:
        if text == self._shown:
            return []
        same = min(len(text), len(self._shown))
        while text[:same] != self._shown[:same]:
            same -= 1
        chunk = Chunk(text=text[same:], retract=len(self._shown) - same)
        self._shown = text
        return [chunk]

    def _end(self, reason: FinishReason, text: str) -> list[Chunk]:
        verdict = self._check(text, at_end=True)
        match verdict.action:
            case Action.STOP:
                return self._finish(reason, text[: verdict.keep_chars])
            case Action.REWIND if self.words:
                return self._rewind(text, verdict.keep_chars)
            case _:
                return self._finish(reason, text)

    def _finish(self, reason: FinishReason, text: str) -> list[Chunk]:
        change = next(iter(self._show(text)), Chunk())
        usage = Usage(
            prompt_tokens=self._prompt_tokens,
            cached_tokens=0,
            completion_tokens=len(tokenize(text)),
            sampled_tokens=self._sampled,
            rewinds=self._rewinds,
            queued_s=0.0,
            prefill_s=0.0,
            decode_s=0.0,
        )
        return [Chunk(text=change.text, retract=change.retract, finish=reason, usage=usage)]
