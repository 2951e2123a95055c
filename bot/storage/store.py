"""The store: opens the database, gives out units of work, closes everything.

Invariants:
    - One unit writes at a time in this process (a lock), and in all processes (BEGIN
      IMMEDIATE); both waits have a limit.
    - A unit rolls back unless ``commit`` was called; a cancelled task leaves no lock,
      no transaction and no connection behind.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import StorageError
from bot.storage import failures, schema
from bot.storage.engines import Access, create_engine, database_path, prepare_file
from bot.storage.failures import translated
from bot.storage.jobs import SqlJobs
from bot.storage.messages import SqlInbox, SqlOutbox
from bot.storage.session import Session, uninterrupted
from bot.storage.settings import SqlDrafts, SqlSettings
from bot.storage.stories import SqlStories
from bot.story.ports import (
    DraftRepository,
    InboxRepository,
    JobRepository,
    OutboxRepository,
    SettingsRepository,
    Store,
    StoryRepository,
    UnitOfWork,
)

BUSY_TIMEOUT_S = 10.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlUnitOfWork(UnitOfWork):
    """The repositories over one transaction."""

    def __init__(self, session: Session, *, is_writable: bool) -> None:
        self._session = session
        self._is_writable = is_writable
        self.stories: StoryRepository = SqlStories(session)
        self.jobs: JobRepository = SqlJobs(session)
        self.inbox: InboxRepository = SqlInbox(session)
        self.outbox: OutboxRepository = SqlOutbox(session)
        self.drafts: DraftRepository = SqlDrafts(session)
        self.settings: SettingsRepository = SqlSettings(session)

    async def commit(self) -> None:
        """Make it durable; once this returns, it survives a kill and a power failure.

        Raises:
            RuntimeError: the unit was opened for reading.
        """
        if not self._is_writable:
            msg = "a unit of work for reading has nothing to commit"
            raise RuntimeError(msg)
        await self._session.commit()


class SqlStore(Store):
    """A SQLite file: one connection that writes, a pool of readers beside it.

    Use ``SqlStore.open``; the store is an async context manager that closes itself.
    """

    def __init__(
        self,
        path: Path,
        *,
        is_read_only: bool,
        busy_timeout_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self.path = path
        self.is_read_only = is_read_only
        self._busy_timeout_s = busy_timeout_s
        self._now = now
        self._lock = asyncio.Lock()
        self._writer = create_engine(path, Access.WRITE, busy_timeout_s=busy_timeout_s)
        self._readers = create_engine(
            path,
            Access.READ_FILE if is_read_only else Access.READ,
            busy_timeout_s=busy_timeout_s,
        )

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        is_read_only: bool = False,
        should_migrate: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        now: Callable[[], datetime] = _utc_now,
    ) -> Self:
        """Open a database, creating and migrating it as needed.

        Args:
            url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
            is_read_only: the file is never created, migrated or written.
            should_migrate: bring an older schema to the newest; else refuse it.
            busy_timeout_s: how long to wait for another writer.
            now: the wall clock, which leases are compared with.

        Raises:
            SchemaTooNewError: a newer Roundtale wrote it.
            StorageError: it is absent (when read-only), damaged, locked, not to be written …
        """
        path = database_path(url)
        if is_read_only:
            if not path.is_file():
                raise StorageError(reason=failures.ABSENT)
        else:
            await asyncio.to_thread(prepare_file, path)
        store = cls(path, is_read_only=is_read_only, busy_timeout_s=busy_timeout_s, now=now)
        try:
            await store._prepare(should_migrate=should_migrate and not is_read_only)
        except BaseException:
            await store.aclose()
            raise
        return store

    async def _prepare(self, *, should_migrate: bool) -> None:
        engine = self._readers if self.is_read_only else self._writer
        with translated():
            async with engine.connect() as connection:
                found = await connection.run_sync(schema.found_revision)
                if not self.is_read_only:
                    mode = await connection.scalar(sa.text("PRAGMA journal_mode"))
                    if mode != "wal":
                        raise StorageError(reason=failures.NO_WAL)
        if found == schema.HEAD:
            return
        if not should_migrate:
            raise StorageError(reason=failures.OUTDATED)
        await schema.migrate(self.path, busy_timeout_s=self._busy_timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; SQLite folds its log into the file with the last one."""
        await uninterrupted(self._readers.dispose())
        await uninterrupted(self._writer.dispose())

    def read(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a unit for reading: one snapshot, beside the writer."""
        return self._unit(self._readers, is_writable=False)

    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open the unit for writing; it holds the lock from its beginning.

        Raises:
            StorageError: another writer held it for too long, or the store is read-only.
        """
        return self._locked_unit()

    @asynccontextmanager
    async def _locked_unit(self) -> AsyncIterator[UnitOfWork]:
        if self.is_read_only:
            raise StorageError(reason=failures.READ_ONLY)
        try:
            async with asyncio.timeout(self._busy_timeout_s):
                await self._lock.acquire()
        except TimeoutError as error:
            raise StorageError(reason=failures.LOCKED) from error
        try:
            async with self._unit(self._writer, is_writable=True) as unit:
                yield unit
        finally:
            self._lock.release()

    @asynccontextmanager
    async def _unit(self, engine: AsyncEngine, *, is_writable: bool) -> AsyncIterator[UnitOfWork]:
        connection = engine.connect()
        try:
            with translated():
                await uninterrupted(_start(connection, is_writable=is_writable))
            yield SqlUnitOfWork(Session(connection, self._now), is_writable=is_writable)
        finally:
            with translated():
                await uninterrupted(_close(connection))


async def _start(connection: AsyncConnection, *, is_writable: bool) -> None:
    await connection.start()
    if is_writable:
        await connection.begin()


async def _close(connection: AsyncConnection) -> None:
    """Roll back what was not committed and give the connection back to its pool."""
    if connection.sync_connection is not None:
        await connection.close()
