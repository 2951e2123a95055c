"""The fields of a concept: how they are stored, shown, edited and filled in.

Invariant: what a member gave is never overwritten; reading a stored concept never
fails, whatever wrote it.
"""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.story.concept_tables import GENRE_ALIASES, GENRES
from bot.story.formats import MOST_AGE, PROSE
from bot.story.model import CastMember, Concept

JSON_VERSION = 1
_LIST_LIMIT = 50


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
    format: str = ""
    reader_age: int = 0
    theme: str = ""
    setting: str = ""
    cast: tuple[CastMember, ...] = ()
    plot: tuple[str, ...] = ()


def concept_to_json(concept: Concept) -> str:
    """Return a concept as JSON text, for storage."""
    return json.dumps(
        {
            "version": JSON_VERSION,
            "title": concept.title,
            "genre": concept.genre,
            "format": concept.format,
            "reader_age": concept.reader_age,
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

    def number(name: str) -> int:
        value = data.get(name)
        return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0

    return Concept(
        title=text("title"),
        genre=text("genre"),
        format=text("format") or PROSE,
        reader_age=min(number("reader_age"), MOST_AGE),
        theme=text("theme"),
        setting=text("setting"),
        premise=text("premise"),
        cast=cast,
        plot=tuple(item for item in items("plot") if isinstance(item, str)),
        beat=number("beat"),
    )


def concept_of(wish: Wish) -> Concept:
    """Return the concept that a wish is the beginning of; its format is "" where none was named."""
    return Concept(
        title=" ".join(wish.title.split()),
        genre=known_genre(wish.genre) or " ".join(wish.genre.split()),
        format=wish.format,
        reader_age=wish.reader_age,
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
            return known_genre(text) or " ".join(lines)
        case _:
            return " ".join(lines)


def known_genre(text: str) -> str | None:
    """Return the genre of the tables that a text names in some usual way."""
    wanted = " ".join(text.casefold().replace("-", " ").split()).strip(" .\"'")
    for name, genre in (*((genre, genre) for genre in GENRES), *GENRE_ALIASES.items()):
        if name.replace("-", " ") in {wanted, wanted.removesuffix(" story")}:
            return genre
    return None
