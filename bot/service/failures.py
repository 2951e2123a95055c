"""References that a person and the log share.

Invariant: a reference says nothing by itself; it only finds the log line.
"""

import secrets

from bot.errors import EngineError, UserError


def new_reference() -> str:
    """Return eight characters that tie what a person sees to a line of the log."""
    return secrets.token_hex(4).upper()


def is_expected(error: BaseException) -> bool:
    """Tell whether an error explains itself, so that the log needs no traceback."""
    return isinstance(error, UserError | EngineError)
