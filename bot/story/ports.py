"""What the outside must give the services: a clock, and a unit of work over storage.

Invariant: a unit of work rolls back unless ``commit`` was called; no unit of work is
held open while a model writes. Reads inside one see one snapshot.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.story.model import Author, AuthorId, EntryId, PassageId, Step, Story, StoryId, StorySummary


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...


class JobKind(StrEnum):
    """What the model is asked for."""

    ANSWER = "answer"
    RETRY = "retry"
    END = "end"


class JobStatus(StrEnum):
    """A job is open until one of the three ends."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A passage to be written: committed with the words it answers, before the model starts.

    ``id`` becomes the passage's id. The lease (``owner``, ``epoch``, ``expires_at``)
    says which process works on it; a process that starts takes over the open jobs of
    its own earlier epochs at once and of others when they expire. At most one open
    job a story (held by a unique index).
    """

    id: PassageId
    story_id: StoryId
    kind: JobKind
    turn_id: EntryId
    parent_id: PassageId | None
    author_id: AuthorId  # who asked
    seed: int
    length: str = ""  # passage length asked for; "" is the channel's setting
    status: JobStatus = JobStatus.OPEN
    owner: str = ""
    epoch: int = 0
    expires_at: datetime | None = None
    attempts: int = 0
    created_at: datetime | None = None
    locale: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """Words that arrived while the model wrote."""

    id: int
    story_id: StoryId
    author: Author
    text: str
    key: str
    wants_answer: bool
    arrived_at: datetime
    origin_channel_id: int | None = None
    origin_message_id: int | None = None  # the member's own message, where it was one


class OutboxStatus(StrEnum):
    """A message's way to Discord."""

    PENDING = "pending"  # to be sent; perhaps it was, and the receipt was lost
    SENT = "sent"  # shown, but perhaps not in its final form
    SETTLED = "settled"  # shows the final text
    GONE = "gone"  # deleted by somebody, or the channel is


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One message that shows (a part of) a passage.

    ``nonce`` is deterministic ("<passage base32>.<part>"), sent with enforce_nonce. A
    member's own message is an item with ``is_own`` False: it is never edited.
    """

    id: int
    story_id: StoryId
    passage_id: PassageId
    part: int
    channel_id: int
    nonce: str
    status: OutboxStatus
    message_id: int | None = None
    is_own: bool = True
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A concept card that was shown but not begun; durable, so that its buttons survive a restart."""

    id: int
    place: str
    guild_id: int | None
    user_id: int
    body: str  # JSON: concept, opening, seed, options
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One value that an admin set."""

    scope: str  # "guild" or "channel"
    scope_id: int
    name: str
    value: str  # as the registry formats it
    changed_by: int
    changed_at: datetime


class StoryRepository(Protocol):
    """Stories whole, and what is asked of many at once."""

    async def load(self, story_id: StoryId) -> Story | None:
        """Return a story with its passages, texts, authors and journal; None where deleted or unknown."""
        ...

    async def current(self, place: str) -> Story | None:
        """Return the story that is open in a place."""
        ...

    async def current_id(self, place: str) -> StoryId | None:
        """Return its id only (one indexed read)."""
        ...

    async def story_of_passage(self, passage_id: PassageId) -> StoryId | None:
        """Return the story that a passage belongs to."""
        ...

    async def add(self, step: Step) -> None:
        """Insert a new story; archives the place's current one in the same commit."""
        ...

    async def save(self, step: Step, expected_version: int) -> None:
        """Write a step's news and moved pointers.

        Raises:
            ConflictError: the stored version is not ``expected_version``.
        """
        ...

    async def set_current(self, story_id: StoryId, place: str) -> None:
        """Open a story in its place and archive the one that was open."""
        ...

    async def summaries(
        self,
        place: str | None,
        *,
        guild_id: int | None = None,
        query: str = "",
        limit: int = 25,
        offset: int = 0,
    ) -> Sequence[StorySummary]:
        """Return stories by place or guild, newest first; ``query`` matches titles by words' beginnings."""
        ...

    async def blank(self, story_id: StoryId) -> None:
        """Delete: status DELETED and every text of it blanked; the structure stays."""
        ...

    async def find_key(self, key: str) -> tuple[StoryId, EntryId] | None:
        """Return the entry that a redelivered interaction or message made before."""
        ...

    async def author(self, author: Author) -> Author:
        """Return the stored author for (kind, platform, user_id) — for the model by name — inserting ``author`` or updating its name."""
        ...


class JobRepository(Protocol):
    """The passages under way."""

    async def add(self, job: Job) -> None:
        """Insert an open job.

        Raises:
            BusyError: the story has one already.
        """
        ...

    async def get(self, job_id: PassageId) -> Job | None:
        """Return a job."""
        ...

    async def open_for(self, story_id: StoryId) -> Job | None:
        """Return the story's open job."""
        ...

    async def lease(
        self, job_id: PassageId, *, owner: str, epoch: int, expires_at: datetime
    ) -> bool:
        """Take or renew the lease; False where somebody else holds it or the job ended."""
        ...

    async def finish(self, job_id: PassageId, status: JobStatus, *, owner: str, epoch: int) -> bool:
        """End the job on condition that the lease is still held; False where it is not."""
        ...

    async def cancel(self, job_id: PassageId) -> bool:
        """End an open job as cancelled whoever holds it (undo, stop, delete)."""
        ...

    async def orphans(self, *, owner: str, epoch: int, now: datetime) -> Sequence[Job]:
        """Return open jobs of this owner's earlier epochs, and of others whose lease expired."""
        ...


class InboxRepository(Protocol):
    """Words that wait."""

    async def add(self, item: InboxItem) -> bool:
        """Keep words; False where their key is known already (here or in the journal)."""
        ...

    async def waiting(self, story_id: StoryId) -> Sequence[InboxItem]:
        """Return what waits, in order of arrival."""
        ...

    async def remove(self, item_ids: Sequence[int]) -> None:
        """Drop items; called in the commit that appends them."""
        ...

    async def stories_waiting(self) -> Sequence[StoryId]:
        """Return stories with waiting words (for a start after a crash)."""
        ...


class OutboxRepository(Protocol):
    """Which messages show which passage."""

    async def put(self, item: OutboxItem) -> None:
        """Insert or replace by (passage_id, channel_id, part)."""
        ...

    async def for_passage(self, passage_id: PassageId) -> Sequence[OutboxItem]:
        """Return a passage's messages by part."""
        ...

    async def for_story(self, story_id: StoryId, *, limit: int = 50) -> Sequence[OutboxItem]:
        """Return the newest messages of a story, newest first."""
        ...

    async def by_message(self, message_id: int) -> OutboxItem | None:
        """Return what a message shows (for replies and context menus)."""
        ...

    async def unsettled(self) -> Sequence[OutboxItem]:
        """Return own messages that are PENDING or SENT (to heal after a crash)."""
        ...

    async def mark_gone(
        self, *, message_ids: Sequence[int] = (), channel_id: int | None = None
    ) -> None:
        """Note that messages or a whole channel were deleted."""
        ...


class DraftRepository(Protocol):
    """Concept cards under way."""

    async def put(self, draft: Draft) -> None:
        """Insert or replace."""
        ...

    async def get(self, draft_id: int) -> Draft | None:
        """Return a draft."""
        ...

    async def delete(self, draft_id: int) -> None:
        """Remove a draft."""
        ...

    async def purge(self, before: datetime) -> int:
        """Remove drafts older than that; return how many."""
        ...


class SettingsRepository(Protocol):
    """What admins set, and small facts of the bot itself."""

    async def values(self, scope: str, scope_id: int) -> Mapping[str, str]:
        """Return the set values of one guild or channel."""
        ...

    async def set(self, row: SettingRow) -> None:
        """Set a value and write the audit log."""
        ...

    async def reset(
        self, scope: str, scope_id: int, name: str | None, *, by: int, at: datetime
    ) -> int:
        """Remove one value or all; write the audit log; return how many there were."""
        ...

    async def fact(self, name: str) -> str | None:
        """Return a fact of the bot itself (hash of the synced commands, chosen model …)."""
        ...

    async def put_fact(self, name: str, value: str) -> None:
        """Keep such a fact."""
        ...

    async def next_epoch(self, owner: str) -> int:
        """Return a number higher than at every earlier start of this owner."""
        ...


class UnitOfWork(Protocol):
    """One transaction; everything in it is committed together or not at all."""

    stories: StoryRepository
    jobs: JobRepository
    inbox: InboxRepository
    outbox: OutboxRepository
    drafts: DraftRepository
    settings: SettingsRepository

    async def commit(self) -> None:
        """Make it durable."""
        ...


class Store(Protocol):
    """Opens units of work."""

    def read(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a unit for reading: a pool of them runs beside the writer; ``commit`` is an error."""
        ...

    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open the unit for writing (one at a time on SQLite, BEGIN IMMEDIATE); rolls back unless committed."""
        ...
