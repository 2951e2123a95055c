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

    def logits(self, tokens: Sequence[int]) -> torch.Tensor:
        """Return the logits after each token of a text, (N, V), fp32, on the CPU.

        Args:
            tokens: 300 at most should a row be the same as in a step.
        """
        with torch.inference_mode():
            row = Row(tokens, 0, self.new_cache(), wanted=len(tokens))
            return self._compute([row]).float()

    def forward(self, rows: Sequence[Row[Block]]) -> torch.Tensor:
        """Compute the rows; see ``StepModel``."""
        with torch.inference_mode():
            return self._compute(rows)

    def _compute(self, rows: Sequence[Row[Block]]) -> torch.Tensor:
        layout = self._forward.layout
        packed = Packed(rows, layout.device)
        logits = self._forward(packed).cpu()
        if packed.attended != layout.layers:  # a model with attention of its own somewhere
            msg = f"{packed.attended} of {layout.layers} layers attended"
            raise RuntimeError(msg)
        return logits
