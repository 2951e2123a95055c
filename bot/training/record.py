"""What a trained model's folder tells of its training.

Invariant: a folder without a record, or with one that cannot be read, was trained on nothing
that is known here.
"""

import json
from pathlib import Path

FIGURES = "training.json"
"""The file; ``bot.training.card`` says what is in it."""

_LEARNED_FROM = ("train", "validation")  # the second chose the weights that were kept


def trained_on(folder: Path) -> frozenset[str]:
    """Return the ids of the tales that a model learned from."""
    try:
        sets = json.loads((folder / FIGURES).read_text("utf-8"))["sets"]
        return frozenset(str(tale) for name in _LEARNED_FROM for tale in sets[name])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
