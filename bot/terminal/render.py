"""How stories, concepts and lists look in the terminal.

Invariant: story text is printed as text; nothing in it is taken for markup.
"""

import io
import re
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bot.locales import N_, Words
from bot.policy.settings import Effective, format_value
from bot.story import tree
from bot.story.context import Context
from bot.story.formats import MISSED_FORM, PROSE, has_missed_form
from bot.story.model import AuthorKind, Concept, Passage, Story, StorySummary
from bot.terminal.commands import COMMANDS

_LEAST_TABLE_WIDTH = 60
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_FIELDS = (
    ("premise", N_("Premise")),
    ("title", N_("Title")),
    ("genre", N_("Genre")),
    ("format", N_("Format")),
    ("reader_age", N_("Readers' age")),
    ("theme", N_("Theme")),
    ("setting", N_("Setting")),
    ("cast", N_("Cast")),
    ("plot", N_("Plot")),
)


def plain(text: str) -> str:
    """Return a text without what would steer the terminal; models write anything."""
    return _CONTROLS.sub("", text)


def passage(story: Story, shown: Passage, words: Words) -> RenderableType:
    """Return one passage: a member's in cyan under their name, the model's plain."""
    text = plain(tree.text_of(story, shown)).strip()
    if shown.kind is AuthorKind.MEMBER:
        name = tree.author_of(story, shown).name or words(N_("somebody"))
        return Padding(
            Group(Text(name, style="dim"), Text(text, style="cyan")), (0, 0, 1, 2), expand=False
        )
    alternates = tree.alternates(story, shown.id)
    parts: list[RenderableType] = [Text(text)]
    if has_missed_form(shown):
        parts.append(Text(words(MISSED_FORM), style="dim"))
    if len(alternates) > 1:
        place = alternates.index(shown.id) + 1
        parts.append(
            Text(
                words(N_("◀ {n}/{m} ▶  /pick next, /pick previous"), n=place, m=len(alternates)),
                style="dim",
            )
        )
    return Padding(Group(*parts), (0, 0, 1, 2), expand=False)


def whole_story(story: Story, words: Words) -> RenderableType:
    """Return the story as it reads, from the root to the head."""
    parts: list[RenderableType] = [Rule(Text(plain(tree.title(story)) or words(N_("Untitled"))))]
    parts.extend(passage(story, shown, words) for shown in tree.path(story))
    if len(parts) == 1:
        parts.append(Text(words(N_("Nothing is written yet.")), style="dim"))
    return Group(*parts)


def concept_card(
    concept: Concept, invented: Iterable[str], words: Words, *, opening: str = "", hint: str = ""
) -> RenderableType:
    """Return the concept as a panel; fields from the tables are marked with a star."""
    invented = frozenset(invented)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", justify="right")
    table.add_column()
    for name, label in _FIELDS:
        value = concept_field(concept, name)
        if value:
            mark = " *" if name in invented else ""
            table.add_row(Text(words(label) + mark), Text(plain(value)))
    if opening:
        table.add_row(Text(words(N_("Opening"))), Text(plain(opening)))
    if invented:
        table.add_row("", Text(words(N_("* drawn from tables")), style="dim"))
    # As texts, for a panel takes strings for markup.
    return Panel(
        table,
        title=Text(words(N_("Concept"))),
        subtitle=Text(hint) if hint else None,
        expand=False,
    )


def concept_field(concept: Concept, name: str) -> str:
    """Return one field of a concept as lines of text."""
    if name == "cast":
        return "\n".join(f"{c.name}: {c.line}" if c.line else c.name for c in concept.cast)
    if name == "format":
        return "" if concept.format == PROSE else concept.format
    if name == "reader_age":
        return str(concept.reader_age or "")
    if name == "plot":
        return "\n".join(f"{n}. {beat}" for n, beat in enumerate(concept.plot, 1))
    return str(getattr(concept, name))


def story_list(stories: Sequence[StorySummary], words: Words, *, width: int = 80) -> RenderableType:
    """Return the stories, numbered."""
    if not stories:
        return Text(words(N_("No story is kept here yet.")), style="dim")
    rows = [
        (
            str(number),
            ("▶ " if summary.is_current else "") + (plain(summary.title) or words(N_("Untitled"))),
            str(summary.passages),
            f"{summary.updated_at.astimezone():%Y-%m-%d %H:%M}",
        )
        for number, summary in enumerate(stories, 1)
    ]
    headings = (N_("No."), N_("Title"), N_("Passages"), N_("Last written"))
    return _table([words(heading) for heading in headings], rows, width=width)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> RenderableType:
    """Return a table; in a narrow window each row's cells stand below each other."""
    if width < _LEAST_TABLE_WIDTH:
        stacked: list[RenderableType] = []
        for first, *others in rows:
            stacked.append(Text(first, style="bold"))
            stacked.extend(Padding(Text(cell), (0, 0, 0, 2)) for cell in others if cell)
        return Group(*stacked)
    table = Table(box=None, show_header=bool(headings))
    for column in range(len(rows[0])):
        table.add_column(Text(headings[column]) if headings else "")
    for first, *others in rows:
        table.add_row(Text(first, style="bold"), *map(Text, others))
    return table


def context(shown: Context, words: Words) -> RenderableType:
    """Return exactly what the model sees, part by part."""
    parts: list[RenderableType] = []
    for part in shown.parts:
        if part.text.strip():
            parts.append(Text(f"{part.role or part.label}", style="dim"))
            parts.append(Padding(Text(plain(part.text)), (0, 0, 0, 2), expand=False))
    total = words(
        N_("{tokens} of {limit} tokens; {n} passages left out"),
        tokens=shown.prompt_tokens,
        limit=shown.limit_tokens,
        n=shown.left_out,
    )
    return Panel(Group(*parts), title=Text(words(N_("What the model sees"))), subtitle=Text(total))


def settings_table(rows: Sequence[Effective], words: Words, *, width: int = 80) -> RenderableType:
    """Return every setting with its value, where that comes from, and what it does."""
    headings = (N_("Setting"), N_("Value"), N_("From"), N_("What it does"))
    cells = [
        (
            row.setting.name,
            plain(format_value(row.value)) or "-",
            str(row.source),
            words(row.setting.explanation),
        )
        for row in rows
    ]
    return _table([words(heading) for heading in headings], cells, width=width)


def help_table(words: Words, *, width: int = 80) -> RenderableType:
    """Return every command with its arguments."""
    rows = [
        (f"/{command.name} {words(command.usage)}".rstrip(), words(command.help))
        for command in COMMANDS.values()
    ]
    return Group(
        Text(
            words(
                N_("Type what happens next; the model goes on. Enter alone: it goes on by itself.")
            )
        ),
        _table((), rows, width=width),
    )


def make_console(*, to_stderr: bool = False) -> Console:
    """Return a console that highlights nothing by itself."""
    stream = sys.stderr if to_stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A terminal that cannot show a letter shows another sign, and the story goes on.
        stream.reconfigure(errors="replace")
    return Console(stderr=to_stderr, highlight=False, emoji=False, markup=False, soft_wrap=False)
