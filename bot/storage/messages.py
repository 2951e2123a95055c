"""Inbox and outbox: words on their way in, messages on their way out.

Invariant: a key waits or stands in the journal once; one row for each passage, channel
and part, whatever is put how often.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from bot.storage import tables as t
from bot.storage.authors import AUTHOR_COLUMNS, stored_author
from bot.storage.rows import author_from
from bot.storage.session import AnyRow, Session
from bot.story.model import PassageId, StoryId
from bot.story.ports import (
    InboxItem,
    InboxRepository,
    OutboxItem,
    OutboxRepository,
    OutboxStatus,
)


class SqlInbox(InboxRepository):
    """The waiting words of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, item: InboxItem) -> bool:
        """Keep words; False where their key is known already (here or in the journal)."""
        known = await self._session.row(
            sa.union_all(
                sa.select(t.inbox.c.id).where(t.inbox.c.key == item.key),
                sa.select(t.entries.c.id).where(t.entries.c.key == item.key),
            )
        )
        if known is not None:
            return False
        author = await stored_author(self._session, item.author)
        row = {
            "id": item.id,
            "story_id": item.story_id,
            "author_id": author.id,
            "text": item.text,
            "key": item.key,
            "wants_answer": item.wants_answer,
            "arrived_at": item.arrived_at,
            "origin_channel_id": item.origin_channel_id,
            "origin_message_id": item.origin_message_id,
        }
        await self._session.insert(t.inbox, [row])
        return True

    async def waiting(self, story_id: StoryId) -> Sequence[InboxItem]:
        """Return what waits, in order of arrival."""
        of = t.inbox.c
        found = await self._session.rows(
            sa.select(
                of.id,
                of.text,
                of.key,
                of.wants_answer,
                of.arrived_at,
                of.origin_channel_id,
                of.origin_message_id,
                of.author_id,
            )
            .where(of.story_id == story_id)
            .order_by(of.arrived_at, of.id)
        )
        authors = {
            row[0]: author_from(row)
            for row in await self._session.rows(
                sa.select(*AUTHOR_COLUMNS).where(
                    t.authors.c.id.in_({row.author_id for row in found})
                )
            )
        }
        return [
            InboxItem(
                id=row.id,
                story_id=story_id,
                author=authors[row.author_id],
                text=row.text,
                key=row.key,
                wants_answer=row.wants_answer,
                arrived_at=row.arrived_at,
                origin_channel_id=row.origin_channel_id,
                origin_message_id=row.origin_message_id,
            )
            for row in found
        ]

    async def remove(self, item_ids: Sequence[int]) -> None:
        """Drop items; called in the commit that appends them."""
        if item_ids:
            await self._session.execute(sa.delete(t.inbox).where(t.inbox.c.id.in_(item_ids)))

    async def stories_waiting(self) -> Sequence[StoryId]:
        """Return stories with waiting words, in the order of their ids."""
        story_id = t.inbox.c.story_id
        found = await self._session.rows(sa.select(story_id).distinct().order_by(story_id))
        return [row.story_id for row in found]


class SqlOutbox(OutboxRepository):
    """The messages of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def put(self, item: OutboxItem) -> None:
        """Insert or replace by (passage_id, channel_id, part); an unset time keeps the old one."""
        upsert = sqlite.insert(t.outbox)
        new = upsert.excluded
        upsert = upsert.on_conflict_do_update(
            index_elements=["passage_id", "channel_id", "part"],
            set_={
                "id": new.id,
                "story_id": new.story_id,
                "nonce": new.nonce,
                "status": new.status,
                "message_id": new.message_id,
                "is_own": new.is_own,
                "created_at": sa.func.coalesce(new.created_at, t.outbox.c.created_at),
            },
        )
        row = {
            "id": item.id,
            "story_id": item.story_id,
            "passage_id": item.passage_id,
            "part": item.part,
            "channel_id": item.channel_id,
            "nonce": item.nonce,
            "status": item.status.value,
            "message_id": item.message_id,
            "is_own": item.is_own,
            "created_at": item.created_at,
        }
        await self._session.execute(upsert, [row])

    async def for_passage(self, passage_id: PassageId) -> Sequence[OutboxItem]:
        """Return a passage's messages by part."""
        of = t.outbox.c
        return await self._items(
            sa.select(t.outbox).where(of.passage_id == passage_id).order_by(of.part, of.channel_id)
        )

    async def for_story(self, story_id: StoryId, *, limit: int = 50) -> Sequence[OutboxItem]:
        """Return the newest messages of a story, newest first."""
        of = t.outbox.c
        return await self._items(
            sa.select(t.outbox).where(of.story_id == story_id).order_by(of.id.desc()).limit(limit)
        )

    async def by_message(self, message_id: int) -> OutboxItem | None:
        """Return what a message shows: the newest passage, where it shows several."""
        of = t.outbox.c
        found = await self._items(
            sa.select(t.outbox).where(of.message_id == message_id).order_by(of.id.desc()).limit(1)
        )
        return found[0] if found else None

    async def unsettled(self) -> Sequence[OutboxItem]:
        """Return own messages that are PENDING or SENT (to heal after a crash)."""
        return await self._items(sa.select(t.outbox).where(t.IS_UNSETTLED).order_by(t.outbox.c.id))

    async def mark_gone(
        self, *, message_ids: Sequence[int] = (), channel_id: int | None = None
    ) -> None:
        """Note that messages or a whole channel were deleted."""
        of = t.outbox.c
        gone = sa.update(t.outbox).values(status=OutboxStatus.GONE.value)
        if message_ids:
            await self._session.execute(gone.where(of.message_id.in_(message_ids)))
        if channel_id is not None:
            await self._session.execute(gone.where(of.channel_id == channel_id))

    async def _items(self, statement: sa.Executable) -> list[OutboxItem]:
        return [_outbox_item(row) for row in await self._session.rows(statement)]


def _outbox_item(row: AnyRow) -> OutboxItem:
    fields = row._asdict()
    fields["status"] = OutboxStatus(fields["status"])
    return OutboxItem(**fields)
