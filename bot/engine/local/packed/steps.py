"""A packed model as the runner sees it."""

from collections.abc import Sequence

import torch

from bot.engine.local.kv_cache import CacheUse
from bot.engine.local.packed.batch import Block, Packed
from bot.engine.local.packed.lean import Forward
from bot.engine.local.runner import Row


class PackedModel:
    """Compute all rows of a step at once.

    Args:
        forward: lean or generic.
    """

    cache_use = CacheUse.CROPPED
    is_packed = True

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def new_cache(self) -> Block:
        """Return an empty block."""
        return Block(self._forward.layout)

    def forward(self, rows: Sequence[Row[Block]]) -> torch.Tensor:
        """Compute the rows; see ``StepModel``."""
        layout = self._forward.layout
        with torch.inference_mode():
            packed = Packed(rows, layout.device)
            logits = self._forward(packed)[: packed.wanted].cpu()
        if packed.attended != layout.layers:  # a model with attention of its own somewhere
            msg = f"{packed.attended} of {layout.layers} layers attended"
            raise RuntimeError(msg)
        return logits
