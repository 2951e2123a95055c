"""A story as Fountain, for screenwriting programs.

Invariant: every word of the story's path is in the export, in order. What a screenplay holds stays
what it is; any other story becomes action, whatever its lines look like.
"""

from bot.export.people import credits_of
from bot.locales import N_, Words
from bot.story import tree
from bot.story.formats import SCREENPLAY
from bot.story.model import AuthorKind, Story
from bot.story.narrative import narrative
from bot.text.forms.fountain import Element, Kind, Script, escape, parse, write

_UNTITLED = N_("Untitled")
_WRITTEN_BY = N_("written by")


def export_fountain(story: Story, words: Words | None = None) -> str:
    """Return the story as a Fountain script with a title page."""
    words = words or Words()
    text = narrative(story)
    if tree.concept(story).format == SCREENPLAY:
        elements = parse(text, may_have_title_page=False).elements
    else:
        elements = tuple(_action(block) for block in text.split("\n\n") if block.strip())
    title = " ".join((tree.title(story) or words(_UNTITLED)).split())
    page = [("Title", title)]
    named = credits_of(story, words)
    people = [*named[AuthorKind.MEMBER], *named[AuthorKind.MODEL]]
    if people:
        page += [("Credit", words(_WRITTEN_BY)), ("Author", ", ".join(dict.fromkeys(people)))]
    return write(Script(elements, tuple(page)))


def _action(block: str) -> Element:
    lines = (escape(line.strip()) for line in block.split("\n") if line.strip())
    return Element(Kind.ACTION, "\n".join(lines))
