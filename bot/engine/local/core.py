"""The engine's heart: requests in, steps, chunks out. It runs in one thread and waits for nothing.

Invariants:
    - Every submitted job ends with exactly one last event: a chunk with ``finish``, or an error.
    - What happens to one request (not-a-number, a failing monitor, a failing step) ends
      that request alone.
    - ``step`` computes at most one token for each active request and one budget of prompt
      tokens, so that whatever was asked meanwhile is heard soon.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from bot.engine.local.errors import MonitorFailedError, TooSlowError
from bot.engine.local.generation import Generation, Job, Next
from bot.engine.local.kv_cache import common_prefix
from bot.engine.local.loader import LoadedModel
from bot.engine.local.repetition import Repetition
from bot.engine.local.runner import StepRunner
from bot.engine.local.sampling import Draw, Sampler
from bot.engine.local.scheduler import CHUNK_TOKENS, Scheduler
from bot.engine.local.scoring import ScoreJob, Scoring
from bot.engine.local.threads import ThreadGovernor
from bot.engine.local.tokenizer import decode
from bot.engine.local.worker import Event, Load
from bot.engine.types import Chunk, FinishReason
from bot.errors import EngineError, QueueFullError

log = logging.getLogger(__name__)

_LEAST_SHARED_TOKENS = CHUNK_TOKENS  # to share fewer is not worth a wait


@dataclass(slots=True, eq=False)
class _Running:
    work: Generation | Scoring
    text: list[int]  # prompt and generated tokens, or prompt and scored ones
    prompt_length: int
    repetition: Repetition | None = None  # of a generation
    place: int | None = None
    is_open: bool = False  # admitted, with a slot

    @property
    def key(self) -> str | None:
        """The story that its keys and values belong to."""
        return self.work.job.request.cache_key


class EngineCore:
    """Serve jobs with one model.

    Args:
        loaded: the model.
        max_active: requests that share it.
        max_waiting: requests that wait beyond those.
        kv_cache_bytes: for keys and values that are kept.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        max_active: int = 8,
        max_waiting: int = 64,
        kv_cache_bytes: int = 512 * 2**20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loaded = loaded
        self._clock = clock
        budget = loaded.budget
        self._scheduler = Scheduler(
            max_active=max_active,
            max_waiting=max_waiting,
            budget_tokens=budget.budget_tokens,
            budget_alone_tokens=budget.budget_alone_tokens,
        )
        self._runner = StepRunner(loaded.model, kv_cache_bytes=kv_cache_bytes)
        self._running: dict[int, _Running] = {}
        self._sampler = Sampler(suppressed_ids=loaded.suppressed_ids, end_ids=loaded.end_ids)
        self._kinds = loaded.kinds
        self._last_error: str | None = None
        self._places: Mapping[int, int] = {}
        threads = loaded.threads if loaded.is_alike_on_one_thread else 1
        now = min(threads, torch.get_num_threads())
        self._threads = ThreadGovernor(threads, now, torch.set_num_threads)

    @property
    def has_work(self) -> bool:
        """Whether a step is due."""
        return self._scheduler.has_work

    @property
    def load(self) -> Load:
        """How busy it is."""
        return Load(self._scheduler.waiting, self._scheduler.active, self._last_error)

    def submit(self, job: Job | ScoreJob) -> list[Event]:
        """Queue a job; refuse it where too many wait."""
        if isinstance(job, ScoreJob):
            # The last token's own logits tell nothing of the text.
            text = [*job.prompt_ids, *job.text_ids[:-1]]
            return self._queue(job, _Running(Scoring(job), text, len(job.prompt_ids)))
        request = job.request
        generation = Generation(
            job, decode=self._decode, end_ids=self._loaded.end_ids, clock=self._clock
        )
        if request.max_tokens < 1:
            return [Event(job.id, generation.interrupt(FinishReason.LENGTH))]
        repetition = Repetition(
            request.sampling,
            is_exempt=self._kinds.is_exempt(job.exempt_ids),
            is_content=self._kinds.is_content(request.function_words),
            is_border=self._kinds.is_border,
            context=job.prompt_ids,
        )
        text = list(job.prompt_ids)
        return self._queue(job, _Running(generation, text, len(text), repetition))

    def _queue(self, job: Job | ScoreJob, running: _Running) -> list[Event]:
        request = job.request
        deadline_s = None if request.timeout_s is None else job.submitted_at_s + request.timeout_s
        try:
            self._scheduler.submit(
                job.id,
                owner=request.owner,
                group=request.group,
                known=len(running.text),
                deadline_s=deadline_s,
            )
        except QueueFullError as error:
            return [Event(job.id, error)]
        self._running[job.id] = running
        return []

    def cancel(self, job_id: int) -> list[Event]:
        """End a job; one that has ended already is left alone."""
        if job_id not in self._running:
            return []
        return [self._end(job_id, FinishReason.CANCELLED)]

    def step(self) -> list[Event]:
        """Serve every active request once."""
        events = [
            self._end(job_id, FinishReason.DEADLINE)
            for job_id in self._scheduler.expire(self._clock())
        ]
        for job_id in self._scheduler.admit():
            running = self._running[job_id]
            # A score needs the logits after the last token of its prompt.
            cached = self._runner.open(job_id, running.key, running.text[: running.prompt_length])
            self._scheduler.advance(job_id, cached)
            running.work.start(cached)
            self._follow(job_id, cached)
            running.is_open = True
        self._hand_over()
        events += self._changed_places()
        plan = self._scheduler.plan()
        scored = {
            span.id: running.prompt_length - 1
            for span in plan.spans
            if isinstance((running := self._running[span.id]).work, Scoring)
        }
        begun_s = time.perf_counter()
        result = self._runner.run(
            plan, {span.id: self._running[span.id].text for span in plan.spans}, scored
        )
        if plan.decodes and not plan.prefills:
            self._threads.observe(len(plan.decodes), time.perf_counter() - begun_s)
        events += [self._fail(job_id, error) for job_id, error in result.errors.items()]
        for job_id, computed in result.computed.items():
            self._scheduler.advance(job_id, computed)
        self._hand_over()  # before a leader may end
        events += self._take_scores(result.scored)
        return events + self._take_tokens(result.ended, result.logits)

    def _take_tokens(self, job_ids: Sequence[int], logits: torch.Tensor) -> list[Event]:
        """Draw the next token of each request and follow what comes of it."""
        if not job_ids:
            return []
        drawn = self._sampler.draw(logits, [self._next_draw(job_id) for job_id in job_ids])
        events: list[Event] = []
        for job_id, token in zip(job_ids, drawn, strict=True):
            if isinstance(token, EngineError):
                events.append(self._fail(job_id, token))
                continue
            event = self._take_token(job_id, token)
            if event is not None:
                events.append(event)
        return events

    def _take_scores(self, logits: Mapping[int, torch.Tensor]) -> list[Event]:
        """Add up what was computed of texts that are scored."""
        events: list[Event] = []
        for job_id, values in logits.items():
            scoring = self._running[job_id].work
            try:
                score = scoring.accept(values) if isinstance(scoring, Scoring) else None
            except EngineError as error:
                events.append(self._fail(job_id, error))
                continue
            if score is not None:
                self._forget(job_id, keeps=True)
                events.append(Event(job_id, score))
        return events

    def _next_draw(self, job_id: int) -> Draw:
        running = self._running[job_id]
        generation = running.work
        if not isinstance(generation, Generation) or running.repetition is None:
            msg = f"{job_id} draws no tokens"
            raise TypeError(msg)
        request = generation.job.request
        return Draw(
            params=request.sampling,
            seed=request.seed,
            repetition=running.repetition,
            generated=generation.tokens,
            attempt=generation.rewinds,
            forbidden=generation.forbidden,
            may_end=generation.may_end,
        )

    def _take_token(self, job_id: int, token: int) -> Event | None:
        """Follow what comes of a request's next token."""
        running = self._running[job_id]
        generation = running.work
        if not isinstance(generation, Generation):
            msg = f"{job_id} draws no tokens"
            raise TypeError(msg)
        try:
            progress = generation.accept(token)
        except Exception:  # a monitor is foreign code; only its own request pays
            log.exception("a request failed after a token", extra={"request": job_id})
            return self._fail(job_id, MonitorFailedError())
        if progress.next is Next.END:
            self._forget(job_id, keeps=True)
        elif progress.next is Next.REWIND:
            del running.text[running.prompt_length :]
            running.text += generation.tokens
            # The last token is computed again: its logits are what the new one is drawn from.
            computed = self._runner.rewind(job_id, len(running.text) - 1)
            self._scheduler.rewind(job_id, known=len(running.text), computed=computed)
        else:
            running.text.append(token)
            self._scheduler.extend(job_id)
        return Event(job_id, progress.chunk) if progress.chunk is not None else None

    def _hand_over(self) -> None:
        """Give followers what their leaders have computed."""
        while ready := self._scheduler.take_ready_followers():
            for handover in ready:
                self._runner.copy(handover.id, handover.leader_id, handover.upto)
                self._scheduler.advance(handover.id, handover.upto)
                self._running[handover.id].work.cached_tokens = handover.upto

    def _follow(self, job_id: int, cached: int) -> None:
        """Let a request wait for what another of its story is about to compute.

        Whole chunks only: they are what the request would compute for itself. It follows
        who was there before it, so that nobody waits in a circle.
        """
        running = self._running[job_id]
        key = running.key
        if key is None or not self._runner.can_copy:
            return
        best, leader_id = cached + _LEAST_SHARED_TOKENS, None
        for other_id, other in self._running.items():
            if not other.is_open or other.key != key:
                continue
            own = running.text[: running.prompt_length - 1]
            shared = common_prefix(other.text[: other.prompt_length], own)
            shared -= shared % CHUNK_TOKENS
            if shared >= best:
                best, leader_id = shared, other_id
        if leader_id is not None:
            self._scheduler.follow(job_id, leader_id, best)

    def _changed_places(self) -> list[Event]:
        events: list[Event] = []
        places = self._scheduler.places()
        if places is self._places:
            return events  # nobody came or went
        self._places = places
        for job_id, place in places.items():
            running = self._running[job_id]
            if running.place != place:
                running.place = place
                events.append(Event(job_id, Chunk(queue_place=place)))
        return events

    def _end(self, job_id: int, reason: FinishReason) -> Event:
        work = self._running[job_id].work
        content: Chunk | EngineError = (
            TooSlowError() if isinstance(work, Scoring) else work.interrupt(reason)
        )
        self._forget(job_id, keeps=True)
        return Event(job_id, content)

    def _fail(self, job_id: int, error: EngineError) -> Event:
        self._last_error = error.code
        self._forget(job_id, keeps=False)
        return Event(job_id, error)

    def _forget(self, job_id: int, *, keeps: bool) -> None:
        self._scheduler.remove(job_id)
        running = self._running.pop(job_id)
        # All of a text that is scored is computed as a prompt is.
        is_prompt = isinstance(running.work, Scoring)
        length = len(running.text) if is_prompt else running.prompt_length
        self._runner.close(job_id, keeps=length if keeps else 0)

    def _decode(self, ids: Sequence[int]) -> str:
        return decode(self._loaded.tokenizer, ids)
