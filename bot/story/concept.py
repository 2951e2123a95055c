"""Stage one of a story: its concept, found field by field.

Invariant: what a member gave is never overwritten. A missing field is asked of the
model with its own short prompt (a small model holds no schema); what it says is
taken only if ``parse_field`` finds it whole, new and in place; else a table serves.
Every choice depends on the wish and the seed alone, so that fields asked for at the
same time speak of the same people.
"""

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.story.concept_answers import parse_field
from bot.story.concept_examples import EXAMPLES, Example
from bot.story.concept_fields import (
    ConceptField,
    FieldValue,
    Wish,
    concept_from_json,
    concept_of,
    concept_to_json,
    field_text,
    missing_fields,
    read_field,
    with_field,
)
from bot.story.concept_tables import (
    COMPANIONS,
    GENRE_CLUES,
    GENRES,
    NAMES,
    ROLES,
    SETTINGS,
    SKELETONS,
    THEMES,
    TITLES,
)
from bot.story.model import CastMember, Concept

__all__ = [
    "ConceptField",
    "FieldPrompt",
    "FieldValue",
    "Wish",
    "concept_from_json",
    "concept_of",
    "concept_to_json",
    "fallback",
    "field_prompt",
    "field_text",
    "missing_fields",
    "parse_field",
    "read_field",
    "with_field",
]

_EXAMPLES_SHOWN = 5
_PREMISE_LIMIT = 300
_CAST_SHOWN = 3

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPrompt:
    """How one field is asked of a completion model.

    ``lead`` is the beginning of the answer that ``text`` ends with (a name): parse
    ``lead`` and the completion together. ``blind`` is the same prompt with nothing said of
    this story: an answer that is likelier after ``text`` than after it belongs to the story.
    """

    text: str
    blind: str
    stop: tuple[str, ...]
    max_tokens: int
    temperature: float
    lead: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """The label before an answer, how long it may get, how freely it is drawn."""

    label: str
    max_tokens: int
    temperature: float


_QUESTIONS: dict[ConceptField, _Question] = {
    ConceptField.GENRE: _Question("Genre:", 6, 0.5),
    ConceptField.SETTING: _Question("Setting:", 24, 0.7),
    ConceptField.CAST: _Question("Characters:", 48, 0.7),
    ConceptField.THEME: _Question("Theme:", 16, 0.7),
    ConceptField.PLOT: _Question("Plot:", 80, 0.6),
    ConceptField.TITLE: _Question("Title:", 14, 0.8),
}


def field_prompt(field: ConceptField, concept: Concept, seed: int) -> FieldPrompt:
    """Return the prompt for one field: a few worked examples, chosen by the seed, then this story."""
    question = _QUESTIONS[field]
    shown = sorted(EXAMPLES, key=lambda example: _number(seed, f"{field}{example.title}"))
    shown = shown[:_EXAMPLES_SHOWN]
    # The nearest example guides most, so one of the same genre comes last.
    shown.sort(key=lambda example: example.genre == concept.genre)
    blocks = [
        f"{_summary(_as_concept(example), field, seed)}\n{question.label} {_answer(example, field)}"
        for example in shown
    ]
    lead = _lead(field, concept, seed)
    known = f"{_summary(concept, field, seed)}\n{question.label}{lead}"
    unknown = f"Story: A story.\n{question.label}{lead}"
    return FieldPrompt(
        text="\n\n".join([*blocks, known]),
        blind="\n\n".join([*blocks, unknown]),
        stop=("\n",),
        max_tokens=question.max_tokens,
        temperature=question.temperature,
        lead=lead,
    )


def _lead(field: ConceptField, concept: Concept, seed: int) -> str:
    hero, _ = _two_names(concept, seed)
    match field:
        case ConceptField.CAST:
            return f" {hero},"
        case ConceptField.PLOT:
            return f" 1. {hero}"
        case _:
            return ""


def _as_concept(example: Example) -> Concept:
    return Concept(
        genre=example.genre,
        premise=example.premise,
        cast=tuple(CastMember(name=name, line=line) for name, line in example.cast),
    )


def _answer(example: Example, field: ConceptField) -> str:
    match field:
        case ConceptField.CAST:
            return "; ".join(f"{name}, {line}" for name, line in example.cast) + "."
        case ConceptField.PLOT:
            return " ".join(f"{at}. {beat}." for at, beat in enumerate(example.plot, start=1))
        case _:
            value: str = getattr(example, field.value)
            return value


def _summary(concept: Concept, field: ConceptField, seed: int) -> str:
    """Put what is known into the lines before the question."""
    genre = concept.genre or (_genre_of(concept, seed) if not concept.premise else "")
    premise = " ".join(concept.premise.split())[:_PREMISE_LIMIT]
    lines = [f"Story: {premise}" if premise else f"Story: A {genre} story."]
    if genre and premise and field is not ConceptField.GENRE:
        lines.append(f"Genre: {genre}")
    if field in {ConceptField.PLOT, ConceptField.TITLE}:
        cast = concept.cast[:_CAST_SHOWN] or (CastMember(name=_two_names(concept, seed)[0]),)
        people = (f"{one.name}, {one.line}" if one.line else one.name for one in cast)
        lines.append(f"Characters: {'; '.join(people)}.")
    return "\n".join(lines)


def fallback(field: ConceptField, concept: Concept, seed: int) -> FieldValue:
    """Return a value from the tables that suits what is known, chosen by the seed."""
    genre = concept.genre if concept.genre in GENRES else _genre_of(concept, seed)
    hero, friend = _two_names(concept, seed)
    match field:
        case ConceptField.GENRE:
            return genre
        case ConceptField.SETTING:
            return _place_in(concept.premise) or _choose(SETTINGS[genre], seed, field)
        case ConceptField.THEME:
            return _choose(THEMES[genre], seed, field)
        case ConceptField.CAST:
            lines = _choose(ROLES[genre], seed, field)
            hero_line = _hero_in(concept.premise)
            if hero_line:  # who goes with them must not lead away from the premise
                lines = (hero_line, _choose(COMPANIONS, seed, field))
            told = _names_in(concept.premise)  # the premise says who they are
            return tuple(
                CastMember(name=name, line="" if name in told else line)
                for name, line in zip((hero, friend), lines, strict=True)
            )
        case ConceptField.PLOT:
            beats = _choose(SKELETONS[genre], seed, field)
            return tuple(beat.format(hero=hero, friend=friend) for beat in beats)
        case ConceptField.TITLE:
            return _choose(TITLES[genre], seed, field).format(hero=hero)


def _genre_of(concept: Concept, seed: int) -> str:
    known = f"{concept.premise} {concept.title} {concept.setting} {concept.theme}"
    words = re.findall(r"\w+", known.casefold())
    hits = {
        genre: sum(word.startswith(clue) for word in words for clue in clues)
        for genre, clues in GENRE_CLUES.items()
    }
    best = max(hits.values())
    return _choose([genre for genre in GENRES if hits[genre] == best], seed, ConceptField.GENRE)


_PLACE = re.compile(
    r"\b(?:in|aboard|inside) ((?:an?|the) (?:[a-z'-]+ ){0,3}?[a-z'-]+)"
    r"(?=\s*(?:[.,;:!?]|\Z)| (?:where|which|that|who|and|but|when|while|until|to|with|by|near)\b)"
)
_PREMISE_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|[.,;:!?]")
_NO_NOUNS = frozenset(
    [*".,;:!?", "of", "in", "on", "at", "to", "from", "and", "or", "is", "was", "has", "by", "for"]
)
_HERO_WORDS = 12


def _hero_in(premise: str) -> str:
    """Return who a premise is about, where it begins with them: "A shy fox opens …"."""
    words = _PREMISE_WORD.findall(premise)[:_HERO_WORDS]
    if not words or words[0] not in {"A", "An", "a", "an"}:
        return ""
    for at, word in enumerate(words[2:6], start=2):
        if word in {"who", "whose"}:
            clause = itertools.takewhile(lambda one: one not in _NO_NOUNS, words[1:])
            return " ".join([words[0].casefold(), *clause])
        if word.casefold() in _NO_NOUNS:
            return ""
        if word.endswith("s") and not word.endswith(("ss", "'s", "\u2019s")):  # their verb
            return " ".join([words[0].casefold(), *words[1:at]])
    return ""


def _place_in(premise: str) -> str:
    """Return where a premise says that it happens."""
    match = _PLACE.search(premise)
    return match[1] if match else ""


_PLACING = frozenset({"at", "from", "in", "into", "near", "of", "on", "outside", "through", "to"})
_NAME_INSIDE = re.compile(r"([a-z]+),? ([A-Z][a-z]{2,})\b")
# A name that begins a sentence is followed by what they do or are: "Mira finds", "Mira, a".
_NAME_FIRST = re.compile(r"(?:^|[.!?] )([A-Z][a-z]{2,})(?= [a-z]+s\b|, (?:an?|the|who) )")
_NO_NAMES = frozenset(
    [
        "all",
        "always",
        "another",
        "anybody",
        "anyone",
        "both",
        "death",
        "each",
        "every",
        "everybody",
        "everyone",
        "everything",
        "her",
        "here",
        "his",
        "its",
        "life",
        "love",
        "magic",
        "many",
        "most",
        "nobody",
        "none",
        "nothing",
        "one",
        "once",
        "our",
        "people",
        "she",
        "some",
        "somebody",
        "someone",
        "something",
        "sometimes",
        "that",
        "the",
        "their",
        "there",
        "they",
        "this",
        "those",
        "time",
        "two",
        "what",
        "when",
        "where",
        "who",
        "with",
        "you",
    ]
)


def _two_names(concept: Concept, seed: int) -> tuple[str, str]:
    """Return names for a hero and a companion: the cast's, the premise's, then the table's."""
    names = [member.name for member in concept.cast] or _names_in(concept.premise)
    pool = sorted(NAMES, key=lambda name: _number(seed, name))
    names.extend(name for name in pool if name not in names)
    return names[0], names[1]


def _names_in(premise: str) -> list[str]:
    """Return the people's names in a premise as far as their spelling shows them."""
    found = [
        (match.start(2), match[2])
        for match in _NAME_INSIDE.finditer(premise)
        if match[1] not in _PLACING
    ]
    found.extend((match.start(1), match[1]) for match in _NAME_FIRST.finditer(premise))
    names = dict.fromkeys(name for _, name in sorted(found))
    return [name for name in names if name.casefold() not in _NO_NAMES]


def _number(seed: int, salt: str) -> int:
    digest = hashlib.blake2b(f"{seed}:{salt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _choose(options: Sequence[_T], seed: int, field: ConceptField) -> _T:
    return options[_number(seed, field.value) % len(options)]
