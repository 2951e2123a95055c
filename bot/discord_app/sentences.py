"""Puts errors into one person's words.

Invariant: what a sentence quotes is neutralised; what it does not know is a reference
and nothing else.
"""

from bot.discord_app.escaping import neutralise_line
from bot.errors import RoundtaleError
from bot.locales import N_, Words

_QUOTED_LIMIT = 300


def sentence_of(error: Exception, words: Words, reference: str | None = None) -> str:
    """Return what went wrong in a sentence, with the reference that the log has too."""
    if not isinstance(error, RoundtaleError):
        unknown = words(N_("Something went wrong; your words are kept."))
        return f"{unknown} (ref {reference})" if reference else unknown
    data = {name: _spoken(value, words) for name, value in error.data.items()}
    sentence = words.error(error.message, data)
    return f"{sentence} (ref {reference})" if reference else sentence


def _spoken(value: object, words: Words) -> object:
    # A reason is a message id itself; a title or a typed word is not, and stays.
    return neutralise_line(words(value), _QUOTED_LIMIT) if isinstance(value, str) else value
