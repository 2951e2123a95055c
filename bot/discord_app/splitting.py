"""Cuts a passage into messages of at most 2000 characters.

Invariant: where the first cuts are depends only on what stands before them, so that
a part which is full stays as it is while the passage grows. Nothing is cut inside
an escape or a grapheme cluster, and only white space at a cut is dropped.
"""

import re
import unicodedata

from bot.discord_app.escaping import neutralise, utf16_length

MESSAGE_LIMIT = 2000
TEXT_LIMIT = 1900
"""What a part may take of a message; the rest is for a header and a footer."""

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n\s*")
_SENTENCE = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019\u00bb)]*\s+|[\u3002\uff01\uff1f]+[\u201d\u2019\u300d\u300f]*\s*"
)
_WORD = re.compile(r"\s+")
_LEAST_SHARE = 0.4  # a part that ends well but would be shorter than this is not worth it
_ZERO_WIDTH_JOINER = "\u200d"
_MAX_CLUSTER = 32


def split(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Return the text as parts, escaped, each of at most ``limit`` UTF-16 units.

    Args:
        text: plain text; white space around it is dropped.
        limit: 8 or more.
    """
    rest = text.strip()
    parts: list[str] = []
    while rest:
        if len(rest) <= limit and utf16_length(escaped := neutralise(rest)) <= limit:
            parts.append(escaped)
            break
        cut = _cut(rest, _longest_prefix(rest, limit))
        parts.append(neutralise(rest[:cut].rstrip()))
        rest = rest[cut:].lstrip()
    return [part for part in parts if part]


def _longest_prefix(text: str, limit: int) -> int:
    """Return how many characters fit; an escape only grows with its text."""
    low, high = 1, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if utf16_length(neutralise(text[:middle])) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, longest: int) -> int:
    """Return where to cut within ``longest`` characters: the better the place, the earlier it may be."""
    # The white space that follows the window belongs to it: a sentence may end exactly there.
    after = _WORD.match(text, longest)
    window = text[: after.end() if after else longest]
    least = int(longest * _LEAST_SHARE)
    for boundary in (_PARAGRAPH, _LINE, _SENTENCE, _WORD):
        ends = [found.end() for found in boundary.finditer(window) if found.end() > least]
        if ends:
            return ends[-1]
    return _cluster_start(text, longest)


def _cluster_start(text: str, at: int) -> int:
    """Return the last place up to ``at`` that is not inside a grapheme cluster (UAX 29, nearly)."""
    for place in range(at, max(at - _MAX_CLUSTER, 0), -1):
        if place >= len(text) or not _joins(text, place):
            return place
    return at


def _joins(text: str, place: int) -> bool:
    """Whether the character at ``place`` belongs to the one before it."""
    before, after = text[place - 1], text[place]
    if _ZERO_WIDTH_JOINER in {before, after}:
        return True
    if unicodedata.category(after)[0] == "M" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True  # combining marks, variation selectors, skin tones
    if "\U000e0020" <= after <= "\U000e007f":
        return True  # tags of subdivision flags
    if _is_regional(after) and _is_regional(before):
        run = 0
        while place - 1 - run >= 0 and _is_regional(text[place - 1 - run]):
            run += 1
        return run % 2 == 1
    return False


def _is_regional(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"
