"""The forms (Discord: modals) and what was typed into them.

Invariant: a form's state stands in its custom_id, never in this process: the router
serves every submission, those after a restart like all others. discord.py 2.7 keeps
open forms in memory by custom_id and drops a submission that it does not know.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot.discord_app.custom_ids import Ref
from bot.discord_app.place import AnyInteraction
from bot.locales import N_, Words
from bot.service.concepts import DraftCard
from bot.story.concept import ConceptField, field_text
from bot.story.formats import FORMAT_LABELS, known_format

TEXT_LIMIT = 4000  # Discord's, for one field
_TITLE_LIMIT = 45
_LABEL_LIMIT = 45
_HINT_LIMIT = 100
_NAME_LIMIT = 100  # of a title or genre
_SHORT_LIMIT = 200
_LINE_LIMIT = 300
_MEDIUM_LIMIT = 1000
_AGE_LIMIT = 2


def _field(
    name: str,
    label: str,
    *,
    value: str = "",
    hint: str = "",
    limit: int = _SHORT_LIMIT,
    is_long: bool = False,
    is_required: bool = False,
) -> discord.ui.Label[Any]:
    style = discord.TextStyle.paragraph if is_long else discord.TextStyle.short
    typed: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=name,
        style=style,
        default=value[:limit] or None,
        required=is_required,
        max_length=limit,
    )
    return discord.ui.Label(
        text=label[:_LABEL_LIMIT], description=hint[:_HINT_LIMIT] or None, component=typed
    )


def form(ref: Ref, title: str, *fields: discord.ui.Label[Any]) -> discord.ui.Modal:
    """Return a form of one to five fields."""
    made = discord.ui.Modal(title=title[:_TITLE_LIMIT], custom_id=str(ref), timeout=None)
    for one in fields:
        made.add_item(one)
    return made


def choice_field(
    name: str, label: str, choices: list[tuple[str, str]], *, value: str, hint: str = ""
) -> discord.ui.Label[Any]:
    """Return a field with at most 25 choices, each a value and its words."""
    options = [
        discord.SelectOption(label=shown[:100], value=key, default=key == value)
        for key, shown in choices[:25]
    ]
    chosen: discord.ui.Select[Any] = discord.ui.Select(custom_id=name, options=options)
    return discord.ui.Label(
        text=label[:_LABEL_LIMIT], description=hint[:_HINT_LIMIT] or None, component=chosen
    )


def value_field(name: str, label: str, *, value: str, hint: str = "") -> discord.ui.Label[Any]:
    """Return a field for a setting's value."""
    return _field(name, label, value=value, hint=hint, limit=_MEDIUM_LIMIT)


def write_form(words: Words, story_id: int, passage_id: int) -> discord.ui.Modal:
    """Return the form for longer text."""
    return form(
        Ref("write", story_id, passage_id),
        words(N_("Write the next passage")),
        _field(
            "text",
            words(N_("What happens next?")),
            limit=TEXT_LIMIT,
            is_long=True,
            is_required=True,
        ),
    )


def add_form(words: Words, story_id: int) -> discord.ui.Modal:
    """Return the form for words that the model does not answer."""
    return form(
        Ref("add", story_id),
        words(N_("Add to the story")),
        _field(
            "text",
            words(N_("Your words")),
            limit=TEXT_LIMIT,
            is_long=True,
            is_required=True,
        ),
    )


def start_form(words: Words) -> discord.ui.Modal:
    """Return the form that begins a story; every field may stay empty."""
    return form(
        Ref("start"),
        words(N_("Begin a story")),
        _field(
            "premise",
            words(N_("What is it about?")),
            hint=words(N_("A sentence or two; leave it empty to be surprised.")),
            limit=_MEDIUM_LIMIT,
            is_long=True,
        ),
        _field("title", words(N_("Title")), limit=_NAME_LIMIT),
        _field("genre", words(N_("Genre")), limit=_NAME_LIMIT),
        _field("setting", words(N_("Where and when?")), limit=_LINE_LIMIT),
        _field(
            "opening",
            words(N_("First sentence")),
            hint=words(N_("The story begins with exactly these words.")),
            limit=TEXT_LIMIT,
            is_long=True,
        ),
    )


def card_form(words: Words, card: DraftCard) -> discord.ui.Modal:
    """Return the form for a concept's title, genre, theme, setting and cast."""
    concept = card.concept
    return form(
        Ref("card_edit", card.id),
        words(N_("The story's concept")),
        _field("title", words(N_("Title")), value=concept.title, limit=_NAME_LIMIT),
        _field("genre", words(N_("Genre")), value=concept.genre, limit=_NAME_LIMIT),
        _field("theme", words(N_("Theme")), value=concept.theme),
        _field("setting", words(N_("Setting")), value=concept.setting, limit=_LINE_LIMIT),
        _field(
            "cast",
            words(N_("Cast")),
            hint=words(N_("One to a line: name, then who they are.")),
            value=field_text(concept, ConceptField.CAST),
            limit=_MEDIUM_LIMIT,
            is_long=True,
        ),
    )


def plot_form(words: Words, card: DraftCard, formats: Sequence[str]) -> discord.ui.Modal:
    """Return the form for a concept's premise, format, plot and first sentence.

    Args:
        words: the member's.
        card: as it stands.
        formats: that stories can be started in here.
    """
    concept = card.concept
    return form(
        Ref("card_plot", card.id),
        words(N_("Plot and first sentence")),
        _field(
            "premise",
            words(N_("What is it about?")),
            value=concept.premise,
            limit=_MEDIUM_LIMIT,
            is_long=True,
        ),
        choice_field(
            "format",
            words(N_("Format")),
            [(name, words(FORMAT_LABELS[name])) for name in formats],
            value=known_format(concept.format),
        ),
        _field(
            "age",
            words(N_("Age of a lesson's class")),
            value=str(concept.reader_age or ""),
            limit=_AGE_LIMIT,
        ),
        _field(
            "plot",
            words(N_("Plot")),
            hint=words(N_("One step to a line.")),
            value=field_text(concept, ConceptField.PLOT),
            limit=2 * _MEDIUM_LIMIT,
            is_long=True,
        ),
        _field(
            "opening",
            words(N_("First sentence")),
            hint=words(N_("The story begins with exactly these words.")),
            value=card.opening or "",
            limit=TEXT_LIMIT,
            is_long=True,
        ),
    )


def edit_form(words: Words, story_id: int, passage_id: int, text: str) -> discord.ui.Modal:
    """Return the form for a passage's wording, which must fit into one field."""
    return form(
        Ref("edit", story_id, passage_id),
        words(N_("Edit the passage")),
        _field(
            "text",
            words(N_("New wording")),
            value=text,
            limit=TEXT_LIMIT,
            is_long=True,
            is_required=True,
        ),
    )


def rename_form(words: Words, story_id: int, title: str) -> discord.ui.Modal:
    """Return the form for a story's title."""
    return form(
        Ref("rename", story_id),
        words(N_("Rename the story")),
        _field("title", words(N_("Title")), value=title, limit=_NAME_LIMIT, is_required=True),
    )


def submitted(interaction: AnyInteraction) -> dict[str, str]:
    """Return what was typed or chosen, by field."""
    found: dict[str, str] = {}
    data: Mapping[str, Any] = interaction.data or {}
    for component in data.get("components", ()):
        # A label holds one component, an action row a list of them.
        inner = component.get("components") or [component.get("component") or {}]
        for one in inner:
            name = one.get("custom_id")
            if name is not None:
                found[name] = one.get("value") or ",".join(one.get("values") or ())
    return found
