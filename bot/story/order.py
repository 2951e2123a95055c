"""Whose turn it is.

Invariant: only the order of members is decided here; rights are policy's.
"""

from enum import StrEnum

from bot.story.model import AuthorId, Story


class TurnMode(StrEnum):
    """How the members of a story take turns."""

    FREE = "free"  # anybody, at any time


def is_turn_of(story: Story, author_id: AuthorId, mode: TurnMode) -> bool:  # noqa: ARG001 -- other modes look at who wrote last
    """Tell whether an author may write next."""
    return mode is TurnMode.FREE
