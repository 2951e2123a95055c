"""Non-words: what looks like a word and is none.

Invariant: a word counts where it stands in lower case and has three letters or more; a non-word
is one that neither the word list nor the reference texts know, taken as a whole, without its
``'s``, by the parts of a hyphenated one, and with American spelling for British. A tale's own
words are no reference for itself.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

_WORD = re.compile(r"(?<![^\W\d_])[a-z]{3,}(?:['\u2019][a-z]+)?(?![^\W\d_])")
_TAIL = re.compile(r"['\u2019][a-z]+\Z")
# The word list has American spellings.
_BRITISH = (("our", "or"), ("ise", "ize"), ("isi", "izi"), ("ll", "l"), ("tre", "ter"))
WORD_LIST = "pyspellchecker, English"


class Lexicon:
    """Knows words.

    Args:
        texts: the reference, by tale.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._by_tale = {name: frozenset(_found(text)) for name, text in texts.items()}
        self._tales_with = Counter(word for found in self._by_tale.values() for word in found)

    def non_words(self, text: str, *, tale: str = "") -> list[str]:
        """Return the non-words of a text, in order.

        Args:
            text: any.
            tale: whose words do not count as known: that which the text is from.
        """
        own = self._by_tale.get(tale, frozenset())
        return [word for word in _found(text) if not self._knows(word, own)]

    def share(self, text: str, *, tale: str = "") -> float:
        """Return the share of non-words in a text's words of three letters or more."""
        return len(self.non_words(text, tale=tale)) / max(1, len(_found(text)))

    def _knows(self, word: str, own: frozenset[str]) -> bool:
        if self._tales_with[word] > (word in own):
            return True
        return any(self._list.known([each]) for each in _spellings(word))

    @cached_property
    def _list(self) -> Any:
        from spellchecker import SpellChecker  # noqa: PLC0415 -- an extra

        return SpellChecker(language="en")


def _found(text: str) -> list[str]:
    return [_TAIL.sub("", word) for word in _WORD.findall(text)]


def _spellings(word: str) -> Iterable[str]:
    yield word
    for british, american in _BRITISH:
        if british in word:
            yield word.replace(british, american)
