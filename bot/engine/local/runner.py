"""Compute a step's plan with the model.

Invariants:
    - After a step each sequence's slot holds exactly the tokens that were computed.
    - A failure costs the sequences it happened to, and their keys and values; others go on.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import torch

from bot.engine.local.errors import StepFailedError
from bot.engine.local.kv_cache import CacheUse, KeyValues, Slot, SlotStore
from bot.engine.local.scheduler import Span, StepPlan
from bot.errors import EngineError

log = logging.getLogger(__name__)

C = TypeVar("C", bound=KeyValues)

_NO_LOGITS = torch.empty(0, 0)


@dataclass(frozen=True, slots=True)
class Row(Generic[C]):
    """A sequence's tokens in a step.

    Attributes:
        tokens: ids.
        start: how many tokens come before them.
        cache: holds those, and takes the new ones.
        wanted: after how many of them, the last ones, logits are wanted.
    """

    tokens: Sequence[int]
    start: int
    cache: C
    wanted: int


class StepModel(Protocol[C]):
    """A model that computes steps."""

    @property
    def cache_use(self) -> CacheUse:
        """What can be done with its cache."""
        ...

    @property
    def is_packed(self) -> bool:
        """Whether it computes several rows at once, and any of them again after a failure."""
        ...

    def new_cache(self) -> C:
        """Return an empty cache."""
        ...

    def forward(self, rows: Sequence[Row[C]], /) -> torch.Tensor:
        """Compute rows; return the wanted logits in their order: (R, V), on the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave.

    Attributes:
        ended: the sequences whose spans ended with their last known token.
        logits: (R, V), those sequences' logits after it, in their order; any float type.
        scored: by sequence of which more was wanted, (n, V), the logits after its span's last
            n tokens; such a one is not among ``ended``.
        computed: by sequence, how many of its tokens are computed now.
        errors: by sequence, what went wrong; its slot is gone.
    """

    ended: Sequence[int]
    logits: torch.Tensor
    scored: Mapping[int, torch.Tensor]
    computed: Mapping[int, int]
    errors: Mapping[int, EngineError]


class StepRunner(Generic[C]):
    """Hold the slots of the active sequences and compute their spans.

    Args:
        model: computes.
        kv_cache_bytes: for keys and values that are kept.
    """

    def __init__(self, model: StepModel[C], *, kv_cache_bytes: int) -> None:
        self._model = model
        self._store = SlotStore(
            model.new_cache,
            limit_bytes=kv_cache_bytes,
            is_reusable=model.cache_use is CacheUse.CROPPED,
        )
        self._slots: dict[int, Slot[C]] = {}

    @property
    def can_copy(self) -> bool:
        """Whether what one sequence has computed may be given to another."""
        return self._model.cache_use is CacheUse.CROPPED

    def open(self, sequence_id: int, key: str | None, tokens: Sequence[int]) -> int:
        """Take a slot for a sequence; return how many of its tokens are computed already.

        Args:
            sequence_id: a new one.
            key: of the slot.
            tokens: the last of these is always left to compute.
        """
        slot = self._store.take(key, tokens)
        self._slots[sequence_id] = slot
        return len(slot.tokens)

    def copy(self, sequence_id: int, source_id: int, length: int) -> None:
        """Give a sequence the first tokens that another has computed."""
        self._store.fork(self._slots[sequence_id], self._slots[source_id], length)

    def rewind(self, sequence_id: int, length: int) -> int:
        """Forget what was computed beyond a length; return how much is computed then."""
        slot = self._slots[sequence_id]
        if len(slot.tokens) <= length:
            return len(slot.tokens)
        if self._model.cache_use is CacheUse.APPENDED:
            slot.cache = self._model.new_cache()
            slot.tokens.clear()
        elif self._model.cache_use is CacheUse.NOT_AT_ALL:
            del slot.tokens[length:]
        else:
            slot.crop(length)
        return len(slot.tokens)

    def close(self, sequence_id: int, *, keeps: int) -> None:
        """Let a sequence go; safe for one that has no slot.

        Args:
            sequence_id: which.
            keeps: how many first tokens, its prompt, may be kept for its story.
        """
        slot = self._slots.pop(sequence_id, None)
        if slot is None:
            return
        if keeps:
            self._store.give_back(slot, keeps)
        else:
            self._store.drop(slot)

    def run(
        self,
        plan: StepPlan,
        texts: Mapping[int, Sequence[int]],
        scored: Mapping[int, int] = MappingProxyType({}),
    ) -> StepResult:
        """Compute a step.

        Args:
            plan: which spans.
            texts: by sequence, all its known tokens.
            scored: by sequence, the first token after which, and after all that follow it,
                logits are wanted.
        """
        if self._model.is_packed and len(plan.spans) > 1:
            try:
                return self._compute(plan.spans, texts, scored)
            except Exception:  # a model's forward may raise anything; see who is to blame
                log.exception("a step of the model failed; its requests are computed alone")
        ended: list[int] = []
        logits: list[torch.Tensor] = []
        values: dict[int, torch.Tensor] = {}
        computed: dict[int, int] = {}
        errors: dict[int, EngineError] = {}
        for span in plan.spans:
            try:
                alone = self._compute((span,), texts, scored)
            except Exception:  # only this request pays
                log.exception("a step of the model failed", extra={"request": span.id})
                errors[span.id] = StepFailedError()
                self.close(span.id, keeps=0)
                continue
            ended += alone.ended
            logits += alone.logits
            values |= alone.scored
            computed |= alone.computed
        stacked = torch.stack(logits) if logits else _NO_LOGITS
        return StepResult(ended, stacked, values, computed, errors)

    def _compute(
        self,
        spans: Sequence[Span],
        texts: Mapping[int, Sequence[int]],
        scored: Mapping[int, int],
    ) -> StepResult:
        rows = [self._row(span, texts[span.id], scored.get(span.id)) for span in spans]
        logits = self._model.forward(rows)
        if len(logits) != sum(row.wanted for row in rows):
            msg = f"{len(logits)} rows of logits for {[row.wanted for row in rows]}"
            raise RuntimeError(msg)
        ended: list[int] = []
        drawn: list[int] = []  # rows that a token is drawn from
        values: dict[int, torch.Tensor] = {}
        at = 0
        for span, row in zip(spans, rows, strict=True):
            if span.id in scored:
                values[span.id] = logits[at : at + row.wanted]
            elif row.wanted:
                ended.append(span.id)
                drawn.append(at)
            at += row.wanted
            self._slots[span.id].tokens += texts[span.id][span.start : span.stop]
        computed = {span.id: span.stop for span in spans}
        return StepResult(ended, logits[drawn] if values else logits, values, computed, {})

    def _row(self, span: Span, text: Sequence[int], scored_from: int | None) -> Row[C]:
        # Without a cache the whole text is computed, once its end is reached.
        start = 0 if self._model.cache_use is CacheUse.NOT_AT_ALL else span.start
        wanted = int(span.is_last)
        if scored_from is not None:
            wanted = max(0, span.stop - max(span.start, scored_from))
        cache = self._slots[span.id].cache
        return Row(list(text[start : span.stop]), start, cache, wanted)
