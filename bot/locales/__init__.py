"""The words that people see, by locale.

Invariant: every visible string is an English msgid marked with ``_`` or ``N_``
and is looked up here; nothing below the edges knows a locale.
"""

import gettext
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_DOMAIN = "roundtale"
_DIRECTORY = Path(__file__).parent


def N_(message: str) -> str:  # noqa: N802 -- gettext's own name for a marker
    """Mark a string for extraction without translating it."""
    return message


@cache
def catalogue(locale: str) -> gettext.NullTranslations:
    """Return the catalogue for a locale such as ``de`` or ``en-GB``; English where there is none."""
    language = locale.replace("-", "_")
    return gettext.translation(
        _DOMAIN, _DIRECTORY, languages=[language, language.split("_")[0]], fallback=True
    )


class Words:
    """Put messages into one person's language."""

    __slots__ = ("_catalogue", "locale")

    def __init__(self, locale: str = "en") -> None:
        self.locale = locale
        self._catalogue = catalogue(locale)

    def __call__(self, message: str, /, **data: object) -> str:
        """Translate a msgid, then fill in its named values."""
        text = self._catalogue.gettext(message) if message else ""
        return text.format_map(data) if data else text

    def plural(self, one: str, many: str, n: int, /, **data: object) -> str:
        """Translate with a plural form; ``{n}`` is filled in."""
        return self._catalogue.ngettext(one, many, n).format_map({"n": n, **data})

    def error(self, message: str, data: Mapping[str, object]) -> str:
        """Put an error's template and data into words."""
        return self._catalogue.gettext(message).format_map(data)
