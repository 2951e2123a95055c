"""Who is served next: a bounded, fair queue and the plan of each step. No torch here.

Invariants:
    - At most ``max_active`` sequences are active and ``max_waiting`` wait; who is
      accepted is admitted after finitely many others, whatever comes later.
    - A sequence knows ``known`` tokens, of which the model has computed the first
      ``computed`` < ``known``. Each step computes one token for each sequence that lacks
      only its last one (a decode), and one span for some that lack more (a prefill).
    - A prefill ends with the last known token or at a multiple of ``chunk_tokens``, counted
      from the text's start: where a prompt may be cut does not depend on who else is there.
    - A follower and its leader are both active, and who leads whom has no circle: as long as
      anybody is active, somebody gets a span.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bot.engine.local.fair_queue import FairQueue
from bot.errors import QueueFullError

CHUNK_TOKENS: Final = 32


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
        prefills: longer spans, one for a sequence, however many chunks it holds.
    """

    decodes: tuple[Span, ...]
    prefills: tuple[Span, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Decodes first: nobody who reads along should wait for a prompt."""
        return self.decodes + self.prefills


@dataclass(frozen=True, slots=True)
class Handover:
    """A leader has computed what ``id`` shares with it: the first ``upto`` tokens."""

    id: int
    leader_id: int
    upto: int


@dataclass(slots=True, eq=False)
class _Sequence:
    id: int
    known: int
    deadline_s: float | None
    computed: int = 0
    has_begun: bool = False


class Scheduler:
    """Keep the queue and plan the steps.

    Args:
        max_active: sequences that share the model.
        max_waiting: sequences that wait beyond those.
        chunk_tokens: prompts are cut at multiples of it.
        budget_tokens: see ``calibrate``.
        budget_alone_tokens: see ``calibrate``.
    """

    def __init__(
        self,
        *,
        max_active: int = 8,
        max_waiting: int = 64,
        chunk_tokens: int = CHUNK_TOKENS,
        budget_tokens: int = CHUNK_TOKENS,
        budget_alone_tokens: int | None = None,
    ) -> None:
        if max_active < 1 or max_waiting < 0:
            msg = "max_active must be positive and max_waiting not negative"
            raise ValueError(msg)
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._chunk_tokens = chunk_tokens
        self._queue = FairQueue()
        self._waiting: dict[int, _Sequence] = {}
        self._active: dict[int, _Sequence] = {}  # in the order of the prefill's rotation
        self._following: dict[int, Handover] = {}  # by follower
        self.calibrate(budget_tokens=budget_tokens, budget_alone_tokens=budget_alone_tokens)

    def calibrate(
        self,
        *,
        budget_tokens: int,
        budget_alone_tokens: int | None = None,
        chunk_tokens: int | None = None,
    ) -> None:
        """Set how much a step computes.

        Args:
            budget_tokens: prompt tokens in one step, over all sequences, while somebody
                decodes; at least one chunk.
            budget_alone_tokens: the same while nobody does; at least ``budget_tokens``,
                which it is by default.
            chunk_tokens: prompts are cut at multiples of it; by default as before.

        Raises:
            ValueError: bounds that make no sense, or another chunk while somebody is active.
        """
        chunk = self._chunk_tokens if chunk_tokens is None else chunk_tokens
        alone = budget_tokens if budget_alone_tokens is None else budget_alone_tokens
        if not 1 <= chunk <= budget_tokens <= alone:
            msg = (
                "chunk_tokens must be positive, budget_tokens at least that and"
                f" budget_alone_tokens at least budget_tokens, not {chunk}, {budget_tokens}, {alone}"
            )
            raise ValueError(msg)
        if self._active and chunk != self._chunk_tokens:
            msg = "chunk_tokens must be set before anybody is active"
            raise ValueError(msg)
        self._chunk_tokens = chunk
        self._budget_tokens = budget_tokens
        self._budget_alone_tokens = alone

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
        self,
        sequence_id: int,
        *,
        owner: str,
        known: int,
        group: str | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Queue a sequence.

        Args:
            sequence_id: a new number.
            owner: who is served in turn with the other owners of its group.
            known: the prompt's tokens, at least one.
            group: what is served in turn with other groups; None: the owner is its own.
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
        self._waiting[sequence_id] = _Sequence(sequence_id, known, deadline_s)
        self._queue.append(sequence_id, group=owner if group is None else group, owner=owner)

    def admit(self) -> tuple[int, ...]:
        """Give free places to those who wait, in the order of ``places``; return them."""
        admitted: list[int] = []
        while self._waiting and len(self._active) < self._max_active:
            sequence_id = self._queue.pop()
            self._active[sequence_id] = self._waiting.pop(sequence_id)
            admitted.append(sequence_id)
        return tuple(admitted)

    def places(self) -> Mapping[int, int]:
        """Return each waiting sequence's place; 1 is next.

        It is the same object as before where nobody came or went.
        """
        return self._queue.places()

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
        """Forget a sequence that ended, failed or was cancelled; safe to call twice.

        Those that follow it compute for themselves.
        """
        if self._waiting.pop(sequence_id, None) is not None:
            self._queue.remove(sequence_id)
        elif self._active.pop(sequence_id, None) is not None:
            self._following.pop(sequence_id, None)
            self._release(sequence_id, beyond=0)

    def plan(self) -> StepPlan:
        """Return what the next step computes.

        Prompts take turns within the budget: each gets one span, as long as the budget
        allows. A follower gets none.

        Raises:
            RuntimeError: a sequence has nothing to compute; see ``advance``.
        """
        decodes: list[Span] = []
        behind: list[_Sequence] = []
        for sequence in self._active.values():
            if sequence.id in self._following:
                continue
            start, stop = sequence.computed, sequence.known
            if start == stop:
                msg = f"the last span of {sequence.id} was not followed by another token"
                raise RuntimeError(msg)
            if stop - start == 1:
                decodes.append(Span(sequence.id, start, stop, is_last=True))
            else:
                behind.append(sequence)
        left = self._budget_tokens if decodes else self._budget_alone_tokens
        prefills: list[Span] = []
        for sequence in behind:
            span = self._next_span(sequence, left)
            if span is None:
                break  # whoever does not fit stays first for the next step
            left -= span.stop - span.start
            prefills.append(span)
        for span in prefills:
            self._active[span.id] = self._active.pop(span.id)
        return StepPlan(tuple(decodes), tuple(prefills))

    def _next_span(self, sequence: _Sequence, budget_tokens: int) -> Span | None:
        start, stop = sequence.computed, sequence.known
        room = start + budget_tokens
        if stop > room:
            stop = room - room % self._chunk_tokens
        if stop <= start:
            return None
        return Span(sequence.id, start, stop, is_last=stop == sequence.known)

    def advance(self, sequence_id: int, computed: int) -> None:
        """Note that the first tokens of a sequence are computed, by the model or copied.

        A span that ended with the last known token must be followed by ``extend``,
        ``rewind`` or ``remove`` before the next plan.
        """
        sequence = self._active[sequence_id]
        if not sequence.computed <= computed <= sequence.known:
            msg = f"{computed} of {sequence.known} tokens cannot follow {sequence.computed}"
            raise ValueError(msg)
        sequence.computed = computed
        handover = self._following.get(sequence_id)
        if handover is not None and handover.upto <= computed:
            del self._following[sequence_id]

    def extend(self, sequence_id: int) -> None:
        """Note that one more token is known."""
        sequence = self._active[sequence_id]
        sequence.known += 1
        sequence.has_begun = True

    def rewind(self, sequence_id: int, *, known: int, computed: int) -> None:
        """Go back to fewer tokens, of which fewer still are computed.

        It follows nobody then, and leads only those that need no more than it kept.
        """
        if not 0 <= computed < known:
            msg = f"{computed} of {known} tokens cannot be computed already"
            raise ValueError(msg)
        sequence = self._active[sequence_id]
        sequence.known, sequence.computed = known, computed
        self._following.pop(sequence_id, None)
        self._release(sequence_id, beyond=computed)

    def follow(self, sequence_id: int, leader_id: int, upto: int) -> None:
        """Let a sequence wait for what it shares with another: one prefill for both.

        It gets no span until the leader has computed ``upto`` tokens (see
        ``take_ready_followers``), is removed or goes back. Following anew replaces the old.

        Args:
            sequence_id: the follower, active, with fewer than ``upto`` tokens computed
                and more known: its last token it computes itself.
            leader_id: active, with at least ``upto`` tokens known.
            upto: how many tokens both share.

        Raises:
            ValueError: one of that does not hold, or the leader follows the follower.
        """
        follower, leader = self._active.get(sequence_id), self._active.get(leader_id)
        if follower is None or leader is None:
            msg = f"{sequence_id} and {leader_id} must be active"
            raise ValueError(msg)
        if not follower.computed < upto < follower.known or leader.known < upto:
            msg = f"{sequence_id} cannot wait for {upto} tokens of {leader_id}"
            raise ValueError(msg)
        at: int | None = leader_id
        while at is not None:
            if at == sequence_id:
                msg = f"{leader_id} follows {sequence_id}"
                raise ValueError(msg)
            further = self._following.get(at)
            at = None if further is None else further.leader_id
        self._following[sequence_id] = Handover(sequence_id, leader_id, upto)

    def unfollow(self, sequence_id: int) -> None:
        """Let a follower compute for itself; safe for one that is none."""
        self._following.pop(sequence_id, None)

    def take_ready_followers(self) -> tuple[Handover, ...]:
        """Return the followers whose leader has computed what they share; they follow no more.

        Copy the leader's keys and values, then ``advance(id, upto)``; without that they
        compute for themselves. Ask in each step before ``plan``, and again after a follower
        was advanced: another may have followed it. A leader hands over only until its ``remove``.
        """
        ready = tuple(
            handover
            for handover in self._following.values()
            if self._active[handover.leader_id].computed >= handover.upto
        )
        for handover in ready:
            del self._following[handover.id]
        return ready

    def _release(self, leader_id: int, *, beyond: int) -> None:
        """Let those compute for themselves that wait for more of a leader's tokens."""
        for handover in list(self._following.values()):
            if handover.leader_id == leader_id and handover.upto > beyond:
                del self._following[handover.id]
