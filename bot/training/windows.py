"""The one way in which text is scored: windows that overlap, each token scored once.

Invariants:
    - Every token of a text is scored exactly once, the first after the model's own mark for the
      beginning of a document; so nats, bytes and words of a text belong to each other.
    - But for a text's beginning, a token has at least ``context`` tokens before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bot.engine.local.runner import Row, StepModel

Logits = Callable[[Sequence[int]], torch.Tensor]
"""Gives the logits after each token of a text: (N,) ids to (N, V) float32, wherever it computes."""


def logits_of(model: StepModel[Any]) -> Logits:
    """Return what computes a text by itself, as the engine does."""

    def compute(ids: Sequence[int]) -> torch.Tensor:
        row = Row(ids, 0, model.new_cache(), wanted=len(ids))
        return model.forward([row]).float()

    return compute


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text.

    Attributes:
        ids: its tokens.
        scored: how many of its last ones are scored in it.
    """

    ids: Sequence[int]
    scored: int


def windows(ids: Sequence[int], *, size: int, context: int) -> Iterator[Window]:
    """Cut a text.

    Args:
        ids: all tokens, the document's mark first; it is not scored.
        size: tokens in a window at most.
        context: of these, taken from the window before; at least 1, less than ``size``.
    """
    if not 1 <= context < size:
        msg = f"context must be between 1 and {size - 1}, not {context}"
        raise ValueError(msg)
    done = 1
    while done < len(ids):
        start = max(0, done - context)
        stop = min(len(ids), start + size)
        yield Window(ids[start:stop], stop - done)
        done = stop


def losses(logits: Logits, ids: Sequence[int], *, size: int, context: int) -> list[float]:
    """Return the negative log-likelihood of each token after the first, in nats."""
    found: list[float] = []
    for window in windows(ids, size=size, context=context):
        found += window_losses(logits, window)
    return found


def window_losses(logits: Logits, window: Window) -> list[float]:
    """Return the negative log-likelihood of the tokens that are scored in a window, in nats."""
    given = logits(window.ids[:-1])[-window.scored :]
    wanted = torch.tensor(window.ids[-window.scored :], device=given.device)
    each = torch.nn.functional.cross_entropy(given, wanted, reduction="none")
    found: list[float] = each.tolist()
    return found
