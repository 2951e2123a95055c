"""The ephemeral panels: More, reading, the list of stories, a question before a deletion."""

from collections.abc import Sequence

import discord

from bot.discord_app.custom_ids import Ref
from bot.discord_app.escaping import neutralise_line
from bot.discord_app.views.base import action_row, button, panel, select
from bot.locales import N_, Words
from bot.story.ids import encode_id
from bot.story.model import StoryStatus, StorySummary

PAGE_LIMIT = 3600  # of 4000 characters that one message may show
STORIES_A_PAGE = 10

MENU: tuple[tuple[str, str, str, str], ...] = (
    ("redo", "↪️", N_("Redo"), N_("Bring back what was undone")),
    ("edit", "✏️", N_("Edit"), N_("Change the wording of the newest passage")),
    ("show", "📖", N_("Read"), N_("Read the story from its beginning")),
    ("context", "🔎", N_("Context"), N_("See exactly what the model sees")),
    ("export", "💾", N_("Export"), N_("Get the story as a text file")),
    ("rename", "🏷️", N_("Rename"), N_("Give the story another title")),
    ("end", "🏁", N_("End"), N_("Let the model write an ending")),
    ("help", "❓", N_("Help"), N_("All commands")),
)
"""What More offers: act, emoji, label, explanation."""


def more_panel(story_id: int, passage_id: int, words: Words) -> discord.ui.LayoutView:
    """Return what else can be done with a story."""
    options = [
        discord.SelectOption(
            label=words(label), value=act, emoji=emoji, description=words(explanation)
        )
        for act, emoji, label, explanation in MENU
    ]
    chosen = select(
        Ref("menu", story_id, passage_id), options, placeholder=words(N_("What shall be done?"))
    )
    return panel(action_row(chosen))


def page_panel(
    title: str, pages: Sequence[str], number: int, story_id: int, words: Words
) -> discord.ui.LayoutView:
    """Return one page of a story, from 0, with buttons to turn it."""
    number = min(max(number, 0), len(pages) - 1)
    heading = neutralise_line(title, 200) or words(N_("Untitled"))
    text = discord.ui.TextDisplay[discord.ui.LayoutView](f"## {heading}\n{pages[number]}")
    if len(pages) == 1:
        return panel(text)
    last = len(pages) - 1
    row = action_row(
        button(Ref("page", story_id, 0, "first"), "⏮", is_disabled=number == 0),
        button(Ref("page", story_id, max(number - 1, 0)), "◀", is_disabled=number == 0),
        button(Ref("place", story_id, number), f"{number + 1}/{len(pages)}", is_disabled=True),
        button(Ref("page", story_id, min(number + 1, last)), "▶", is_disabled=number == last),
        button(Ref("page", story_id, last, "last"), "⏭", is_disabled=number == last),
    )
    return panel(text, row)


def list_panel(
    summaries: Sequence[StorySummary], offset: int, *, has_more: bool, words: Words
) -> discord.ui.LayoutView:
    """Return a page of the place's stories, with a select that opens one."""
    if not summaries:
        empty = words(N_("There are no stories here yet. Begin one with /story start."))
        return panel(discord.ui.TextDisplay(empty))
    lines = [words(N_("## Stories"))]
    options = []
    for one in summaries:
        title = neutralise_line(one.title, 100) or words(N_("Untitled"))
        state = _state_of(one, words)
        count = words.plural("{n} passage", "{n} passages", one.passages)
        when = discord.utils.format_dt(one.updated_at, "R")
        lines.append(f"**{title}**\n-# {state} · {count} · {when}")
        options.append(
            discord.SelectOption(
                label=(one.title or words(N_("Untitled")))[:100],
                value=encode_id(one.id),
                description=f"{state} · {count}"[:100],
            )
        )
    children: list[discord.ui.Item[discord.ui.LayoutView]] = [
        discord.ui.TextDisplay("\n".join(lines)),
        action_row(select(Ref("open"), options, placeholder=words(N_("Open a story …")))),
    ]
    if offset or has_more:
        before = max(offset - STORIES_A_PAGE, 0)
        after = offset + STORIES_A_PAGE
        children.append(
            action_row(
                button(Ref("list", 0, before, "before"), "◀", is_disabled=offset == 0),
                button(Ref("list", 0, after, "after"), "▶", is_disabled=not has_more),
            )
        )
    return panel(*children)


def deletion_panel(story_id: int, title: str, words: Words) -> discord.ui.LayoutView:
    """Return the question before a story's text is removed for good."""
    named = neutralise_line(title, 200) or words(N_("Untitled"))
    question = words(
        N_("Delete **{title}**? Its text is removed for good; nobody can bring it back."),
        title=named,
    )
    return panel(
        discord.ui.TextDisplay(question),
        action_row(
            button(
                Ref("delete", story_id),
                words(N_("Delete for good")),
                emoji="🗑️",
                style=discord.ButtonStyle.danger,
            ),
            button(Ref("keep", story_id), words(N_("Keep it"))),
        ),
    )


def _state_of(summary: StorySummary, words: Words) -> str:
    if summary.is_current:
        return words(N_("open"))
    if summary.status is StoryStatus.ENDED:
        return words(N_("ended"))
    return words(N_("archived"))
