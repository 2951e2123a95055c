"""Stories as files for people: plain text, Markdown, Fountain, and JSON to import again.

Invariant: an export changes nothing and holds the story as it reads, whole.
"""

from bot.export.files import FORMATS, ExportFile, export
from bot.export.fountain import export_fountain
from bot.export.lesson import lesson_text
from bot.export.text import export_markdown, export_txt

__all__ = [
    "FORMATS",
    "ExportFile",
    "export",
    "export_fountain",
    "export_markdown",
    "export_txt",
    "lesson_text",
]
