"""A story as a file with a name.

Invariant: the name is safe on every system and says which story it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.errors import UnknownCommandError
from bot.export.fountain import export_fountain
from bot.export.text import export_markdown, export_txt
from bot.locales import Words
from bot.story import tree
from bot.story.ids import encode_id
from bot.story.model import Story
from bot.story.portable import export_json

_NAME_LIMIT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """What can be sent or written."""

    name: str
    data: bytes  # UTF-8
    media_type: str


@dataclass(frozen=True, slots=True)
class _Format:
    suffix: str
    media_type: str
    write: Callable[[Story, Words], str]


_FORMATS: Mapping[str, _Format] = {
    "txt": _Format("txt", "text/plain", export_txt),
    "markdown": _Format("md", "text/markdown", export_markdown),
    "fountain": _Format("fountain", "text/plain", export_fountain),
    "json": _Format("json", "application/json", lambda story, _: export_json(story)),
}
FORMATS: tuple[str, ...] = tuple(_FORMATS)


def export(story: Story, file_format: str, *, words: Words | None = None) -> ExportFile:
    """Return the story as a file in one of ``FORMATS``.

    Raises:
        UnknownCommandError: there is no such format.
    """
    known = _FORMATS.get(file_format)
    if known is None:
        raise UnknownCommandError(given=file_format, near=", ".join(FORMATS))
    return ExportFile(
        name=f"{_stem(story)}.{known.suffix}",
        data=known.write(story, words or Words()).encode(),
        media_type=known.media_type,
    )


def _stem(story: Story) -> str:
    stem = re.sub(r"[^\w]+", "-", tree.title(story).casefold()).strip("-_")
    return stem[:_NAME_LIMIT].rstrip("-_") or f"story-{encode_id(story.id)}"
