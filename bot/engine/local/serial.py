"""Plain transformers, one text at a time: right for every model, quick for none.

Whatever cannot be computed packed (windows, biases by position, states in place of keys and
values) comes here.
"""

import inspect
import logging
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from bot.engine.local.kv_cache import CacheUse
from bot.engine.local.runner import Row

log = logging.getLogger(__name__)


class SerialCache:
    """The library's own cache of one text.

    Args:
        model: whose.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.values = DynamicCache(config=model.config)
        self._model = model

    @property
    def size_bytes(self) -> int:
        """Memory that the tensors hold; a cropped one still holds the whole of it."""
        return sum(
            tensor.untyped_storage().nbytes()
            for layer in self.values.layers
            for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None))
            if isinstance(tensor, torch.Tensor)
        )

    def crop(self, length: int, /) -> None:
        """Keep the first tokens only."""
        surplus = self.values.get_seq_length() - length
        if surplus > 0:
            self.values.crop(-surplus)  # the library counts from the end since its version 5

    def fork(self, length: int, /) -> "SerialCache":
        """Return a copy of the first tokens."""
        copy = SerialCache(self._model)
        for number, layer in enumerate(self.values.layers):
            whole: Any = layer  # only caches of plain layers are ever kept, and copied
            copy.values.update(whole.keys[:, :, :length], whole.values[:, :, :length], number)
        return copy


class SerialModel:
    """Compute rows one by one.

    Args:
        model: in evaluation mode.
        cache_use: what can be done with its cache.
    """

    is_packed = False

    def __init__(self, model: PreTrainedModel, cache_use: CacheUse) -> None:
        self._model = model
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.cache_use = cache_use

    def new_cache(self) -> SerialCache:
        """Return an empty cache of the kind that this model wants."""
        return SerialCache(self._model)

    def forward(self, rows: Sequence[Row[SerialCache]], /) -> torch.Tensor:
        """Compute the rows; see ``StepModel``."""
        logits: list[torch.Tensor] = []
        for row in rows:
            is_cached = self.cache_use is not CacheUse.NOT_AT_ALL
            if is_cached or row.wanted:
                cache = row.cache.values if is_cached else None
                found = self.last_logits(row.tokens, cache, max(1, row.wanted))
                logits.append(found[len(found) - row.wanted :])
        return torch.cat(logits) if logits else torch.empty(0, 0)

    def last_logits(
        self, ids: Sequence[int], cache: DynamicCache | None, count: int = 1
    ) -> torch.Tensor:
        """Compute tokens and return the logits after the last: (count, V), fp32, on the CPU.

        Args:
            ids: tokens that follow what the cache holds; all of them where it is None.
            cache: is appended to.
            count: after how many tokens logits are wanted.
        """
        options: dict[str, Any] = {"logits_to_keep": count} if self._keeps_logits else {}
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor([list(ids)], device=self._model.device),
                past_key_values=cache,
                use_cache=cache is not None,
                **options,
            )
        last: torch.Tensor = output.logits[0, -count:].to("cpu", torch.float32)
        return last


def find_cache_use(
    model: PreTrainedModel, ids: Sequence[int], expected: torch.Tensor, tolerance: float
) -> CacheUse:
    """See whether a model's cache can be trusted.

    Args:
        model: any.
        ids: a text of three tokens or more.
        expected: (V,), the logits after its last.
        tolerance: share of the largest logit by which others may differ.
    """
    half = len(ids) // 2
    plain = SerialModel(model, CacheUse.APPENDED)
    try:
        cache = plain.new_cache().values
        for part in (ids[:half], ids[half:-1], ids[-1:]):
            last = plain.last_logits(part, cache)
        holds = cache.get_seq_length() == len(ids)
    except Exception:  # foreign code
        log.warning("the model's cache cannot be used", exc_info=True)
        return CacheUse.NOT_AT_ALL
    gap = relative_gap(last, expected)
    if not (gap < tolerance and holds):
        log.warning("the model's cache gives other logits", extra={"gap": gap})
        return CacheUse.NOT_AT_ALL
    is_plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    return CacheUse.CROPPED if is_plain else CacheUse.APPENDED


def relative_gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference as a share of the largest expected value."""
    scale = float(expected.abs().max()) or 1.0
    return float((found.float() - expected).abs().max()) / scale
