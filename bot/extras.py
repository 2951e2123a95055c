"""Libraries that only some commands need.

Invariant: what is missing is said before anything is read, written or measured.
"""

import importlib.util
from collections.abc import Iterable

from bot.errors import ExtraMissingError


def require_libraries(names: Iterable[str], *, what: str, extra: str) -> None:
    """See that libraries are installed.

    Args:
        names: as they are imported.
        what: needs them, as people write it.
        extra: that brings them.

    Raises:
        ExtraMissingError: one is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ExtraMissingError(what=what, library=name, extra=extra)
