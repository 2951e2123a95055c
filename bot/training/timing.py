"""How many steps and validations a training takes.

Invariant: the number of steps is known before the first, for the learning rate falls to 0 with
the last; with a limit of time it is what fits, as measured with this model on this machine.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from transformers import default_data_collator

from bot.engine.local.packed.precision import precisions
from bot.training.packing import Rows
from bot.training.recipe import Recipe

ROWS_AT_ONCE = 2
"""Rows in one forward pass; a step adds the gradients of several up."""

_MAX_VALIDATION_ROWS = 64
_LEAST_VALIDATION_ROWS = 8
_LEAST_VALIDATIONS = 3
_RESERVE = 0.9  # of the limit of time is planned with; the rest is for what turns out slower
_VALIDATING = 0.2  # of it, at most, goes into validations


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long a training is.

    Attributes:
        steps: of the optimizer.
        validations: at equal distances, the last after the last step.
        validation_rows: that each of them reads.
    """

    steps: int
    validations: int
    validation_rows: int


def plan(model: Any, rows: Rows, validation: Rows, recipe: Recipe) -> Schedule:
    """Return a schedule: all epochs, or what fits into the limit of time."""
    wanted = max(1, math.ceil(recipe.epochs * len(rows) / recipe.batch_rows))
    read = min(len(validation), _MAX_VALIDATION_ROWS)
    if recipe.time_limit_s is None:
        return Schedule(
            steps=wanted, validations=min(wanted, recipe.validations), validation_rows=read
        )
    limit_s = recipe.time_limit_s * _RESERVE
    step_s, row_s = measure(model, rows, recipe)
    affordable = int(limit_s * _VALIDATING / row_s)  # rows, in all validations
    # The first, of the base, is one more.
    validations = max(_LEAST_VALIDATIONS, min(recipe.validations, affordable // read - 1))
    fitting = max(_LEAST_VALIDATION_ROWS, affordable // (validations + 1))
    read = min(read, fitting)
    left_s = limit_s - (validations + 1) * read * row_s - 2 * step_s
    steps = max(1, min(wanted, int(left_s / step_s)))
    return Schedule(steps=steps, validations=min(steps, validations), validation_rows=read)


def device_of(model: Any) -> torch.device:
    """Return where a model computes."""
    found: torch.device = next(model.parameters()).device
    return found


def can_bf16(device: torch.device) -> bool:
    """Tell whether layers are computed in bf16 there."""
    return precisions("auto", device.type)[0] == "bf16"


def autocast(device: torch.device) -> torch.autocast:
    """Have layers computed in bf16 where the processor has it, as the Trainer does."""
    return torch.autocast(device.type, torch.bfloat16, enabled=can_bf16(device))


def measure(model: Any, rows: Rows, recipe: Recipe) -> tuple[float, float]:
    """Return the seconds of a step, and of validating a row; the model is left as it was."""
    count = min(ROWS_AT_ONCE, len(rows), recipe.batch_rows)
    device = device_of(model)
    batch = default_data_collator([rows[at] for at in range(count)])
    batch = {name: values.to(device) for name, values in batch.items()}
    times: list[tuple[float, float]] = []
    was_training = model.training
    model.train()
    for _ in range(2):  # the first sets up kernels
        start_s = time.monotonic()
        with autocast(device):
            with torch.no_grad():
                model(**batch, use_cache=False)
            middle_s = time.monotonic()
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        times.append((time.monotonic() - middle_s, middle_s - start_s))
        model.zero_grad(set_to_none=True)
    model.train(was_training)
    both_s, forward_s = times[-1]
    return both_s * recipe.batch_rows / count, forward_s / count
