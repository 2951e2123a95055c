"""The concept card: what a story will be about, before a word of it is written."""

import discord

from bot.discord_app.custom_ids import Ref
from bot.discord_app.escaping import neutralise, neutralise_line
from bot.discord_app.views.base import action_row, button, panel
from bot.locales import N_, Words
from bot.service.concepts import DraftCard
from bot.story.concept import ConceptField, field_text
from bot.story.formats import FORMAT_LABELS, PROSE, known_format

_LABELS = {
    ConceptField.GENRE: N_("Genre"),
    ConceptField.SETTING: N_("Setting"),
    ConceptField.THEME: N_("Theme"),
    ConceptField.CAST: N_("Cast"),
    ConceptField.PLOT: N_("Plot"),
}
_FIELD_LIMIT = 600  # of 4000 characters that one message may show
_ACCENT = discord.Colour(0x8B6F47)


def concept_card(card: DraftCard, words: Words) -> discord.ui.LayoutView:
    """Return the card with its buttons."""
    concept = card.concept
    title = neutralise_line(concept.title, 200) or words(N_("Untitled"))
    lines = [f"## 📖 {title}"]
    if concept.premise:
        lines.append(f"*{_shortened(concept.premise)}*")
    form = known_format(concept.format)
    if form != PROSE:
        age = f" ({concept.reader_age})" if concept.reader_age else ""
        lines.append(f"**{words(N_('Format'))}** {words(FORMAT_LABELS[form])}{age}")
    for field, label in _LABELS.items():
        value = _shortened(field_text(concept, field))
        if value:
            mark = " 🎲" if field.value in card.invented else ""
            joint = "\n" if "\n" in value else " "
            lines.append(f"**{words(label)}**{mark}{joint}{value}")
    if card.opening:
        lines.append(f"**{words(N_('First sentence'))}** {_shortened(card.opening)}")
    hint = words(N_("-# Only you can see this card. 🎲 was invented; Reroll invents it anew."))
    body: discord.ui.Container[discord.ui.LayoutView] = discord.ui.Container(
        discord.ui.TextDisplay("\n".join(lines)),
        discord.ui.Separator(),
        discord.ui.TextDisplay(hint),
        action_row(
            button(
                Ref("begin", card.id),
                words(N_("Begin")),
                emoji="▶️",
                style=discord.ButtonStyle.success,
            ),
            button(Ref("card_edit", card.id), words(N_("Edit")), emoji="✏️"),
            button(Ref("card_plot", card.id), words(N_("Plot")), emoji="🗺️"),
            button(Ref("reroll", card.id), words(N_("Reroll")), emoji="🎲"),
        ),
        accent_colour=_ACCENT,
    )
    return panel(body)


def note(text: str) -> discord.ui.LayoutView:
    """Return a panel that only says something, in the place of one that was used up."""
    return panel(discord.ui.TextDisplay(text))


def _shortened(text: str) -> str:
    shortened = text if len(text) <= _FIELD_LIMIT else text[: _FIELD_LIMIT - 1].rstrip() + "…"
    return neutralise(shortened.strip())
