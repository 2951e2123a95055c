"""How easy a text reads: Flesch's reading ease.

Invariant: syllables are counted by a rule, not looked up, so that no data is needed: groups of
vowels (a, e, i, o, u, y), less a silent final e, es or ed, at least one. The rule errs on single
words and serves to compare texts.
"""

import re

from bot.text.sentences import sentences
from bot.text.words import words

_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?:[^aeiouyl]e|[^aeiouytd]ed|[^aeiouysxzcgh]es)\Z")
_BASE, _BY_SENTENCE, _BY_SYLLABLE = 206.835, 1.015, 84.6


def count_syllables(word: str) -> int:
    """Return the syllables of an English word by the rule above."""
    folded = word.casefold()
    count = len(_VOWELS.findall(folded))
    if count > 1 and _SILENT.search(folded):
        count -= 1
    return max(1, count)


def reading_ease(text: str) -> float:
    """Return Flesch's reading ease (Flesch 1948): about 60 to 70 is plain English, more is easier."""
    said = words(text)
    if not said:
        return 0.0
    syllables = sum(map(count_syllables, said))
    each = max(1, len(sentences(text)))
    return _BASE - _BY_SENTENCE * len(said) / each - _BY_SYLLABLE * syllables / len(said)
