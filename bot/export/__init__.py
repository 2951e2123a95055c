"""Stories as files for people: plain text and Markdown.

Invariant: an export changes nothing and holds the story as it reads, whole.
"""

from bot.export.text import export_markdown, export_txt

__all__ = ["export_markdown", "export_txt"]
