"""Which number formats this processor computes in, and layers of each.

Invariant: an operator that is not public is used only after it was tried here, and found to
compute what the plain one does.
"""

import logging
from collections.abc import Callable
from typing import Final, Literal

import torch

from bot.engine.local.packed.lean import MakeLinear
from bot.engine.local.packed.linears import (
    Activation,
    Int8Linear,
    Linear,
    PlainLinear,
    ReorderedLinear,
)

log = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]

# By how much of the largest logit others may differ: rounding, and never a wrong mask, which
# is off by half or more.
TOLERANCE: Final = {"fp32": 1e-3, "bf16": 0.1, "fp16": 0.02, "int8": 0.25}
_DTYPES: Final = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,
}


def choose_device(wanted: Device) -> str:
    """Return where to compute: a graphics card if there is one, unless told otherwise."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def precisions(wanted: Precision, device: str) -> tuple[str, ...]:
    """Return what to try, in order: ``auto`` is the quickest that loses nothing to be seen.

    int8 is only ever chosen by name.
    """
    if device != "cpu":
        fast = "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "fp16"
        return (fast,) if wanted in {"auto", "int8"} else (wanted,)
    usual = ("bf16", "fp32") if has_bf16() else ("fp32",)
    if wanted == "auto":
        return usual
    if wanted == "int8":
        if has_int8() and works(Int8Linear, torch.float32, TOLERANCE["int8"]):
            return ("int8", *usual)
        log.warning("this processor has no int8 arithmetic that is exact enough")
        return usual
    return (wanted,) if wanted == "fp32" else (wanted, "fp32")


def dtype_of(precision: str) -> torch.dtype:
    """Return the type that a precision's weights are read in."""
    return _DTYPES[precision]


def linear_maker(precision: str, device: torch.device) -> MakeLinear:
    """Return what makes layers of a precision; every kind was tried before."""
    dtype = _DTYPES[precision]
    kind: Callable[..., Linear] = PlainLinear
    head_kind, head_dtype = kind, dtype
    if device.type == "cpu":
        head_dtype = torch.bfloat16 if precision != "fp32" and has_bf16() else dtype
        if works(ReorderedLinear, head_dtype, TOLERANCE["bf16"]):
            head_kind = ReorderedLinear
        kind = Int8Linear if precision == "int8" else head_kind

    def make(
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        activation: Activation = Activation.NONE,
        *,
        is_head: bool = False,
    ) -> Linear:
        if is_head:
            return head_kind(weight.to(head_dtype), bias, activation)
        return kind(weight.to(dtype), bias, activation)

    return make


def has_bf16() -> bool:
    """Whether this processor multiplies bf16 itself."""
    return bool(
        torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 -- nothing public tells
        or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    )


def has_int8() -> bool:
    """Whether this processor multiplies int8 itself (VNNI); without it sums may overflow."""
    return bool(torch.cpu._is_vnni_supported())  # noqa: SLF001 -- nothing public tells


def works(kind: Callable[..., Linear], dtype: torch.dtype, tolerance: float) -> bool:
    """Whether a kind of layer can be made here, and computes what the plain one does.

    Args:
        kind: makes a layer from weight, bias and activation.
        dtype: of its weight.
        tolerance: share of the largest value by which the results may differ.
    """
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 64, generator=generator).to(dtype)
    bias = torch.randn(96, generator=generator).to(dtype)
    rows = torch.randn(5, 64, generator=generator)
    try:
        for activation in Activation:
            expected = PlainLinear(weight.float(), bias.float(), activation)(rows)
            found = kind(weight, bias, activation)(rows).float()
            gap = float((found - expected).abs().max() / expected.abs().max())
            if not gap <= tolerance:  # not-a-number fails here too
                log.warning("a linear layer computes amiss", extra={"kind": str(kind), "gap": gap})
                return False
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        log.warning("a kind of linear layer is not to be had", exc_info=True)
        return False
    return True
