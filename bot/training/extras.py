"""What training needs beside what the bot needs.

Invariant: what is missing is said before a model is read.
"""

import importlib.util

from bot.training.errors import ExtraMissingError

_TRAIN = ("accelerate", "datasketch", "matplotlib", "peft")
_SEARCH = (*_TRAIN, "optuna")


def require_libraries(*, is_search: bool = False) -> None:
    """See that the optional libraries are installed.

    Raises:
        ExtraMissingError: one is not.
    """
    for name in _SEARCH if is_search else _TRAIN:
        if importlib.util.find_spec(name) is None:
            raise ExtraMissingError(what="roundtale train", library=name, extra="train")
