"""The cast: whether those whom a story began with stay in it, and under their own names.

Invariant: names are found as the rest of the program finds them; nothing is asked of a text
that names nobody.
"""

from dataclasses import dataclass

from bot.text.names import misspelt_names, name_parts
from bot.text.words import count_words


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
    told, found = name_parts(before), name_parts(f"{before}\n\n{text}")
    here = {word for word in found if word in text}
    told &= found
    hundreds = max(1, count_words(text)) / 100
    kept = len(told & here) / len(told) if told else None
    slips = len(misspelt_names(before, text))
    return CastFigures(kept, slips / hundreds, len(here - told) / hundreds)
