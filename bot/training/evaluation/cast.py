"""The cast: whether those whom a story began with stay in it, under their own names and as who they were.

Invariant: names are found as the rest of the program finds them; nothing is asked of a text
that names nobody.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from bot.text.names import find_names, follow_names, name_parts
from bot.text.sentences import sentences
from bot.text.words import count_words, words

_SHE = frozenset({"she", "her", "hers", "herself"})
_HE = frozenset({"he", "him", "his", "himself"})
_LEAST_TOLD = 2  # pronouns of a name, or nothing is said of it
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class CastFigures:
    """What became of the names.

    Attributes:
        kept: share of the names before the text that it takes up again; None where there are none.
        slips: new names that are nearly one that was there ("Mara", "Marah"), by 100 words.
        newcomers: new names, by 100 words.
        mixed: share of the names with two pronouns or more that are he and she by turns; None
            where there are none.
    """

    kept: float | None
    slips: float
    newcomers: float
    mixed: float | None


def follow_cast(before: str, text: str) -> CastFigures:
    """Follow the names of what stands before into a text."""
    told, found = name_parts(before), name_parts(f"{before}\n\n{text}")
    here = {word for word in found if word in text}
    told &= found
    hundreds = max(1, count_words(text)) / 100
    kept = len(told & here) / len(told) if told else None
    slips = len(follow_names(before)(text))
    clear = [each for each in pronouns(f"{before}\n\n{text}").values() if sum(each) >= _LEAST_TOLD]
    mixed = sum(min(each) > 0 for each in clear) / len(clear) if clear else None
    return CastFigures(kept, slips / hundreds, len(here - told) / hundreds, mixed)


def pronouns(text: str) -> dict[str, tuple[int, int]]:
    """Return by name how many sentences call it she, and how many he.

    Only where there is no doubt whom a pronoun means: in a sentence with one name, after it, and in
    those that follow, until another is named; words in quotes and sentences with both do not count.
    """
    names = find_names(text)
    found: dict[str, tuple[int, int]] = {}
    for paragraph in _PARAGRAPH.split(text):
        who = ""
        for sentence in sentences(
            re.sub(r"[\"\u201c][^\"\u201c\u201d]*[\"\u201d]", " ", paragraph)
        ):
            named = [name for name in names if re.search(rf"\b{re.escape(name)}\b", sentence)]
            after = sentence
            if named:
                who = named[0] if len(named) == 1 else ""
                after = sentence.partition(named[0])[2]
            said = {word.casefold() for word in words(after)}
            is_she, is_he = _any(said, _SHE), _any(said, _HE)
            if who and is_she != is_he:
                she, he = found.get(who, (0, 0))
                found[who] = (she + is_she, he + is_he)
    return found


def _any(said: Collection[str], wanted: Collection[str]) -> bool:
    return any(word in wanted for word in said)
