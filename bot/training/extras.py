"""What training needs beside what the bot needs.

Invariant: what is missing is said before a model is read.
"""

from bot import extras

_TRAIN = ("accelerate", "datasketch", "matplotlib", "peft")
_SEARCH = (*_TRAIN, "optuna")


def require_libraries(*, is_search: bool = False) -> None:
    """See that the optional libraries are installed.

    Raises:
        ExtraMissingError: one is not.
    """
    names = _SEARCH if is_search else _TRAIN
    extras.require_libraries(names, what="roundtale train", extra="train")
