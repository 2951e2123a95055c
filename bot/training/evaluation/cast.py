"""The cast: whether those whom a story began with stay in it, and under their own names.

Invariant: names are found as the rest of the program finds them; nothing is asked of a text
that names nobody.
"""

import difflib
from dataclasses import dataclass

from bot.text.names import find_names
from bot.text.words import count_words

_ALIKE = 0.75
_LEAST_LETTERS = 4


@dataclass(frozen=True, slots=True)
class CastFigures:
    """What became of the names.

    Attributes:
        kept: share of the names before the text that it takes up again; None where there are none.
        slips: new names that are nearly one that was there ("Mara", "Marah"), by 100 words.
        newcomers: new names, by 100 words.
    """

    kept: float | None
    slips: float
    newcomers: float


def follow_cast(before: str, text: str) -> CastFigures:
    """Follow the names of what stands before into a text."""
    told = {part for name in find_names(before) for part in name.split()}
    found = {part for name in find_names(f"{before}\n\n{text}") for part in name.split()}
    here = {word for word in found if word in text}
    told &= found
    new = here - told
    slips = sum(any(_is_slip(word, name) for name in told) for word in new)
    hundreds = max(1, count_words(text)) / 100
    kept = len(told & here) / len(told) if told else None
    return CastFigures(kept, slips / hundreds, len(new) / hundreds)


def _is_slip(word: str, name: str) -> bool:
    return (
        min(len(word), len(name)) >= _LEAST_LETTERS
        and difflib.SequenceMatcher(None, word.casefold(), name.casefold()).ratio() >= _ALIKE
    )
