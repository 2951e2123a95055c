"""Who is served next: a bounded, fair queue and the plan of each step. No torch here.

Invariants:
    - At most ``max_active`` sequences are active and ``max_waiting`` wait; who is
      accepted is admitted after finitely many others, whatever comes later.
    - A sequence knows ``known`` tokens, of which the model has computed the first
      ``computed`` < ``known``. Each step computes one token for each sequence that lacks
      only its last one (a decode), and some chunk for those that lack more (a prefill).
    - Chunks end at multiples of ``chunk_tokens``, counted from the text's start: how a
      prompt is cut does not depend on who else is there.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bot.errors import QueueFullError

CHUNK_TOKENS: Final = 64


class State(Enum):
    """Where a sequence stands."""

    WAITING = auto()
    PREFILL = auto()
    DECODE = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """The tokens ``start`` to ``stop`` of a sequence, to be computed in this step."""

    id: int
    start: int
    stop: int
    is_last: bool  # the span ends with the last known token: its logits are wanted


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one step computes.

    Attributes:
        decodes: spans of one token, each the last of its sequence.
        prefills: longer spans.
    """

    decodes: tuple[Span, ...]
    prefills: tuple[Span, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Decodes first: nobody who reads along should wait for a prompt."""
        return self.decodes + self.prefills


@dataclass(slots=True)
class _Sequence:
    id: int
    owner: str
    known: int
    deadline_s: float | None
    computed: int = 0
    has_begun: bool = False


class Scheduler:
    """Keep the queue and plan the steps.

    Args:
        max_active: sequences that share the model.
        max_waiting: sequences that wait beyond those.
        chunk_tokens: where prompts are cut.
        budget_tokens: prompt tokens computed in one step, over all sequences;
            at least one chunk.
    """

    def __init__(
        self,
        *,
        max_active: int = 8,
        max_waiting: int = 64,
        chunk_tokens: int = CHUNK_TOKENS,
        budget_tokens: int = CHUNK_TOKENS,
    ) -> None:
        if max_active < 1 or max_waiting < 0 or chunk_tokens < 1 or budget_tokens < chunk_tokens:
            msg = "max_active and chunk_tokens must be positive, budget_tokens at least a chunk"
            raise ValueError(msg)
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._chunk_tokens = chunk_tokens
        self._budget_tokens = budget_tokens
        self._queues: dict[str, deque[_Sequence]] = {}  # in the order of the rotation
        self._waiting: dict[int, _Sequence] = {}
        self._active: dict[int, _Sequence] = {}  # in the order of the prefill's rotation

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """How many share the model."""
        return len(self._active)

    @property
    def has_work(self) -> bool:
        """Whether another step is needed."""
        return bool(self._waiting or self._active)

    def state(self, sequence_id: int) -> State:
        """Return where a sequence stands; DONE for one that was removed."""
        if sequence_id in self._waiting:
            return State.WAITING
        sequence = self._active.get(sequence_id)
        if sequence is None:
            return State.DONE
        return State.DECODE if sequence.has_begun else State.PREFILL

    def submit(
        self, sequence_id: int, *, owner: str, known: int, deadline_s: float | None = None
    ) -> None:
        """Queue a sequence.

        Args:
            sequence_id: a new number.
            owner: who is served in turn with other owners.
            known: the prompt's tokens, at least one.
            deadline_s: when to give up, on the clock of ``expire``.

        Raises:
            QueueFullError: too many wait.
        """
        if known < 1 or self.state(sequence_id) is not State.DONE:
            msg = f"sequence {sequence_id} is empty or not new"
            raise ValueError(msg)
        free = self._max_active - len(self._active)
        if len(self._waiting) >= self._max_waiting + free:
            raise QueueFullError(waiting=len(self._waiting))
        sequence = _Sequence(sequence_id, owner, known, deadline_s)
        self._waiting[sequence_id] = sequence
        self._queues.setdefault(owner, deque()).append(sequence)

    def admit(self) -> tuple[int, ...]:
        """Give free places to those who wait, one owner after the other; return them."""
        admitted: list[int] = []
        while self._queues and len(self._active) < self._max_active:
            owner = next(iter(self._queues))
            queue = self._queues.pop(owner)
            sequence = queue.popleft()
            if queue:
                self._queues[owner] = queue  # to the end of the rotation
            del self._waiting[sequence.id]
            self._active[sequence.id] = sequence
            admitted.append(sequence.id)
        return tuple(admitted)

    def places(self) -> Mapping[int, int]:
        """Return each waiting sequence's place; 1 is next."""
        queues = {owner: list(queue) for owner, queue in self._queues.items()}
        places: dict[int, int] = {}
        depth = 0
        while len(places) < len(self._waiting):
            for queue in queues.values():
                if depth < len(queue):
                    places[queue[depth].id] = len(places) + 1
            depth += 1
        return places

    def expire(self, now_s: float) -> tuple[int, ...]:
        """Remove and return those whose deadline has passed."""
        late = [
            sequence.id
            for group in (self._waiting, self._active)
            for sequence in group.values()
            if sequence.deadline_s is not None and sequence.deadline_s <= now_s
        ]
        for sequence_id in late:
            self.remove(sequence_id)
        return tuple(late)

    def remove(self, sequence_id: int) -> None:
        """Forget a sequence that ended, failed or was cancelled; safe to call twice."""
        self._active.pop(sequence_id, None)
        sequence = self._waiting.pop(sequence_id, None)
        if sequence is not None:
            queue = self._queues[sequence.owner]
            queue.remove(sequence)
            if not queue:
                del self._queues[sequence.owner]

    def plan(self) -> StepPlan:
        """Return what the next step computes."""
        decodes: list[Span] = []
        prefills: list[Span] = []
        left = self._budget_tokens
        is_open = True
        for sequence in list(self._active.values()):
            span = self._next_span(sequence)
            if span.stop - span.start == 1 and span.is_last:
                decodes.append(span)
            elif is_open:
                # Whoever does not fit stays first for the next step.
                is_open = span.stop - span.start <= left
                if is_open:
                    left -= span.stop - span.start
                    prefills.append(span)
        for span in prefills:
            self._active[span.id] = self._active.pop(span.id)
        return StepPlan(tuple(decodes), tuple(prefills))

    def _next_span(self, sequence: _Sequence) -> Span:
        start = sequence.computed
        edge = (start // self._chunk_tokens + 1) * self._chunk_tokens
        stop = min(sequence.known, edge)
        return Span(sequence.id, start, stop, is_last=stop == sequence.known)

    def advance(self, sequence_id: int, computed: int) -> None:
        """Note that the model has computed the first tokens of a sequence.

        A span that ended with the last known token must be followed by ``extend``,
        ``rewind`` or ``remove`` before the next plan.
        """
        self._active[sequence_id].computed = computed

    def extend(self, sequence_id: int) -> None:
        """Note that one more token is known."""
        sequence = self._active[sequence_id]
        sequence.known += 1
        sequence.has_begun = True

    def rewind(self, sequence_id: int, *, known: int, computed: int) -> None:
        """Go back to fewer tokens, of which fewer still are computed."""
        if not 0 <= computed < known:
            msg = f"{computed} of {known} tokens cannot be computed already"
            raise ValueError(msg)
        sequence = self._active[sequence_id]
        sequence.known, sequence.computed = known, computed
