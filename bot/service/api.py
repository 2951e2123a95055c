"""What the use cases take and give, and what the edges must fill.

Invariant: nothing here knows Discord or a terminal. A ``Stage`` shows passages; a
service never waits for it longer than a stage's own limits, and a stage that fails
loses no word: it is asked again at the next start (outbox).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.policy.rights import Place
from bot.story.model import Passage, PassageId, Story
from bot.story.ports import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a member's words stand already: their own message, which is never copied."""

    channel_id: int
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageView:
    """A passage to be shown, with the story it stands in (for title, author, alternates)."""

    place: Place
    story: Story
    passage: Passage
    is_withdrawn: bool = False  # undone: no longer on the story's path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A passage that the model is about to write."""

    place: Place
    story: Story
    job: Job
    streams: bool  # the channel's setting


class Presenter(Protocol):
    """Shows one passage while it grows. Calls come in order and from one task."""

    async def queued(self, queue_place: int) -> None:
        """Show that so many passages are before this one (1 is next)."""
        ...

    async def grow(self, text: str) -> None:
        """Take the whole text so far (screened, whole words); must return at once and coalesce."""
        ...

    async def finish(self, view: PassageView) -> None:
        """Show the passage as it was committed; returns when it is shown or given up."""
        ...

    async def fail(self, error: Exception, reference: str | None) -> None:
        """Say that nothing was written; the members' words are kept."""
        ...

    async def cancel(self) -> None:
        """Take back what was shown: the passage was undone while it was written."""
        ...

    async def pause(self) -> None:
        """Say that the bot is ending and will go on with this passage at the next start."""
        ...


class Stage(Protocol):
    """Where the passages of places are shown."""

    async def begin(self, job: JobView) -> Presenter:
        """Return a presenter for a passage under way; after a crash it takes up the old messages."""
        ...

    async def show(self, views: Sequence[PassageView]) -> None:
        """Show passages whole, or again after an edit, a pick, an undo or a redo; idempotent."""
        ...

    async def notify(self, place: Place, error: Exception) -> None:
        """Tell a place what went wrong when nobody waits for an answer."""
        ...


class ReceiptKind(StrEnum):
    """What became of somebody's act."""

    WRITING = "writing"  # committed; the model writes now (or waits in the queue)
    KEPT = "kept"  # committed; no answer was asked for
    WAITING = "waiting"  # in the inbox: appended and answered after the passage under way
    DUPLICATE = "duplicate"  # this interaction or message was taken before


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a use case that writes gives back, at once, before the model has written."""

    kind: ReceiptKind
    story: Story
    passage_id: PassageId | None = None  # the member's
    job_id: PassageId | None = None  # the model's, to come
    waiting: int = 0  # items in the inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an undo or redo did."""

    story: Story
    turns: int
    withdrawn: tuple[PassageId, ...] = ()
    restored: tuple[PassageId, ...] = ()
    cancelled_job: bool = False
