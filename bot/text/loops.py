"""Loops: where a text begins to repeat itself so that it should be sampled anew.

Invariant: one pass over the words, no regular expression that can backtrack; what
stands in the context before the text counts as said, but only a place inside the
text is ever returned. Thresholds are set so that refrains, echoes in dialogue and
laughter pass, and were checked on Carroll's Alice (see ``tests/text/test_text_loops.py``).
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import re
from collections import Counter
from collections.abc import Sequence

from bot.text.scripts import CJK, FULL_STOPS

_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)*")
_PIECE = re.compile(rf"[^.!?…\n{FULL_STOPS}]+[.!?…\n{FULL_STOPS}]")
_RUN = re.compile(r"([^\W\d])\1{15}|([^\w\s])\2{11}|(\n)\n{5}|(\d)\4{11}")
_GAP = re.compile(rf"[.!?…\n{FULL_STOPS}][.!?…{FULL_STOPS}\"”’')\]]*\s*")  # between sentences
_GRAM = 4  # words that must match before a lag is considered at all
_COPY_WORDS = 12  # so many words verbatim, at any distance, are a copy
_COPY_SIGNS = 24  # the same for scripts that write a word in one or two signs
_SENTENCE_WORDS = 7  # a sentence this long does not come twice by chance
_SENTENCE_SIGNS = 10
_ANAPHORA = 3  # sentences in a row that begin with the same four words
# How many words (or signs) in a row must match at a lag of so many words, "back to back".
_RUN_OF_ONE = 6
_COPIES_SHORT = 4  # copies of a phrase of 2 or 3 words
_COPIES_LONG = 3  # copies of a phrase of 4 to 7 words; from 8 on two suffice
_SHORT, _LONG = 4, 8
# What counts as the end of a text that was judged as it grew.
_END_WORDS = 48
# A text that turns in a circle without repeating itself word by word: so few different words
# among so many. In the whole of Alice it is true of one place, where they argue about "I say
# what I mean"; of a model that has lost its thread it is true all the time.
_POOR_WORDS = 60
_POOR_TYPES = 28
# "I will, I shall, I must, I can, I do": short clauses in a row that begin with the same pronoun. Of
# four there are two in six of Austen's novels, Moby-Dick, Alice and 49 tales of Grimm, of five none.
_CHAIN = 5
_CHAIN_WORDS = (2, 5)  # of a clause, at least and at most
_CHAIN_CHARS = 240
_PRONOUNS = frozenset({"i", "he", "she", "it", "we", "you", "they"})
_CLAUSE = re.compile(rf"[^,;:.!?…\n{FULL_STOPS}]+(,?)")
_AND = frozenset({"and", "or"})
_END_SENTENCES = 4
_END_CHARS = 64


def find_loop(text: str, context: str = "") -> int | None:
    """Return the offset in ``text`` where a repetition begins; None where there is none."""
    return LoopFinder(context).find(text)


class LoopFinder:
    """Finds loops in texts that all follow the same context.

    Immutable after construction, so it may be shared between threads.

    Args:
        context: what stands before the text: the end of the previous passages.
    """

    __slots__ = ("_grams", "_joined", "_words")

    def __init__(self, context: str = "") -> None:
        self._words = _WORD.findall(context.casefold())
        self._grams = _last_places(self._words, 0)
        self._joined = _join(self._words)

    def find(self, text: str, *, only_end: bool = False) -> int | None:
        """Return the offset in ``text`` where a repetition begins; None where there is none.

        Args:
            text: what was written after the context.
            only_end: judge the last few sentences only, against everything before
                them; enough, and quick, where the text was judged as it grew.
        """
        folded = text.casefold()
        if len(folded) != len(text):  # ß and its like: keep the offsets
            folded = text.lower() if len(text.lower()) == len(text) else text
        words = _WORD.findall(folded)
        found = [
            offset
            for offset in (
                self._find_copy(folded, words, only_end=only_end),
                self._find_sentence(folded, words, only_end=only_end),
                _find_poverty(folded, words, only_end=only_end),
                _find_chain(folded, max(0, len(folded) - _CHAIN_CHARS) if only_end else 0),
                _find_run(text, max(0, len(text) - _END_CHARS) if only_end else 0),
            )
            if offset is not None
        ]
        return min(found, default=None)

    def _find_copy(self, folded: str, words: list[str], *, only_end: bool) -> int | None:
        """Find words that repeat words before them, back to back or at length."""
        before = len(self._words)
        border = self._words[
            -(_GRAM - 1) :
        ]  # groups of four that span the border belong to the text
        shift = before - len(border)
        joined = border + words
        skipped = max(0, len(joined) - _END_WORDS) if only_end else 0
        seen = _last_places(joined[: skipped + _GRAM - 1], shift)
        said = self._grams
        lag = matched = 0
        for index, gram in enumerate(_grams(joined[skipped:]), start=skipped + shift):
            last = seen.get(gram)
            if last is None:
                last = said.get(gram)
            seen[gram] = index
            if last is None:
                matched = 0
                continue
            matched = matched + 1 if index - last == lag else 1
            lag = index - last
            if _is_loop(lag, matched + _GRAM - 1, gram):
                return _word_offset(folded, max(0, index - matched + 1 - before))
        return None

    def _find_sentence(self, folded: str, words: list[str], *, only_end: bool) -> int | None:
        """Find a whole sentence that was said before, or a row of them that begin alike."""
        pieces = list(_PIECE.finditer(folded))
        if only_end:
            pieces = pieces[-_END_SENTENCES:]
        position = len(words) - len(_WORD.findall(folded, pieces[0].start())) if pieces else 0
        beginnings: list[list[str]] = []
        starts: list[int] = []
        for match in pieces:
            said = _WORD.findall(match.group())
            if not said:
                continue
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            if _is_long(said):
                sentence = _join(said)
                if sentence in self._joined or sentence in _join(words[:position]):
                    return start
            position += len(said)
            beginnings.append(said[:_GRAM])
            starts.append(start)
            row = beginnings[-_ANAPHORA:]
            if len(row) == _ANAPHORA and row[0] == row[1] == row[2] and _can_open(row[0]):
                return starts[-2]
        return None


def _find_poverty(folded: str, words: Sequence[str], *, only_end: bool) -> int | None:
    """Find where too few words serve for too long; the sentence in its middle is where to turn."""
    windows = len(words) - _POOR_WORDS + 1
    if windows < 1 or sum(map(_is_sign, words)) > len(words) // 2:
        return None  # signs are no words, and most of them come often
    first = max(0, windows - _END_WORDS) if only_end else 0
    counts = Counter(words[first : first + _POOR_WORDS - 1])
    for at in range(first, windows):
        counts[words[at + _POOR_WORDS - 1]] += 1
        if len(counts) < _POOR_TYPES:
            middle = _word_offset(folded, at + _POOR_WORDS // 2)
            starts = [0, *(match.end() for match in _GAP.finditer(folded))]
            return max(start for start in starts if start <= middle)
        counts[words[at]] -= 1
        if not counts[words[at]]:
            del counts[words[at]]
    return None


def _find_chain(folded: str, since: int) -> int | None:
    """Find the second of the clauses that make a chain."""
    starts: list[int] = []
    last = ""
    for match in _CLAUSE.finditer(folded, since):
        said = _WORD.findall(match.group())
        if said and said[0] in _AND:
            said = said[1:]
        who = re.split("['’]", said[0])[0] if said else ""
        low, high = _CHAIN_WORDS
        if who not in _PRONOUNS or not low <= len(said) + (who != said[0]) <= high:
            starts, last = [], ""
            continue
        if who != last:
            starts = []
        starts.append(match.start() + len(match.group()) - len(match.group().lstrip()))
        if len(starts) == _CHAIN:
            return starts[1]
        last = who if match[1] else ""
    return None


def _find_run(text: str, since: int) -> int | None:
    match = _RUN.search(text, since)
    # The first few signs of a run are as they should be.
    return match.start() + 1 if match else None


def _grams(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(words, words[1:], words[2:], words[3:], strict=False))


def _last_places(words: Sequence[str], shift: int) -> dict[tuple[str, ...], int]:
    return dict(zip(_grams(words), range(shift, shift + len(words)), strict=False))


def _join(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _can_open(beginning: Sequence[str]) -> bool:
    return len(beginning) == _GRAM and not _is_sign(beginning[0])


def _is_loop(lag: int, matched_words: int, gram: tuple[str, ...]) -> bool:
    """Judge words that match at a lag: enough copies back to back, or a long copy."""
    are_signs = all(_is_sign(word) for word in gram)
    if matched_words >= (_COPY_SIGNS if are_signs else _COPY_WORDS):
        return True
    if lag == 1:
        return matched_words + 1 >= _RUN_OF_ONE + (2 if are_signs else 0)
    copies = _COPIES_SHORT if lag < _SHORT else _COPIES_LONG if lag < _LONG else 2
    return matched_words >= lag * (copies - 1)


def _is_long(words: Sequence[str]) -> bool:
    if words and all(_is_sign(word) for word in words):
        return len(words) >= _SENTENCE_SIGNS
    return len(words) >= _SENTENCE_WORDS


def _is_sign(word: str) -> bool:
    return len(word) == 1 and word >= "\u3005"


def _word_offset(text: str, index: int) -> int:
    for number, match in enumerate(_WORD.finditer(text)):
        if number == index:
            return match.start()
    return len(text)
