"""Sentence ends, for English first, and for every script that marks them.

Invariant: ``sentence_spans`` and ``last_sentence_end`` judge each mark by the same
rule, so the last complete span ends where ``last_sentence_end`` says. The common
cases cost no model; only a full stop that may belong to an abbreviation is put to
nupunkt, which is loaded when first needed or by ``warm_up``.
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import nupunkt

from bot.text.scripts import CJK, CLOSERS, FULL_STOPS

# A run of marks with what closes after it, ending at white space, at the end, or (where the
# script puts no space between sentences) at a letter.
_END = re.compile(
    # The look behind keeps a long row of marks linear.
    rf"(?<![.!?…])(?:[.!?…]*[{FULL_STOPS}][.!?…{FULL_STOPS}]*(?:(?!“)[{CLOSERS}])*"
    rf"|(?:\.(?:[ \xa0]\.)+|[.!?…]+)"
    rf"(?:(?:[{CLOSERS}]|[ \xa0\u202f][»›])*(?=\s|\Z)|[”’」』）»]+(?=[{CJK}])|[{CLOSERS}]*(?=[—–][^\W\d])))"
)
_BREAK = re.compile(r"(?<!\s)\s*\n[ \t]*\n\s*")
_WORD_BEFORE = re.compile(r"[^\s\"'“”‘’(\[«»—–]*\Z")
_OPENING = re.compile(r"[\"'“‘«‹(\[*_]+")
_QUOTATIVE = re.compile("と|って|なんて")  # Japanese: 「…。」と言った is one sentence

# Never the end of a sentence: a name or a number follows.
_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "sgt",
        "lt",
        "capt",
        "cpt",
        "col",
        "gen",
        "cmdr",
        "adm",
        "rev",
        "fr",
        "hon",
        "pres",
        "gov",
        "sen",
        "rep",
        "messrs",
        "mme",
        "mlle",
        "mx",
        "mt",
        "vs",
        "cf",
        "fig",
        "vol",
        "pp",
        "approx",
        "e.g",
        "i.e",
        "viz",
        "esq",
    ]
)
_BOUND = frozenset({"vs", "cf", "viz"})  # the same in lower case, where "fig" and "no" are words
# Perhaps the end: it depends on what follows.
_AMBIGUOUS = frozenset(
    [
        "etc",
        "jr",
        "sr",
        "inc",
        "ltd",
        "co",
        "corp",
        "bros",
        "dept",
        "ave",
        "blvd",
        "rd",
        "al",
        "no",
        "a.m",
        "p.m",
    ]
)
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]\Z")
_LIST_NUMBER = re.compile(r"(?:\A|\n)[ \t]*\d{1,3}\.\Z")
_TAIL_CHARS = 320
_WINDOW_CHARS = 40  # on each side of a doubtful stop


def warm_up() -> None:
    """Load nupunkt's model (about 25 ms), so that no sentence waits for it."""
    _punkt()


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of every sentence, without the white space around it.

    A blank line ends a sentence too; the last span may be an incomplete sentence.
    """
    cuts = set(_ends(text, 0, is_final=True))
    cuts.update(match.start() for match in _BREAK.finditer(text))
    cuts.add(len(text))
    spans: list[tuple[int, int]] = []
    start = 0
    for cut in sorted(cuts):
        piece = text[start:cut]
        body = piece.strip()
        if body:
            begin = start + len(piece) - len(piece.lstrip())
            spans.append((begin, begin + len(body)))
        start = cut
    return spans


def sentences(text: str) -> list[str]:
    """Return the sentences as strings."""
    return [text[start:end] for start, end in sentence_spans(text)]


def last_sentence_end(
    text: str, *, is_final: bool = True, accept: Callable[[int], bool] | None = None
) -> int:
    """Return the offset after the last complete sentence, closing quotes included; 0 if there is none.

    Args:
        text: only its end is read, unless that holds no sentence end.
        is_final: nothing follows. Where more may follow, a mark at the very end
            that may yet turn out to be none ("3." of "3.14", "..") does not count.
        accept: takes an end or refuses it; the one before is tried then.
    """
    stop = len(text)
    size = _TAIL_CHARS
    while stop > 0:
        start = max(0, len(text) - size)
        found = [end for end in _ends(text, start, is_final=is_final) if end <= stop]
        for end in reversed(found):
            if accept is None or accept(end):
                return end
        if start == 0:
            break
        stop = min(stop, found[0] - 1) if found else stop
        size *= 2
    return 0


def _ends(text: str, start: int, *, is_final: bool) -> Iterator[int]:
    is_lowercase = text.islower()
    for match in _END.finditer(text, start):
        if _is_end(text, match, is_final=is_final, is_lowercase=is_lowercase):
            yield match.end()


def _is_end(text: str, match: re.Match[str], *, is_final: bool, is_lowercase: bool) -> bool:
    mark, end = match.group(), match.end()
    following = text[end : end + 40]
    rest = following.lstrip()
    gap = following[: len(following) - len(rest)]
    if any(char in FULL_STOPS for char in mark):
        return not (mark[-1] not in FULL_STOPS and _QUOTATIVE.match(rest))
    if "\n\n" in gap:
        return True
    opened = _OPENING.match(rest)
    first = rest[opened.end() if opened else 0 :][:1]
    is_plain_stop = mark[0] == "." and mark[1:2] not in {".", " ", "\xa0"}
    if first.islower() and not is_lowercase and not (is_plain_stop and len(mark) == 1):
        return False  # "Come!" she said; then... nothing
    if not gap and following:  # a dash or a letter without space follows: "Stop!"—he
        return not following.startswith(("—", "–"))
    return not is_plain_stop or _is_full_stop(text, match, rest, is_final=is_final)


def _is_full_stop(text: str, match: re.Match[str], rest: str, *, is_final: bool) -> bool:
    """Judge a single stop between a word and white space (or the end of the text)."""
    at = match.start()
    before = _WORD_BEFORE.search(text[max(0, at - 24) : at])
    word = before.group() if before else ""
    lowered = word.casefold()
    is_title = lowered in _TITLES and (word != lowered or "." in word or lowered in _BOUND)
    if is_title or _LIST_NUMBER.search(text[max(0, at - 8) : at + 1]):
        return False
    is_initial = len(word) == 1 and word.isupper() and word != "I"
    is_doubtful = is_initial or lowered in _AMBIGUOUS or _ACRONYM.search(word) is not None
    if not rest:
        may_go_on = match.end() == len(text) and (is_doubtful or word[-1:].isdigit())
        return is_final or not may_go_on
    if rest[0].islower():
        return not is_doubtful and lowered not in _TITLES
    # nupunkt's list holds many a plain word ("bed", "day"): only a capital makes those doubtful.
    is_doubtful = is_doubtful or (word[:1].isupper() and lowered in _abbreviations())
    if not is_doubtful or _OPENING.match(rest):  # or speech begins
        return True
    start = text.rfind(" ", 0, max(0, at - _WINDOW_CHARS)) + 1
    return _punkt_breaks(text[start : match.end() + _WINDOW_CHARS], match.end() - start)


@lru_cache(maxsize=1024)
def _punkt_breaks(window: str, end: int) -> bool:
    """Ask nupunkt about one place, with the words around it."""
    return any(stop == end for _, stop in _punkt().spans(window))


@lru_cache(maxsize=1)
def _punkt() -> nupunkt.PunktSentenceTokenizer:
    return nupunkt.load("default")


@lru_cache(maxsize=1)
def _abbreviations() -> frozenset[str]:
    return frozenset(_punkt()._params.abbrev_types)  # noqa: SLF001 -- nupunkt shows them nowhere else
