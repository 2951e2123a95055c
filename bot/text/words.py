"""Words: where they are, how many, and a text cut after so many.

Invariant: scripts without spaces (Han, kana) count each character as a word, as word
processors do; a word keeps its apostrophe and hyphen ("don't", "well-known").
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import re

from bot.text.scripts import CJK, MARKS

_LETTER = rf"(?:[^\W_{CJK}]|[{MARKS}])"
_WORD = re.compile(rf"[{CJK}]|{_LETTER}+(?:['’·-]{_LETTER}+)*")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of every word."""
    return [match.span() for match in _WORD.finditer(text)]


def words(text: str) -> list[str]:
    """Return the words as they stand."""
    return _WORD.findall(text)


def count_words(text: str) -> int:
    """Return how many words there are."""
    return sum(1 for _ in _WORD.finditer(text))


def truncate_words(text: str, limit: int, *, ellipsis: str = "…") -> str:
    """Cut after ``limit`` words and say so with the ellipsis; a text that is short enough stays as it is."""
    if limit <= 0:
        return ellipsis if text.strip() else ""
    end = 0
    for number, match in enumerate(_WORD.finditer(text), start=1):
        if number > limit:
            return text[:end] + ellipsis
        end = match.end()
    return text
