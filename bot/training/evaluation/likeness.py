"""MAUVE: how alike two heaps of text are to a model (Pillutla et al. 2021).

Invariant: the library is used where somebody installed it, and never required: its licence is
GPLv3. Features come from the first model evaluated, not from GPT-2 large, so the score compares the
columns of one report and nothing else.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bot.engine.local.loader import read_weights
from bot.engine.local.tokenizer import load_tokenizer
from bot.training.evaluation.errors import NoMauveError

_SEED = 25  # the library's own


def require_mauve() -> None:
    """See, before anything is written, that the library is there.

    Raises:
        NoMauveError: it is not.
    """
    if importlib.util.find_spec("mauve") is None:
        raise NoMauveError


class Features:
    """Turns texts into vectors: a model's last hidden state after the last token.

    Args:
        path: the model's folder.
    """

    def __init__(self, path: Path) -> None:
        self._tokenizer: Any = load_tokenizer(path)
        tokens = len(self._tokenizer)
        self._model: Any = read_weights(path.name, path, torch.float32, "cpu", tokens=tokens)

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, (n, hidden) float32."""
        rows = []
        for text in texts:
            given = self._tokenizer(text, return_tensors="pt")
            with torch.inference_mode():
                found = self._model(input_ids=given["input_ids"], output_hidden_states=True)
            rows.append(found.hidden_states[-1][0, -1].numpy())
        return np.stack(rows).astype(np.float32)


def mauve(human: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return MAUVE of two heaps, 0 to 1; of the larger one so many as the smaller one has."""
    import mauve as library  # noqa: PLC0415 -- not everybody has it

    size = min(len(human), len(other))
    found = library.compute_mauve(
        p_features=human[:size], q_features=other[:size], seed=_SEED, verbose=False
    )
    return float(found.mauve)
