"""Stories: loaded whole, saved by what a step brings.

Invariant: a save writes a step's news and the pointers that its entries moved, on
condition of the version; it never compares stories and never rewrites what was written.
"""

from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from bot.errors import ConflictError
from bot.storage import rows
from bot.storage import tables as t
from bot.storage.authors import AUTHOR_COLUMNS, stored_author
from bot.storage.session import Session
from bot.storage.titles import patterns
from bot.story.model import (
    Author,
    AuthorId,
    Change,
    EntryId,
    Passage,
    PassageId,
    Pointer,
    Step,
    Story,
    StoryId,
    StoryStatus,
    StorySummary,
)
from bot.story.ports import StoryRepository

_PROVENANCE_COLUMNS = [c for c in t.provenances.c if c.name != "story_id"]
_ENTRY_COLUMNS = [c for c in t.entries.c if c.name != "story_id"]
_DELETED = int(StoryStatus.DELETED)


class SqlStories(StoryRepository):
    """The stories of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def load(self, story_id: StoryId) -> Story | None:
        """Return a story whole, in eight queries; None where deleted or unknown."""
        of = t.stories.c
        row = await self._session.row(
            sa.select(
                of.place,
                of.guild_id,
                of.starter_id,
                of.created_at,
                of.updated_at,
                of.version,
                of.is_current,
                of.status,
                of.title_id,
                of.concept_id,
                of.active_branch_id,
            ).where(of.id == story_id, of.status != _DELETED)
        )
        if row is None:
            return None
        passages = await self._passages(story_id)
        texts, branches, authors, entries = [
            await self._session.rows(query)
            for query in (
                sa.select(t.texts.c.id, t.texts.c.body, t.texts.c.is_blanked)
                .where(t.texts.c.story_id == story_id)
                .order_by(t.texts.c.id),
                sa.select(t.branches.c.id, t.branches.c.name, t.branches.c.head_id)
                .where(t.branches.c.story_id == story_id)
                .order_by(t.branches.c.id),
                sa.select(*AUTHOR_COLUMNS)
                .join(t.story_authors, t.story_authors.c.author_id == t.authors.c.id)
                .where(t.story_authors.c.story_id == story_id)
                .order_by(t.authors.c.id),
                sa.select(*_ENTRY_COLUMNS)
                .where(t.entries.c.story_id == story_id)
                .order_by(t.entries.c.seq),
            )
        ]
        return Story(
            id=story_id,
            place=row.place,
            guild_id=row.guild_id,
            starter_id=row.starter_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
            version=row.version,
            is_current=row.is_current,
            status=StoryStatus(row.status),
            title_id=row.title_id,
            concept_id=row.concept_id,
            active_branch_id=row.active_branch_id,
            branches={found[0]: rows.branch_from(found) for found in branches},
            passages=passages,
            texts={found[0]: rows.text_from(found) for found in texts},
            authors={found[0]: rows.author_from(found) for found in authors},
            journal=tuple(rows.entry_from(found) for found in entries),
        )

    async def _passages(self, story_id: StoryId) -> dict[PassageId, Passage]:
        revision, passage = t.revisions.c, t.passages.c
        revisions = rows.revisions_from(
            await self._session.rows(
                sa.select(revision.passage_id, revision.text_id, revision.author_id, revision.at)
                .where(revision.story_id == story_id)
                .order_by(revision.passage_id, revision.number)
            )
        )
        provenances = dict(
            rows.provenance_from(found)
            for found in await self._session.rows(
                sa.select(*_PROVENANCE_COLUMNS).where(t.provenances.c.story_id == story_id)
            )
        )
        found_passages = await self._session.rows(
            sa.select(
                passage.id,
                passage.parent_id,
                passage.kind,
                passage.author_id,
                passage.at,
                passage.text_id,
            )
            .where(passage.story_id == story_id)
            .order_by(passage.id)
        )
        return {
            found[0]: rows.passage_from(found, revisions, provenances) for found in found_passages
        }

    async def current(self, place: str) -> Story | None:
        """Return the story that is open in a place."""
        story_id = await self.current_id(place)
        return None if story_id is None else await self.load(story_id)

    async def current_id(self, place: str) -> StoryId | None:
        """Return its id only (one indexed read)."""
        row = await self._session.row(
            sa.select(t.stories.c.id).where(t.stories.c.place == place, t.IS_CURRENT)
        )
        return None if row is None else int(row.id)

    async def story_of_passage(self, passage_id: PassageId) -> StoryId | None:
        """Return the story that a passage belongs to."""
        row = await self._session.row(
            sa.select(t.passages.c.story_id).where(t.passages.c.id == passage_id)
        )
        return None if row is None else int(row.story_id)

    async def add(self, step: Step) -> None:
        """Insert a new story; archives the place's current one in the same commit.

        Raises:
            ConflictError: its id, or a key of its journal, is there already.
        """
        story = step.story
        if story.is_current:
            await self._archive_current(story.place)
        await self._add_authors(step.authors)
        await self._session.insert(t.stories, [rows.story_row(story)])
        await self._write_news(step)

    async def save(self, step: Step, expected_version: int) -> None:
        """Write a step's news and moved pointers.

        Raises:
            ConflictError: the stored version is not ``expected_version``, or a key of the
                step's entries is there already.
            ValueError: the step's version is not higher.
        """
        story = step.story
        if story.version <= expected_version:
            msg = f"version {story.version} does not follow {expected_version}"
            raise ValueError(msg)
        changed = await self._session.changed(
            sa.update(t.stories)
            .where(t.stories.c.id == story.id, t.stories.c.version == expected_version)
            .values(rows.pointer_row(story))
        )
        if not changed:
            raise ConflictError
        await self._add_authors(step.authors)
        await self._write_news(step)
        await self._move_pointers(step)

    async def _add_authors(self, authors: Iterable[Author]) -> None:
        found = [rows.author_row(author) for author in authors]
        if found:
            upsert = sqlite.insert(t.authors)
            upsert = upsert.on_conflict_do_update(
                index_elements=["id"],
                set_={"name": upsert.excluded.name},
                # Whoever was forgotten stays so, whatever an old copy of the story says.
                where=t.authors.c.name != "",
            )
            await self._session.execute(upsert, found)

    async def _write_news(self, step: Step) -> None:
        """Insert what is new, parents before children."""
        story, session = step.story, self._session
        links = [{"story_id": story.id, "author_id": found} for found in _authors_of(step)]
        if links:
            insert = sqlite.insert(t.story_authors).on_conflict_do_nothing()
            await session.execute(insert, links)
        await session.insert(t.texts, [rows.text_row(story.id, text) for text in step.texts])
        passages = [story.passages[passage.id] for passage in step.passages]
        await session.insert(t.passages, [rows.passage_row(story.id, found) for found in passages])
        await session.insert(
            t.revisions,
            [
                rows.revision_row(
                    story.id, passage_id, number, story.passages[passage_id].revisions[number]
                )
                for passage_id, number in _new_revisions(step)
            ],
        )
        await session.insert(
            t.provenances,
            [
                rows.provenance_row(story.id, found.id, found.provenance)
                for found in passages
                if found.provenance is not None
            ],
        )
        branches = [rows.branch_row(story.id, story.branches[found.id]) for found in step.branches]
        if branches:
            upsert = sqlite.insert(t.branches)
            upsert = upsert.on_conflict_do_update(
                index_elements=["story_id", "id"],
                set_={"name": upsert.excluded.name, "head_id": upsert.excluded.head_id},
            )
            await session.execute(upsert, branches)
        await session.insert(t.entries, [rows.entry_row(story.id, found) for found in step.entries])

    async def _move_pointers(self, step: Step) -> None:
        """Write where the moved heads and revisions stand now, and the journal's flags."""
        story = step.story
        moved = list(_moved(step))
        heads = {change.key for change in moved if change.pointer is Pointer.HEAD}
        for branch_id in heads:
            await self._session.execute(
                sa.update(t.branches)
                .where(t.branches.c.story_id == story.id, t.branches.c.id == branch_id)
                .values(head_id=story.branches[branch_id].head_id)
            )
        edited = {change.key for change in moved if change.pointer is Pointer.REVISION}
        for passage_id in edited:
            await self._session.execute(
                sa.update(t.passages)
                .where(t.passages.c.id == passage_id)
                .values(text_id=story.passages[passage_id].text_id)
            )
        flags: tuple[tuple[Sequence[EntryId], dict[str, bool]], ...] = (
            (step.undone, {"is_undone": True}),
            (step.redone, {"is_undone": False}),
            (step.abandoned, {"is_abandoned": True}),
        )
        for entry_ids, values in flags:
            if entry_ids:
                await self._session.execute(
                    sa.update(t.entries).where(t.entries.c.id.in_(entry_ids)).values(values)
                )

    async def set_current(self, story_id: StoryId, place: str) -> None:
        """Open a story in its place and archive the one that was open."""
        await self._archive_current(place)
        await self._session.execute(
            sa.update(t.stories)
            .where(t.stories.c.id == story_id, t.stories.c.status != _DELETED)
            .values(place=place, is_current=True)
        )

    async def _archive_current(self, place: str) -> None:
        await self._session.execute(
            sa.update(t.stories)
            .where(t.stories.c.place == place, t.IS_CURRENT)
            .values(is_current=False)
        )

    async def summaries(
        self,
        place: str | None,
        *,
        guild_id: int | None = None,
        query: str = "",
        limit: int = 25,
        offset: int = 0,
    ) -> Sequence[StorySummary]:
        """Return stories of a place, of a guild or (neither given) all, newest first.

        Args:
            place: where they live; None for any place.
            guild_id: of which guild; None for any.
            query: every word of it begins a word of the title; case does not matter.
            limit: how many at most.
            offset: how many to leave out first.
        """
        of = t.stories.c
        statement = (
            sa.select(
                of.id,
                of.place,
                of.guild_id,
                of.title,
                of.status,
                of.is_current,
                of.passage_count,
                of.updated_at,
                t.authors.c.name,
                t.authors.c.user_id,
            )
            .join(t.authors, t.authors.c.id == of.starter_id)
            .where(of.status != _DELETED)
            .order_by(of.updated_at.desc(), of.id.desc())
            .limit(limit)
            .offset(offset)
        )
        if place is not None:
            statement = statement.where(of.place == place)
        if guild_id is not None:
            statement = statement.where(of.guild_id == guild_id)
        for pattern in patterns(query):
            statement = statement.where(of.title_key.like(pattern, escape="\\"))
        return [rows.summary_from(row) for row in await self._session.rows(statement)]

    async def blank(self, story_id: StoryId) -> None:
        """Delete a story's words wherever they stand, and cancel what was under way; the structure stays."""
        session = self._session
        for statement in (
            sa.update(t.texts)
            .where(t.texts.c.story_id == story_id)
            .values(body="", is_blanked=True),
            sa.update(t.provenances)
            .where(t.provenances.c.story_id == story_id)
            .values(token_ids=b""),
            sa.delete(t.inbox).where(t.inbox.c.story_id == story_id),
            sa.update(t.jobs)
            .where(t.jobs.c.story_id == story_id, t.IS_OPEN_JOB)
            .values(status="cancelled"),
            sa.update(t.stories)
            .where(t.stories.c.id == story_id)
            .values(
                status=_DELETED,
                is_current=False,
                title="",
                title_key="",
                version=t.stories.c.version + 1,
            ),
        ):
            await session.execute(statement)

    async def find_key(self, key: str) -> tuple[StoryId, EntryId] | None:
        """Return the entry that a redelivered interaction or message made before."""
        row = await self._session.row(
            sa.select(t.entries.c.story_id, t.entries.c.id).where(t.entries.c.key == key)
        )
        return None if row is None else (row[0], row[1])

    async def author(self, author: Author) -> Author:
        """Return the stored author, inserting ``author`` or updating its name."""
        return await stored_author(self._session, author)


def _authors_of(step: Step) -> set[AuthorId]:
    found = {author.id for author in step.authors}
    found.update(entry.author_id for entry in step.entries)
    found.update(passage.author_id for passage in step.passages)
    found.update(revision.author_id for _, revision in step.revisions)
    return found


def _new_revisions(step: Step) -> Iterator[tuple[PassageId, int]]:
    """Yield which revisions of which passages are new, as (passage, number)."""
    new = {passage.id for passage in step.passages}
    for passage_id in new:
        for number in range(len(step.story.passages[passage_id].revisions)):
            yield passage_id, number
    for passage_id, revision in step.revisions:
        if passage_id not in new:
            yield passage_id, step.story.passages[passage_id].revisions.index(revision)


def _moved(step: Step) -> Iterator[Change]:
    """Yield the moves of new, undone and redone entries; where they led stands in the story."""
    for entry in step.entries:
        yield from entry.changes
    touched = {*step.undone, *step.redone}
    for entry in reversed(step.story.journal):
        if not touched:
            return
        if entry.id in touched:
            touched.remove(entry.id)
            yield from entry.changes
