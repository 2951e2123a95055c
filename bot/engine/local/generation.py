"""One request's text while it grows: what is shown, taken back, and kept.

Invariants:
    - Applying the chunks in order gives, at each moment, a start of the text that the
      monitor has seen and let pass.
    - The last chunk's ``token_ids`` decode to exactly the kept text, or are empty: where
      the cut falls inside a token, no ids are better than false ones.
    - Nothing here knows torch: a token comes in, a chunk and a decision go out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bot.engine.local.detokenizer import Detokenizer, StopStrings
from bot.engine.types import (
    GO_ON,
    Action,
    Chunk,
    FinishReason,
    GenerationRequest,
    Usage,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request on its way into the engine.

    Attributes:
        id: a new number.
        request: as it was asked.
        prompt_ids: its prompt, encoded.
        exempt_ids: the ids of its exempt words.
        submitted_at_s: on the engine's clock.
    """

    id: int
    request: GenerationRequest
    prompt_ids: tuple[int, ...]
    exempt_ids: frozenset[int] = frozenset()
    submitted_at_s: float = 0.0


class Next(Enum):
    """What the engine must do after a token."""

    EXTEND = auto()  # compute the next token
    REWIND = auto()  # ``tokens`` is shorter now; compute its last one again
    END = auto()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a token led to."""

    next: Next
    chunk: Chunk | None = None


class Generation:
    """Follow the text of one request.

    Args:
        job: the request.
        decode: turns ids into text.
        end_ids: the ends of text.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        job: Job,
        *,
        decode: Callable[[Sequence[int]], str],
        end_ids: frozenset[int],
        clock: Callable[[], float],
    ) -> None:
        self.job = job
        self.tokens: list[int] = []
        self.rewinds = 0
        self.cached_tokens = 0
        self._request = job.request
        self._clock = clock
        self._end_ids = end_ids
        self._text = Detokenizer(decode, job.prompt_ids)
        self._stops = StopStrings(job.request.stop)
        self._forbidden: dict[int, set[int]] = {}
        self._shown = 0  # characters that the caller has
        self._released = 0  # characters that cannot belong to a stop string
        self._sampled = 0
        self._started_at_s: float | None = None
        self._first_at_s: float | None = None

    def start(self, cached_tokens: int) -> None:
        """Note that the waiting is over."""
        self.cached_tokens = cached_tokens
        self._started_at_s = self._clock()

    @property
    def forbidden(self) -> frozenset[int]:
        """Tokens that were dropped at this place."""
        return frozenset(self._forbidden.get(len(self.tokens), ()))

    @property
    def may_end(self) -> bool:
        """Whether an end of text may be drawn now."""
        return len(self.tokens) >= self._request.min_tokens

    def accept(self, token: int) -> Progress:
        """Take the next token."""
        if self._first_at_s is None:
            self._first_at_s = self._clock()
        self._sampled += 1
        if token in self._end_ids:
            return self._come_to_end(FinishReason.END_OF_TEXT, dropped=token)
        self.tokens.append(token)
        before = len(self._text.text)
        self._text.push(token)
        text = self._text.text
        stop_at = self._stops.find(text, before)
        if stop_at is not None:
            self._released = stop_at
            return self._come_to_end(FinishReason.STOP_STRING)
        released = len(text) - self._stops.held(text)
        is_new = released > self._released
        self._released = released
        if is_new:
            verdict = self._check(at_end=False)
            if verdict.action is Action.STOP:
                return Progress(Next.END, self._finish(FinishReason.MONITOR, verdict.keep_chars))
            if verdict.action is Action.REWIND:
                return self._rewind(verdict.keep_chars)
        if len(self.tokens) >= self._request.max_tokens:
            return self._come_to_end(FinishReason.LENGTH)
        return Progress(Next.EXTEND, self._show(released))

    def interrupt(self, reason: FinishReason) -> Chunk:
        """End from outside (cancelled, deadline): what is shown is kept."""
        return self._finish(reason, self._released)

    def _check(self, *, at_end: bool) -> Verdict:
        monitor = self._request.monitor
        if monitor is None:
            return GO_ON
        return monitor.check(self._text.text[: self._released], len(self.tokens), at_end=at_end)

    def _come_to_end(self, reason: FinishReason, *, dropped: int | None = None) -> Progress:
        """End for the given reason, unless the monitor wants something else."""
        if reason is not FinishReason.STOP_STRING:
            self._text.flush()
            self._released = len(self._text.text)
        verdict = self._check(at_end=True)
        if verdict.action is Action.REWIND:
            return self._rewind(verdict.keep_chars, dropped=dropped)
        keep = verdict.keep_chars if verdict.action is Action.STOP else self._released
        return Progress(Next.END, self._finish(reason, keep))

    def _rewind(self, keep_chars: int, *, dropped: int | None = None) -> Progress:
        """Drop tokens down to a boundary at or before the character, and forbid the first of them.

        Args:
            keep_chars: how much of the text is good.
            dropped: the end of text that was drawn after the tokens, if one was.
        """
        if self.rewinds >= self._request.max_rewinds:
            return Progress(Next.END, self._finish(FinishReason.GAVE_UP, keep_chars))
        self.rewinds += 1
        count, _ = self._text.boundary(max(0, keep_chars))
        if count == len(self.tokens) and dropped is None:
            # Keeping everything would draw the same again: go back by one token at least.
            count = self._text.boundary_before(count)
        first = self.tokens[count] if count < len(self.tokens) else dropped
        for place in [place for place in self._forbidden if place > count]:
            del self._forbidden[place]  # what followed another beginning tells nothing here
        if first is not None:
            self._forbidden.setdefault(count, set()).add(first)
        del self.tokens[count:]
        self._text.truncate(count)
        text = self._text.text
        self._released = len(text) - self._stops.held(text)
        return Progress(Next.REWIND, self._show(self._released))

    def _show(self, upto: int) -> Chunk | None:
        """Return the change that makes the caller's text reach to a character; None for no change."""
        retract = max(0, self._shown - upto)
        text = self._text.text[self._shown : upto]
        self._shown = upto
        if not text and not retract:
            return None
        return Chunk(text=text, retract=retract, tokens=len(self.tokens))

    def _finish(self, reason: FinishReason, keep_chars: int) -> Chunk:
        keep = max(0, min(keep_chars, self._released))
        count, characters = self._text.boundary(keep)
        is_exact = characters == keep
        change = self._show(keep) or Chunk()
        now_s = self._clock()
        started_s = self._started_at_s if self._started_at_s is not None else now_s
        first_s = self._first_at_s if self._first_at_s is not None else now_s
        usage = Usage(
            prompt_tokens=len(self.job.prompt_ids),
            cached_tokens=self.cached_tokens,
            completion_tokens=count if is_exact else count + 1,
            sampled_tokens=self._sampled,
            rewinds=self.rewinds,
            queued_s=started_s - self.job.submitted_at_s,
            prefill_s=first_s - started_s,
            decode_s=now_s - first_s,
        )
        return Chunk(
            text=change.text,
            retract=change.retract,
            tokens=count,
            finish=reason,
            usage=usage,
            token_ids=tuple(self.tokens[:count]) if is_exact else (),
        )
