"""Stage one of a story: its concept, field by field.

Invariant: what a member gave is never overwritten. A missing field is asked of the
model with its own short prompt (a small model holds no schema); what it says is
taken only if ``parse_field`` finds it whole, new and in place; else a table serves.
Every choice depends on the seed alone.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from bot.story.concept_examples import EXAMPLES, Example
from bot.story.concept_tables import (
    GENRE_ALIASES,
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

JSON_VERSION = 1
_LIST_LIMIT = 50
_EXAMPLES_SHOWN = 4

_T = TypeVar("_T")


class ConceptField(StrEnum):
    """What can be asked for, in the order of asking: later prompts show earlier answers."""

    GENRE = "genre"
    SETTING = "setting"
    CAST = "cast"
    THEME = "theme"
    PLOT = "plot"
    TITLE = "title"


FieldValue = str | tuple[CastMember, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the member gave; "" and () leave a field to be found."""

    premise: str = ""
    title: str = ""
    genre: str = ""
    format: str = "prose"
    theme: str = ""
    setting: str = ""
    cast: tuple[CastMember, ...] = ()
    plot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPrompt:
    """How one field is asked of a completion model."""

    text: str
    stop: tuple[str, ...]
    max_tokens: int
    temperature: float = 0.8


def concept_to_json(concept: Concept) -> str:
    """Return a concept as JSON text, for storage."""
    return json.dumps(
        {
            "version": JSON_VERSION,
            "title": concept.title,
            "genre": concept.genre,
            "format": concept.format,
            "theme": concept.theme,
            "setting": concept.setting,
            "premise": concept.premise,
            "cast": [{"name": member.name, "line": member.line} for member in concept.cast],
            "plot": list(concept.plot),
            "beat": concept.beat,
        },
        ensure_ascii=False,
    )


def concept_from_json(body: str) -> Concept:
    """Return the concept in a JSON text; what is missing, unknown or misshapen is left out."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return Concept()
    if not isinstance(data, dict):
        return Concept()

    def text(name: str) -> str:
        value = data.get(name)
        return value if isinstance(value, str) else ""

    def items(name: str) -> list[object]:
        value = data.get(name)
        return value[:_LIST_LIMIT] if isinstance(value, list) else []

    cast = tuple(
        CastMember(name=item["name"], line=line if isinstance(line, str) else "")
        for item in items("cast")
        if isinstance(item, dict) and isinstance(item.get("name"), str)
        for line in (item.get("line"),)
    )
    beat = data.get("beat")
    return Concept(
        title=text("title"),
        genre=text("genre"),
        format=text("format") or "prose",
        theme=text("theme"),
        setting=text("setting"),
        premise=text("premise"),
        cast=cast,
        plot=tuple(item for item in items("plot") if isinstance(item, str)),
        beat=beat if isinstance(beat, int) and not isinstance(beat, bool) and beat >= 0 else 0,
    )


def concept_of(wish: Wish) -> Concept:
    """Return the concept that a wish is the beginning of."""
    return Concept(
        title=" ".join(wish.title.split()),
        genre=_known_genre(wish.genre) or " ".join(wish.genre.split()),
        format=wish.format or "prose",
        theme=" ".join(wish.theme.split()),
        setting=" ".join(wish.setting.split()),
        premise=wish.premise.strip(),
        cast=wish.cast,
        plot=wish.plot,
    )


def missing_fields(concept: Concept) -> tuple[ConceptField, ...]:
    """Return what is still to be found, in the order of asking."""
    return tuple(field for field in ConceptField if not getattr(concept, field.value))


def with_field(concept: Concept, field: ConceptField, value: FieldValue) -> Concept:
    """Return the concept with one field set; a new plot starts at its first beat."""
    if field is ConceptField.CAST:
        cast = tuple(item for item in value if isinstance(item, CastMember))
        return replace(concept, cast=cast)
    if field is ConceptField.PLOT:
        plot = tuple(item for item in value if isinstance(item, str))
        return replace(concept, plot=plot, beat=0)
    text = value if isinstance(value, str) else ""
    match field:
        case ConceptField.GENRE:
            return replace(concept, genre=text)
        case ConceptField.SETTING:
            return replace(concept, setting=text)
        case ConceptField.THEME:
            return replace(concept, theme=text)
        case _:
            return replace(concept, title=text)


def field_text(concept: Concept, field: ConceptField) -> str:
    """Return a field as a member reads and edits it: "Name: line" and beats on lines of their own."""
    match field:
        case ConceptField.CAST:
            return "\n".join(
                f"{member.name}: {member.line}" if member.line else member.name
                for member in concept.cast
            )
        case ConceptField.PLOT:
            return "\n".join(concept.plot)
        case _:
            value: str = getattr(concept, field.value)
            return value


def read_field(field: ConceptField, text: str) -> FieldValue:
    """Return the value of what a member wrote into a field; the reverse of ``field_text``."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    match field:
        case ConceptField.CAST:
            parted = [re.split(r"\s*[:\uff1a]\s*", line, maxsplit=1) for line in lines]
            return tuple(
                CastMember(name=parts[0], line=parts[1] if len(parts) > 1 else "")
                for parts in parted[:_LIST_LIMIT]
                if parts[0]
            )
        case ConceptField.PLOT:
            return tuple(lines[:_LIST_LIMIT])
        case ConceptField.GENRE:
            return _known_genre(text) or " ".join(lines)
        case _:
            return " ".join(lines)


# What is asked: the label that stands before the answer, and how long it may get.
_LABELS: dict[ConceptField, tuple[str, int]] = {
    ConceptField.GENRE: ("Genre:", 6),
    ConceptField.SETTING: ("Setting:", 24),
    ConceptField.CAST: ("Characters:", 48),
    ConceptField.THEME: ("Theme:", 16),
    ConceptField.PLOT: ("Plot: 1.", 90),
    ConceptField.TITLE: ("Title:", 14),
}


def field_prompt(field: ConceptField, concept: Concept, seed: int) -> FieldPrompt:
    """Return the prompt for one field: a few worked examples, chosen by the seed, then this story."""
    label, max_tokens = _LABELS[field]
    order = sorted(EXAMPLES, key=lambda example: _number(seed, f"{field}{example.title}"))
    # The same genre last: the nearest example guides most.
    order = order[:_EXAMPLES_SHOWN]
    order.sort(key=lambda example: example.genre == concept.genre)
    blocks = [
        f"{_summary(_as_concept(example), field)}\n{label} {_example_answer(example, field)}"
        for example in order
    ]
    blocks.append(f"{_summary(concept, field)}\n{label}")
    return FieldPrompt(text="\n\n".join(blocks), stop=("\n",), max_tokens=max_tokens)


def _as_concept(example: Example) -> Concept:
    return Concept(
        genre=example.genre,
        setting=example.setting,
        theme=example.theme,
        premise=example.premise,
        cast=tuple(CastMember(name=name, line=line) for name, line in example.cast),
    )


def _example_answer(example: Example, field: ConceptField) -> str:
    match field:
        case ConceptField.CAST:
            return "; ".join(f"{name}, {line}" for name, line in example.cast) + "."
        case ConceptField.PLOT:
            first, second, third = example.plot
            return f"{first}. 2. {second}. 3. {third}."
        case _:
            value: str = getattr(example, field.value)
            return value


def _summary(concept: Concept, field: ConceptField) -> str:
    """Put what is known into the lines before the question."""
    lines = []
    if concept.premise:
        lines.append(f"Story: {' '.join(concept.premise.split())[:300]}")
    elif concept.genre:
        lines.append(f"Story: A {concept.genre} story.")
    else:
        lines.append("Story: A short story.")
    if field in {ConceptField.TITLE, ConceptField.PLOT, ConceptField.THEME} and concept.cast:
        lines.append(
            "Characters: "
            + "; ".join(
                f"{member.name}, {member.line}" if member.line else member.name
                for member in concept.cast[:3]
            )
            + "."
        )
    return "\n".join(lines)


_DRIFT = re.compile(
    r"(?i)\b(sure|here (is|are)|as an ai|language model|assistant|please|instructions?|"
    r"answer|question|example|user|prompt|the story (is|was|takes)|this story|https?|www)\b|"
    r"\b(story|title|theme|setting|genre|characters?|plot)\s*:|[\[\]{}<>|#*_=\\]|\d{3,}"
)
_TITLE_LIMIT, _LINE_LIMIT = 60, 140
_TITLE_WORDS, _GENRE_WORDS, _LINE_WORDS = 9, 3, 24
_CAST_LIMIT, _NAME_WORDS = 4, 4
_BEATS = 3
_LIKENESS = 0.6


def parse_field(field: ConceptField, raw: str) -> FieldValue | None:
    """Return what a model's completion says for a field; None where it is of no use.

    Empty answers, copies of the examples, repetition and everything that has left
    the task are of no use.
    """
    line = next((part.strip() for part in raw.splitlines() if part.strip()), "")
    match field:
        case ConceptField.GENRE:
            return _known_genre(line)
        case ConceptField.CAST:
            return _parse_cast(line)
        case ConceptField.PLOT:
            return _parse_plot(line)
        case ConceptField.TITLE:
            title = _clean(line)
            if title is None or len(title) > _TITLE_LIMIT or len(title.split()) > _TITLE_WORDS:
                return None
            return title[0].upper() + title[1:]
        case _:
            phrase = _clean(line)
            if phrase is None or len(phrase) > _LINE_LIMIT or len(phrase.split()) > _LINE_WORDS:
                return None
            return phrase


def _parse_cast(line: str) -> tuple[CastMember, ...] | None:
    taken = {name.casefold() for example in EXAMPLES for name, _ in example.cast}
    members: dict[str, CastMember] = {}
    for part in re.split(r"\s*;\s*", line):
        name, _, rest = re.sub(r"^(and|und|et) ", "", part.strip()).partition(",")
        name, about = name.strip(" .\"'"), _clean(rest)
        is_name = (
            bool(name)
            and (name[0].isupper() or not name.isascii())
            and len(name.split()) <= _NAME_WORDS
            and not _DRIFT.search(name)
            and name.casefold() not in taken
        )
        if is_name and about is not None and len(about) <= _LINE_LIMIT:
            members.setdefault(name.casefold(), CastMember(name=name, line=about))
    return tuple(members.values())[:_CAST_LIMIT] or None


def _parse_plot(line: str) -> tuple[str, ...] | None:
    parts = [part for part in re.split(r"(?:^|\s)[1-9][.)]\s+", line) if part.strip()]
    if len(parts) < _BEATS:
        return None
    beats = [_clean(part) for part in parts[:_BEATS]]
    whole = tuple(beat for beat in beats if beat is not None and len(beat) <= _LINE_LIMIT)
    if len(whole) < _BEATS or any(
        _are_alike(one, other) for i, one in enumerate(whole) for other in whole[:i]
    ):
        return None
    return whole


def _clean(text: str) -> str | None:
    """Return a phrase without its wrapping; None where it is empty, a copy, a loop or off the task."""
    phrase = " ".join(text.split()).strip(" \"'\u201c\u201d-:;,").rstrip(".!").strip()
    words = _words(phrase)
    if not any(letter.isalpha() for letter in phrase) or _DRIFT.search(phrase):
        return None
    if len(words) > _NAME_WORDS and len(set(words)) * 2 <= len(words):
        return None
    if any(_are_alike(phrase, known) for known in _EXAMPLE_PHRASES):
        return None
    return phrase


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _are_alike(one: str, other: str) -> bool:
    a, b = set(_words(one)), set(_words(other))
    return len(a & b) > _LIKENESS * len(a | b)


_EXAMPLE_PHRASES: tuple[str, ...] = tuple(
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


def _known_genre(text: str) -> str | None:
    wanted = " ".join(text.casefold().replace("-", " ").split()).strip(" .\"'")
    for name, genre in (*((genre, genre) for genre in GENRES), *GENRE_ALIASES.items()):
        if wanted.removesuffix(" story") == name.replace("-", " "):
            return genre
    return None


def fallback(field: ConceptField, concept: Concept, seed: int) -> FieldValue:
    """Return a value from the tables that suits what is known, chosen by the seed."""
    genre = concept.genre if concept.genre in GENRES else _genre_of(concept, seed)
    hero, friend = _two_names(concept, seed)
    match field:
        case ConceptField.GENRE:
            return genre
        case ConceptField.SETTING:
            return _choose(SETTINGS[genre], seed, field)
        case ConceptField.THEME:
            return _choose(THEMES[genre], seed, field)
        case ConceptField.CAST:
            lines = _choose(ROLES[genre], seed, field)
            told = _names_in(concept.premise)  # the premise says who they are
            return tuple(
                CastMember(name=name, line="" if name in told else line)
                for name, line in zip((hero, friend), lines, strict=True)
            )
        case ConceptField.PLOT:
            beats = _choose(SKELETONS[genre], seed, field)
            place = concept.setting or "this place"
            return tuple(beat.format(hero=hero, friend=friend, place=place) for beat in beats)
        case ConceptField.TITLE:
            return _choose(TITLES[genre], seed, field).format(hero=hero)


def _genre_of(concept: Concept, seed: int) -> str:
    words = _words(f"{concept.premise} {concept.title} {concept.setting} {concept.theme}")
    hits = {
        genre: sum(word.startswith(clue) for word in words for clue in clues)
        for genre, clues in GENRE_CLUES.items()
    }
    best = max(hits.values())
    return _choose([genre for genre in GENRES if hits[genre] == best], seed, ConceptField.GENRE)


_PLACING = frozenset({"at", "from", "in", "into", "near", "of", "on", "outside", "through", "to"})


def _two_names(concept: Concept, seed: int) -> tuple[str, str]:
    """Return names for a hero and a companion: the cast's, the premise's, then the table's."""
    names = [member.name for member in concept.cast] or _names_in(concept.premise)
    pool = sorted(NAMES, key=lambda name: _number(seed, name))
    names.extend(name for name in pool if name not in names)
    return names[0], names[1]


def _names_in(premise: str) -> list[str]:
    """Return capitalised words within sentences, but for places ("on Mars")."""
    found = re.findall(r"([a-z]+),? ([A-Z][a-z]{2,})\b", premise)
    return list(dict.fromkeys(name for before, name in found if before not in _PLACING))


def _number(seed: int, salt: str) -> int:
    digest = hashlib.blake2b(f"{seed}:{salt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _choose(options: Sequence[_T], seed: int, field: ConceptField) -> _T:
    return options[_number(seed, field.value) % len(options)]
