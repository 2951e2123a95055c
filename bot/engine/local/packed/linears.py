"""Linear layers whose weights are laid out once for the processor.

oneDNN reads a weight that it has reordered about three times as fast as a plain one. The
operators are torch's own but not public: see ``precision`` for how each is tried first.

Invariant: a row of the result does not depend on the other rows, from two rows on.
"""

import warnings
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 -- the name that torch's own documentation uses

Linear = Callable[[torch.Tensor], torch.Tensor]
"""(N, in) of any float type to (N, out), of the layer's own float type."""


class Activation(StrEnum):
    """What follows a linear layer at once."""

    NONE = "none"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        if self is Activation.NONE:
            return values
        return F.gelu(values, approximate="tanh" if self is Activation.GELU_TANH else "none")


_FUSED: Final = {
    Activation.NONE: ("none", ""),
    Activation.GELU: ("gelu", "none"),
    Activation.GELU_TANH: ("gelu", "tanh"),
}
_LEVELS: Final = 127  # int8, symmetrical
_ZERO_POINT: Final = 128
_TINY: Final = 1e-12  # an empty row's scale


class PlainLinear:
    """torch's own, on any device.

    Args:
        weight: (out, in).
        bias: (out,).
        activation: is applied to the result.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        activation: Activation = Activation.NONE,
    ) -> None:
        self._weight = weight
        self._bias = None if bias is None else bias.to(weight.dtype)
        self._activation = activation

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute (N, out), the weight's dtype."""
        return self._activation(F.linear(rows.to(self._weight.dtype), self._weight, self._bias))


class ReorderedLinear:
    """fp32 or bf16 through oneDNN; arguments as for ``PlainLinear``."""

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        activation: Activation = Activation.NONE,
    ) -> None:
        self._dtype = weight.dtype
        self._weight = torch.ops.mkldnn._reorder_linear_weight(  # noqa: SLF001 -- see above
            weight.contiguous(), None
        )
        self._bias = None if bias is None else bias.to(weight.dtype)
        self._kind, self._algorithm = _FUSED[activation]

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute (N, out), the weight's dtype."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001 -- see above
            rows.to(self._dtype), self._weight, self._bias, self._kind, [], self._algorithm
        )
        return result


class Int8Linear:
    """Weights in int8 with a scale for each output, rows with a scale for each row.

    torch's own dynamic quantisation takes one scale for the whole batch, so that a text
    would depend on who shares its step.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        activation: Activation = Activation.NONE,
    ) -> None:
        scales = (weight.float().abs().amax(1) / _LEVELS).clamp_min(_TINY).double()
        zeros = torch.zeros(len(scales), dtype=torch.long)
        with warnings.catch_warnings():
            # The operator below takes nothing else; what will replace it has no kernel here.
            warnings.filterwarnings("ignore", message="torch.quantize_per_tensor")
            quantised = torch.quantize_per_channel(weight.float(), scales, zeros, 0, torch.qint8)
        self._weight = torch.ops.quantized.linear_prepack(quantised, None)
        self._bias = None if bias is None else bias.float()
        self._activation = activation

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute (N, out) in fp32."""
        rows = rows.float()
        scale = rows.abs().amax(1, keepdim=True).clamp_min_(_TINY)
        result: torch.Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows / scale, 1.0 / _LEVELS, _ZERO_POINT, self._weight
        )
        result.mul_(scale)
        if self._bias is not None:
            result.add_(self._bias)
        return self._activation(result)
