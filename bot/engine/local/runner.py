"""Compute a step's plan with the model.

Invariants:
    - After a step each sequence's slot holds exactly the tokens that were computed.
    - A failure costs the sequences it happened to, and their keys and values; others go on.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import DynamicCache

from bot.engine.local.errors import StepFailedError
from bot.engine.local.kv_cache import Slot, SlotStore
from bot.engine.local.loader import CacheUse
from bot.engine.local.scheduler import Span, StepPlan
from bot.errors import EngineError

log = logging.getLogger(__name__)


class Model(Protocol):
    """What a step needs of a loaded model."""

    @property
    def cache_use(self) -> CacheUse:
        """What can be done with its cache."""
        ...

    def new_cache(self) -> DynamicCache:
        """Return an empty cache."""
        ...

    def forward(self, ids: Sequence[int], cache: DynamicCache | None, /) -> torch.Tensor:
        """Return the logits after the last of the tokens: (V,)."""
        ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave.

    Attributes:
        logits: by sequence, (V,), for spans that ended with the last known token.
        computed: by sequence, how many of its tokens are computed now.
        errors: by sequence, what went wrong; its slot is gone.
    """

    logits: Mapping[int, torch.Tensor]
    computed: Mapping[int, int]
    errors: Mapping[int, EngineError]


class StepRunner:
    """Hold the slots of the active sequences and compute their spans, one by one.

    Args:
        model: computes.
        kv_cache_bytes: for keys and values that are kept.
    """

    def __init__(self, model: Model, *, kv_cache_bytes: int) -> None:
        self._model = model
        self._store = SlotStore(
            model.new_cache,
            limit_bytes=kv_cache_bytes,
            is_reusable=model.cache_use is CacheUse.CROPPED,
        )
        self._slots: dict[int, Slot] = {}

    def open(self, sequence_id: int, key: str | None, tokens: Sequence[int]) -> int:
        """Take a slot for a sequence; return how many of its tokens are computed already."""
        slot = self._store.take(key, tokens)
        self._slots[sequence_id] = slot
        return len(slot.tokens)

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

    def close(self, sequence_id: int, *, keeps: bool) -> None:
        """Let a sequence go; safe for one that has no slot."""
        slot = self._slots.pop(sequence_id, None)
        if slot is None:
            return
        if keeps:
            self._store.give_back(slot)
        else:
            self._store.drop(slot)

    def run(self, plan: StepPlan, texts: Mapping[int, Sequence[int]]) -> StepResult:
        """Compute a step.

        Args:
            plan: which spans.
            texts: by sequence, all its known tokens.
        """
        logits: dict[int, torch.Tensor] = {}
        computed: dict[int, int] = {}
        errors: dict[int, EngineError] = {}
        for span in plan.spans:
            try:
                last = self._compute(span, texts[span.id])
            except Exception:  # a model's forward may raise anything; only this request pays
                log.exception("a step of the model failed", extra={"request": span.id})
                errors[span.id] = StepFailedError()
                self.close(span.id, keeps=False)
                continue
            computed[span.id] = span.stop
            if span.is_last and last is not None:
                logits[span.id] = last
        return StepResult(logits, computed, errors)

    def _compute(self, span: Span, text: Sequence[int]) -> torch.Tensor | None:
        slot = self._slots[span.id]
        ids = list(text[span.start : span.stop])
        last: torch.Tensor | None = None
        if self._model.cache_use is not CacheUse.NOT_AT_ALL:
            last = self._model.forward(ids, slot.cache)  # type: ignore[arg-type]  # made by new_cache
        elif span.is_last:
            last = self._model.forward(list(text[: span.stop]), None)
        slot.tokens += ids
        return last
