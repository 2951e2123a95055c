"""Plain text and Markdown.

Invariant: every word of the story's path is in the export, in order. Markdown that
members wrote for emphasis stays; whatever would turn into structure (headings,
lists, links, HTML) is escaped.
"""

import re
from collections.abc import Iterator

from bot.export.lesson import lesson_of, lesson_text
from bot.export.people import credits_of
from bot.locales import N_, Words
from bot.story import tree
from bot.story.concept import ConceptField, field_text
from bot.story.model import AuthorKind, Story
from bot.story.narrative import narrative

_WIDTH = 72
_UNTITLED = N_("Untitled")
_WRITTEN_BY = N_("Written by {names}")
_WITH_MODEL = N_("with the model {names}")
_CONCEPT = N_("Concept")
_LABELS = {
    "genre": N_("Genre"),
    "theme": N_("Theme"),
    "setting": N_("Setting"),
    "premise": N_("Premise"),
    "cast": N_("Cast"),
    "plot": N_("Plot"),
}

_INLINE = re.compile(r"([\\`\[\]<>&|])")
_NAME = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")
# What makes a block at the start of a line: headings, quotes, lists, rules, tables.
_BLOCK = re.compile(
    r"^(\s*)([#>+=~-]|\*(?=\s|\*\s*\*)|_(?=\s*_\s*_)|\d+(?=[.)](?:\s|$)))", re.MULTILINE
)


def export_txt(story: Story, words: Words | None = None) -> str:
    """Return the story as plain text with its title and its authors."""
    words = words or Words()
    title = tree.title(story) or words(_UNTITLED)
    head = [title, "=" * min(len(title), _WIDTH)]
    credit = _credits(story, words)
    parts = (credit, narrative(story), lesson_text(story, words))
    return "\n".join(head) + "\n\n" + "\n\n".join(filter(None, parts)) + "\n"


def export_markdown(story: Story, words: Words | None = None) -> str:
    """Return the story as Markdown with its title, authors and concept."""
    words = words or Words()
    title = " ".join((tree.title(story) or words(_UNTITLED)).split())
    credit = _credits(story, words, is_markdown=True)
    blocks = [f"# {escape(title)}", f"*{credit}*" if credit else "", _body(narrative(story))]
    blocks.extend(_lesson(story, words))
    concept = _concept(story, words)
    if concept:
        blocks.extend(("---", f"## {words(_CONCEPT)}", concept))
    return "\n\n".join(filter(None, blocks)) + "\n"


def escape(text: str) -> str:
    """Return text of which nothing is Markdown any more."""
    escaped = _NAME.sub(r"\\\1", text)
    return re.sub(r"^(\s*\d+)(?=[.)](?:\s|$))", r"\1\\", escaped, flags=re.MULTILINE)


def _body(text: str) -> str:
    paragraphs = re.split(r"\n[ \t]*\n\s*", text)
    return "\n\n".join(
        "\\\n".join(
            _escape_block(_INLINE.sub(r"\\\1", line.strip()))
            for line in paragraph.split("\n")
            if line.strip()
        )
        for paragraph in paragraphs
    )


def _escape_block(line: str) -> str:
    def with_backslash(match: re.Match[str]) -> str:
        space, mark = match.groups()
        return f"{space}{mark}\\" if mark.isdigit() else f"{space}\\{mark}"

    return _BLOCK.sub(with_backslash, line)


def _credits(story: Story, words: Words, *, is_markdown: bool = False) -> str:
    """Name everybody who wrote a passage of the story as it reads, in order of appearance."""
    named = credits_of(story, words, escape if is_markdown else str)
    members = ", ".join(named[AuthorKind.MEMBER])
    models = ", ".join(named[AuthorKind.MODEL])
    pieces = []
    if members:
        pieces.append(words(_WRITTEN_BY, names=members))
    if models:
        pieces.append(words(_WITH_MODEL if members else _WRITTEN_BY, names=models))
    return " ".join(pieces)


def _lesson(story: Story, words: Words) -> Iterator[str]:
    for section in lesson_of(story, words):
        yield f"## {section.heading}"
        lines: list[str] = []
        for number, (line, choices) in enumerate(section.lines, start=1):
            lines.append(f"{number}. {escape(line)}")
            lines.extend(f"   - {escape(choice)}" for choice in choices)
        yield "\n".join(lines)


def _concept(story: Story, words: Words) -> str:
    concept = tree.concept(story)
    lines: list[str] = []
    for name, label in _LABELS.items():
        is_list = name in {ConceptField.CAST, ConceptField.PLOT}
        text = field_text(concept, ConceptField(name)) if name != "premise" else concept.premise
        values = [escape(line.strip()) for line in text.splitlines() if line.strip()]
        if not values:
            continue
        if is_list:
            lines.append(f"- **{words(label)}:**")
            lines.extend(f"  - {value}" for value in values)
        else:
            lines.append(f"- **{words(label)}:** {' '.join(values)}")
    return "\n".join(lines)
