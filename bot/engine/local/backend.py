"""The local engine as the rest of the program sees it.

Invariants:
    - Nothing here blocks the event loop: loading and computing happen in the engine's
      thread, only prompts are encoded here, with a tokenizer of this side's own.
    - A stream that is closed, cancelled or dropped cancels its request.
    - When the thread ends, every open stream ends with an error; none hangs.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Self

from transformers import PreTrainedTokenizerBase

from bot.engine.backend import Backend
from bot.engine.local.core import EngineCore
from bot.engine.local.errors import ChatTemplateError, EmptyTextToScoreError
from bot.engine.local.generation import Job
from bot.engine.local.loader import LoadedModel, load_model
from bot.engine.local.packed.precision import Device, Precision
from bot.engine.local.resources import return_freed_memory
from bot.engine.local.scoring import ScoreJob
from bot.engine.local.tokenizer import PromptEncoder, control_tags, load_tokenizer
from bot.engine.local.worker import EngineThread, Event
from bot.engine.types import (
    Chunk,
    GenerationRequest,
    Health,
    ModelInfo,
    PromptPart,
    PromptStyle,
    Score,
    ScoreRequest,
)
from bot.errors import EngineError, EngineStoppedError, PromptTooLongError

log = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 10.0  # a step takes less than one
_KV_CACHE_BYTES = 512 * 2**20


class LocalBackend(Backend):
    """Write with a model in this process; made by ``open``."""

    def __init__(self, load: Callable[[], tuple[EngineCore, PromptEncoder, ModelInfo]]) -> None:
        self._load_parts = load
        self._encoder: PromptEncoder | None = None
        self._info: ModelInfo | None = None
        self._streams: dict[int, asyncio.Queue[Chunk | Score | EngineError]] = {}
        self._new_id = count(1).__next__
        self._is_closed = False
        self._thread = EngineThread(self._build, deliver=self._deliver, on_end=self._stop_streams)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        name: str | None = None,
        revision: str | None = None,
        style: PromptStyle | None = None,
        device: Device = "auto",
        precision: Precision = "auto",
        max_active: int = 8,
        max_waiting: int = 64,
        kv_cache_bytes: int = _KV_CACHE_BYTES,
        threads: int | None = None,
        window_tokens: int | None = None,
        on_calm: Callable[[], None] = lambda: None,
    ) -> Self:
        """Load a model from a folder and start its thread.

        Args:
            path: a folder with config.json, a tokenizer and safetensors.
            name: for people; the folder's name where None.
            revision: commit or content hash; the folder's fingerprint where None.
            style: how stories are put to it; completion where None.
            device: where to compute; auto is a graphics card if there is one.
            precision: auto is bf16 where the processor has it, else fp32; int8 is by name only.
            max_active: requests that share the model.
            max_waiting: requests that wait beyond those.
            kv_cache_bytes: for keys and values that stay with their stories.
            threads: to compute with; affinity and quota decide where None.
            window_tokens: the window to use, if the model has it; 2,048 at most where None.
            on_calm: called, on the loop, once only weights are left. Reading a tokenizer holds
                the interpreter's lock for 0.1 to 0.4 s at a time; reading weights lets go of it.

        Raises:
            ModelUnavailableError: it is missing, broken, too large or no language model.
        """
        loop = asyncio.get_running_loop()

        @_without_collections()
        def load() -> tuple[EngineCore, PromptEncoder, ModelInfo]:
            own_tokenizer: list[PreTrainedTokenizerBase] = []

            def load_own_tokenizer() -> None:
                own_tokenizer.append(load_tokenizer(path))
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(on_calm)

            loaded = load_model(
                path,
                name=name,
                revision=revision,
                device=device,
                precision=precision,
                threads=threads,
                window_tokens=window_tokens,
                on_tokenizer=load_own_tokenizer,
            )
            core = EngineCore(
                loaded,
                max_active=max_active,
                max_waiting=max_waiting,
                kv_cache_bytes=kv_cache_bytes,
            )
            encoder = PromptEncoder(
                own_tokenizer.pop(),
                tokenizer_hash=loaded.tokenizer_hash,
                document_start=loaded.document_start,
            )
            return_freed_memory()  # weights were copied while they were laid out
            return core, encoder, _describe(loaded, style or PromptStyle.COMPLETION)

        backend = cls(load)
        try:
            await backend._thread.start()
        except BaseException:
            # A load cannot be broken off; give it a moment to end in order.
            await backend.aclose()
            raise
        return backend

    @property
    def info(self) -> ModelInfo:
        """The model that writes."""
        if self._info is None:
            raise EngineStoppedError
        return self._info

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """Write the requested text; see ``Backend.stream``."""
        job = self._admit(request)
        async with contextlib.aclosing(self._answers(job)) as answers:
            async for content in answers:
                if isinstance(content, Chunk):
                    yield content

    async def score(self, request: ScoreRequest) -> Score:
        """Return how likely a text is; see ``Backend.score``."""
        job = self._admit_score(request)
        async with contextlib.aclosing(self._answers(job)) as answers:
            async for content in answers:
                if isinstance(content, Score):
                    return content
        raise EngineStoppedError  # pragma: no cover -- an answer or an error comes first

    async def _answers(self, job: Job | ScoreJob) -> AsyncGenerator[Chunk | Score, None]:
        """Hand a job in and yield what comes of it, the last included."""
        queue: asyncio.Queue[Chunk | Score | EngineError] = asyncio.Queue()
        self._streams[job.id] = queue
        is_over = False
        try:
            self._thread.submit(job)
            while not is_over:
                content = await queue.get()
                is_over = not isinstance(content, Chunk) or content.finish is not None
                if isinstance(content, EngineError):
                    raise content
                yield content
        finally:
            del self._streams[job.id]
            if not is_over:
                self._thread.cancel(job.id)

    def count_tokens(self, parts: Sequence[PromptPart]) -> int:
        """Return how many tokens the parts take when joined."""
        return len(self._prompts.encode(parts))

    def health(self) -> Health:
        """Return the state without waiting."""
        load = self._thread.load
        if self._is_closed:
            return Health(is_ok=False, detail="closed", waiting=0, active=0)
        return Health(
            is_ok=self._thread.is_running,
            detail="ready" if self._thread.is_running else "the engine's thread has died",
            waiting=load.waiting,
            active=load.active,
            last_error=load.last_error,
        )

    async def aclose(self) -> None:
        """Cancel everything and end the thread; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop_streams()
        if not await self._thread.close(_CLOSE_LIMIT_S):
            log.warning("the engine's thread did not end in time")

    @property
    def _prompts(self) -> PromptEncoder:
        if self._encoder is None:
            raise EngineStoppedError
        return self._encoder

    def _build(self) -> EngineCore:
        """Load in the engine's thread; what is set here is read only after ``start``."""
        core, self._encoder, self._info = self._load_parts()
        return core

    def _admit(self, request: GenerationRequest) -> Job:
        if self._is_closed or not self._thread.is_running:
            raise EngineStoppedError
        prompt = self._prompts.encode(request.prompt)
        tokens = len(prompt) + max(0, request.max_tokens)
        if tokens > self.info.window_tokens:
            raise PromptTooLongError(tokens=tokens, limit=self.info.window_tokens)
        return Job(
            id=self._new_id(),
            request=request,
            prompt_ids=tuple(prompt),
            exempt_ids=self._prompts.exempt_ids(request.exempt),
            submitted_at_s=time.monotonic(),
        )

    def _admit_score(self, request: ScoreRequest) -> ScoreJob:
        if self._is_closed or not self._thread.is_running:
            raise EngineStoppedError
        prompt = self._prompts.encode(request.prompt)
        # Parts are encoded one by one: what stands before a text does not change with it.
        role = request.prompt[-1].role if request.prompt else None
        whole = self._prompts.encode([*request.prompt, PromptPart(request.text, role=role)])
        text = whole[len(prompt) :] if request.prompt else whole
        if request.prompt and whole[: len(prompt)] != prompt:
            raise ChatTemplateError
        if not text:
            raise EmptyTextToScoreError
        if len(prompt) + len(text) > self.info.window_tokens:
            raise PromptTooLongError(tokens=len(prompt) + len(text), limit=self.info.window_tokens)
        return ScoreJob(
            id=self._new_id(),
            request=request,
            prompt_ids=tuple(prompt),
            text_ids=tuple(text),
            submitted_at_s=time.monotonic(),
        )

    def _deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            # A stream that was closed meanwhile is not there any more.
            with contextlib.suppress(KeyError):
                self._streams[event.id].put_nowait(event.content)

    def _stop_streams(self) -> None:
        for queue in self._streams.values():
            queue.put_nowait(EngineStoppedError())


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Make no collection of garbage meanwhile: a full one stops the event loop for 0.1 to 0.25 s."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _describe(loaded: LoadedModel, style: PromptStyle) -> ModelInfo:
    if not loaded.tokenizer.chat_template:
        style = PromptStyle.COMPLETION  # a model that was not taught roles cannot take them
    return ModelInfo(
        name=loaded.name,
        revision=loaded.revision,
        window_tokens=loaded.window_tokens,
        tokenizer_hash=loaded.tokenizer_hash,
        style=style,
        precision=loaded.precision,
        engine_version=loaded.engine_version,
        parameters=loaded.parameters,
        tags=frozenset(control_tags(loaded.tokenizer)),
    )
