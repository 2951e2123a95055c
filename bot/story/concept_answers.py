"""Judging what a small model says for a field of a concept.

Invariant: what is taken is one whole phrase of the right kind; empty answers, copies
of the examples, repetition and everything that has left the task are turned down.
"""

import re

from bot.story.concept_examples import EXAMPLES
from bot.story.concept_fields import ConceptField, FieldValue, known_genre
from bot.story.model import CastMember

_DRIFT = re.compile(
    r"(?i)\b(sure|here (is|are)|as an ai|language model|assistant|please|instructions?|answer|"
    r"example|user|prompt|stor(y|ies)|reader|author|characters?|movie|film|book|https?|www)\b|"
    r"\b(title|theme|setting|genre|plot)\s*:|[\[\]{}<>|#*_=\\]|\d{3,}|\b\d+\."
)
_PERSON = re.compile(
    r"(?i)^(an? |the )?([\w-]+ ){0,2}(wom[ae]n|m[ae]n|girl|boy|person|people|he|she|who)\b"
)
_ARTICLE = re.compile(r"(?i)^(an?|the|some|his|her) [a-z]")
# "Bolt is a robot" says who somebody is; a beat says what happens.
_NO_EVENT = re.compile(
    r"(?i)^(\w+,? ){1,3}(is|was|are|were|has|had) (an?|the|no|two|very|got|been)\b(?! \w+ed\b)"
)
_CHARS = {
    ConceptField.TITLE: 60,
    ConceptField.THEME: 80,
    ConceptField.SETTING: 100,
    ConceptField.CAST: 90,
    ConceptField.PLOT: 120,
}
_WORDS = {ConceptField.TITLE: (1, 9), ConceptField.THEME: (1, 11), ConceptField.SETTING: (2, 16)}
_WRAPPING = " \"'\u201c\u201d\u2018-:;,"
_CAST_LIMIT, _NAME_WORDS = 3, 3
_BEATS = 3
_LIKENESS = 0.6
_LOOP_WORDS, _FRESH_SHARE = 4, 0.6

_EXAMPLE_NAMES = frozenset(
    word.casefold() for example in EXAMPLES for name, _ in example.cast for word in name.split()
) - {"lady", "captain", "inspector", "aunt", "old", "red", "mrs", "unit"}
_EXAMPLE_PHRASES = tuple(
    phrase
    for example in EXAMPLES
    for phrase in (
        example.premise,
        example.setting,
        example.theme,
        example.title,
        *example.plot,
        *(line for _, line in example.cast),
    )
)


def parse_field(field: ConceptField, raw: str) -> FieldValue | None:
    """Return what a model's completion (behind the prompt's ``lead``) says; None where it is of no use."""
    line = next((part.strip() for part in raw.splitlines() if part.strip()), "")
    match field:
        case ConceptField.GENRE:
            return known_genre(line)
        case ConceptField.CAST:
            return _parse_cast(line)
        case ConceptField.PLOT:
            return _parse_plot(line)
        case _:
            return _parse_phrase(field, line)


def _parse_phrase(field: ConceptField, line: str) -> str | None:
    phrase = _clean(field, line)
    least, most = _WORDS[field]
    if phrase is None or not least <= len(phrase.split()) <= most:
        return None
    if field is ConceptField.SETTING and _PERSON.match(phrase):
        return None
    if field is ConceptField.TITLE:
        return phrase[0].upper() + phrase[1:]
    return None if ";" in phrase else phrase


def _parse_cast(line: str) -> tuple[CastMember, ...] | None:
    members: dict[str, CastMember] = {}
    for part in re.split(r"\s*;\s*", line):
        name, _, rest = part.strip().removeprefix("and ").partition(",")
        name = name.strip(" .\"'")
        about = _clean(ConceptField.CAST, rest)
        if _is_copied(name):
            return None
        if _is_name(name) and about is not None:
            members.setdefault(name.casefold(), CastMember(name=name, line=about))
    return tuple(members.values())[:_CAST_LIMIT] or None


def _is_name(text: str) -> bool:
    return (
        bool(text)
        and (text[0].isupper() or not text.isascii())
        and len(text.split()) <= _NAME_WORDS
        and not _ARTICLE.match(text)
        and not _DRIFT.search(text)
    )


def _is_copied(text: str) -> bool:
    return not _EXAMPLE_NAMES.isdisjoint(_words(text))


def _parse_plot(line: str) -> tuple[str, ...] | None:
    parts = [part for part in re.split(r"(?:^|\s)[1-9][.)]\s+", line) if part.strip()]
    if len(parts) < _BEATS:
        return None
    beats = [_clean(ConceptField.PLOT, part) for part in parts[:_BEATS]]
    whole = tuple(beat for beat in beats if beat is not None)
    if len(whole) < _BEATS or any(map(_is_no_beat, whole)):
        return None
    if any(_are_alike(one, other) for i, one in enumerate(whole) for other in whole[:i]):
        return None
    return whole


def _is_no_beat(text: str) -> bool:
    return _is_copied(text) or '"' in text or _NO_EVENT.match(text) is not None


def _clean(field: ConceptField, text: str) -> str | None:
    """Return a phrase without its wrapping; None where it is empty, too long, a copy or a loop."""
    phrase = " ".join(text.split()).lstrip(_WRAPPING).rstrip(_WRAPPING + ".!")
    words = _words(phrase)
    if not any(letter.isalpha() for letter in phrase) or _DRIFT.search(phrase):
        return None
    if len(phrase) > _CHARS[field]:
        return None
    if len(words) > _LOOP_WORDS and len(set(words)) < _FRESH_SHARE * len(words):
        return None
    if any(_are_alike(phrase, known) for known in _EXAMPLE_PHRASES):
        return None
    return phrase


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _are_alike(one: str, other: str) -> bool:
    a, b = set(_words(one)), set(_words(other))
    return len(a & b) > _LIKENESS * len(a | b)
