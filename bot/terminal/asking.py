"""How commands ask the person at the keyboard for more.

Invariant: whoever asks hears an answer, "no more" or "given up", and nothing else.
"""

from typing import Protocol

from bot.errors import InvalidInputError, UserError
from bot.locales import N_


class GivenUpError(UserError):
    """The person gave a command up in its midst (Ctrl-C)."""

    code = "given_up"
    message = N_("Stopped; nothing was changed.")


class UsageError(InvalidInputError):
    """A command came without what it needs."""

    code = "input.usage"
    message = N_("That is typed so: /{name} {usage}")


class Ask(Protocol):
    """Asks for a line."""

    async def __call__(self, message: str, *, default: str = "", is_multiline: bool = False) -> str:
        """Return the answer.

        Raises:
            EOFError: there is no more to say (Ctrl-D).
            GivenUpError: the command is given up (Ctrl-C).
        """
        ...
