"""What a model says for one element of a play: judged, cleaned, put right.

Invariant: ``clean`` and ``mend`` add no word; words without ``faults`` make an element that a
screenplay's checker passes.
"""

# ruff: noqa: RUF001 -- typographic quotes are meant as they stand

import re
from collections.abc import Sequence

from bot.text.drift import find_drift
from bot.text.forms import fountain, screenplay
from bot.text.forms.fountain import Element, Kind, Script
from bot.text.loops import find_loop
from bot.text.sentences import last_sentence_end
from bot.text.words import words

_TRIGRAM = 3
_LEAST_ACTION = 3  # words
_SHORT = 4  # fewer words say little
_RECENT_WORDS = 80
_RECENT_LINES = 6
_SAME_START, _SAME_WORD, _OWN_NAME, _SAYS_LITTLE, _IS_PAST = 0.5, 0.3, 0.6, 0.3, 0.5
"""What each counts in ``staleness``."""

_SHOUT = 4  # so many letters in capitals are no exclamation any more
_PAST = re.compile(r"\b(?:was|were|had|did|[a-z]{2,}ed|said|went|came|saw|took|stood|sat|felt)\b")
_LABEL = re.compile(r"\A\W*:|\b\w+:")
_BRACKETS = re.compile(r"\([^()]*\)")
_SAYING = re.compile(r"[,’']?\W*(?:says|said|asks|asked)\b")


def clean(text: str) -> str:
    """Return an element's words without quotes around them, up to the end of a sentence."""
    bare = " ".join(text.split())
    aside = _BRACKETS.match(bare)
    front = aside.group() if aside else ""
    rest = bare[len(front) :].strip().strip('"“”').strip()
    return f"{front} {rest}".strip()


def mend(text: str) -> str:
    """Return what can be saved of words with faults: up to a label, or closed with a stop."""
    bare = clean(re.split(r"\b\w+:", text)[0]).replace('"', "").replace("“", "").replace("”", "")
    end = last_sentence_end(bare)
    if end:
        return bare[:end].strip()
    return f"{bare}." if bare and bare[-1].isalnum() else ""


def faults(text: str, kind: Kind, lead: str, context: str) -> tuple[str, ...]:
    """Return why words cannot be an element after this lead and this context."""
    bare = _BRACKETS.sub("", text).strip()
    letters = [letter for letter in bare if letter.isalpha()]
    is_speech = kind is Kind.CHARACTER
    said = words(bare)
    reasons = (
        ("short", len(said) < (1 if is_speech else _LEAST_ACTION)),
        ("label", _LABEL.search(text) is not None),
        ("quotes", any(sign in text for sign in '"“”')),
        ("brackets", text.count("(") != text.count(")") or (not is_speech and "(" in text)),
        ("capitals", len(letters) >= _SHOUT and sum(map(str.isupper, letters)) > len(letters) / 2),
        ("digits", any(map(str.isdigit, bare))),
        ("unfinished", last_sentence_end(bare) != len(bare)),
        ("drift", find_drift(bare) is not None),
        ("loop", find_loop(text, context) is not None),
        ("speech", not is_speech and _SAYING.match(text) is not None),
        ("form", bool(screenplay.check(_script(kind, lead, text), is_whole=False))),
    )
    return tuple(rule for rule, is_wrong in reasons if is_wrong)


def staleness(text: str, told: str, kind: Kind, lead: str = "") -> float:
    """Return how little an element adds, from 0: what it repeats of the script and of itself.

    A small model that talks to itself repeats the mould of a sentence rather than its words ("I'm
    47, you know."), so pairs of words count, and how a line begins, beside runs of three. An
    action in the past tense counts as stale too: a script tells what is seen.

    Args:
        text: the element's words.
        told: the script before it, as a play.
        kind: ``ACTION`` or ``CHARACTER``.
        lead: whose it is; who speaks to themselves by name says nothing new.
    """
    own, known = words(text.casefold()), words(told.casefold())
    runs = _runs(own, _TRIGRAM)
    pairs = _runs(own, 2)
    recent = set(_runs(known[-_RECENT_WORDS:], 2))
    lines = [
        words(re.sub(r"\A\w+:", "", line).casefold())
        for line in told.split("\n\n")[-_RECENT_LINES:]
    ]
    is_past = kind is Kind.ACTION and _PAST.search(text) is not None
    return (
        sum(run in set(_runs(known, _TRIGRAM)) for run in runs) / max(1, len(runs))
        + sum(pair in recent for pair in pairs) / max(1, len(pairs))
        + (1 - len(set(own)) / max(1, len(own)))
        + _SAME_START * any(own[:2] == line[:2] for line in lines if line)
        + _SAME_WORD * (sum(own[:1] == line[:1] for line in lines if line) > 1)
        + _OWN_NAME
        * (kind is not Kind.ACTION and any(word in own for word in words(lead.casefold())))
        + _SAYS_LITTLE * (len(own) < _SHORT)
        + _IS_PAST * is_past
    )


def _runs(own: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return list(zip(*(own[at:] for at in range(length)), strict=False))


def element_of(kind: Kind, lead: str, text: str) -> tuple[Element, ...]:
    """Return what words make after a lead: an action that begins with it, or its speech."""
    if kind is not Kind.ACTION:
        return screenplay.speech_of(lead.rstrip(":"), text)
    joint = "" if not lead or text[:1] in ",;’'.!?" else " "
    return (Element(Kind.ACTION, f"{lead}{joint}{text}"),)


def _script(kind: Kind, lead: str, text: str) -> str:
    return fountain.write(Script(element_of(kind, lead, text)))
