"""Titles as the search sees them.

Invariant: a title and a query go through the same folding, so that a query of a
title's own words, in any case, always finds it.
"""

import re
import unicodedata

_SILENT = re.compile(
    "['\u2018\u2019\u201c\u201d\"`\u00b4]"
)  # dragon's and dragon\u2019s are one word
# A word, an ideograph or syllable of a script without spaces, or any other sign.
_WORD = re.compile(
    r"[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\w\s]|_"
)
_MOST_WORDS = 8
_LONGEST_WORD = 64


def title_key(title: str) -> str:
    """Return a title's words, folded, each after one space."""
    return "".join(f" {word}" for word in _words(title))


def patterns(query: str) -> list[str]:
    r"""Return LIKE patterns over ``title_key`` (escape ``\``), all of which must match."""
    return [f"% {_escape(word[:_LONGEST_WORD])}%" for word in _words(query)[:_MOST_WORDS]]


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_SILENT.sub("", folded))


def _escape(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
