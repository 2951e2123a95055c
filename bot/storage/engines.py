"""Connections to the database file, and how each of them is set up.

Invariant: a connection that writes begins with BEGIN IMMEDIATE, so that it waits for
the lock before it has read anything; a connection that reads sees one snapshot
(https://www.sqlite.org/isolation.html) and can write nothing.

``synchronous=FULL`` is deliberate: in WAL mode NORMAL survives a killed process but
can lose the last commits when the power fails, and a member's words count as kept
once they were acknowledged. It costs one fsync a commit (see docs/storage.md).
Memory-mapped reading is off: an I/O error in a mapped page kills the process.
"""

import os
import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.errors import StorageError
from bot.storage import failures
from bot.storage.driver import connect

_OLDEST_SQLITE = (3, 37)  # STRICT tables
READERS = 4


class Access(StrEnum):
    """What a connection is for."""

    WRITE = "write"
    MIGRATE = "migrate"  # as WRITE, but without foreign keys: a table may be rebuilt
    READ = "read"  # beside a writer
    READ_FILE = "read-file"  # the file is opened read-only and never created


def database_path(url: str) -> Path:
    """Return the file that a database URL names.

    Raises:
        StorageError: the URL is not one, or names no file of SQLite.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StorageError(reason=failures.BAD_URL) from error
    if parsed.get_backend_name() != "sqlite":
        raise StorageError(reason=failures.NOT_SQLITE)
    name = parsed.database or ""
    if name in ("", ":memory:") or name.startswith("file:"):
        raise StorageError(reason=failures.IN_MEMORY)
    return Path(name).expanduser()


def prepare_file(path: Path) -> None:
    """Create the folder and an empty file that only their owner can read.

    Raises:
        StorageError: SQLite is too old, or the folder cannot be made.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageError(reason=failures.OLD_SQLITE)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError as error:
        reason = failures.FULL if error.errno == 28 else failures.CANNOT_OPEN  # noqa: PLR2004 -- ENOSPC
        raise StorageError(reason=reason) from error


def file_uri(path: Path, mode: str) -> str:
    """Return a file as SQLite's URI, with ``mode`` "ro" or "rw"."""
    return f"file:{quote(str(path.resolve()))}?mode={mode}"


def create_engine(path: Path, access: Access, *, busy_timeout_s: float) -> AsyncEngine:
    """Return an engine for one kind of access; nothing is opened yet."""
    mode = "ro" if access is Access.READ_FILE else "rw"
    reads = access in (Access.READ, Access.READ_FILE)
    uri = file_uri(path, mode)

    async def open_connection() -> aiosqlite.Connection:
        return await connect(uri, timeout_s=busy_timeout_s)

    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=str(path)),
        async_creator=open_connection,
        pool_size=READERS if reads else 1,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
    )
    pragmas = _pragmas(access)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        finally:
            cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _pragmas(access: Access) -> list[str]:
    common = ["cache_size = -16000", "temp_store = MEMORY", "trusted_schema = OFF"]
    if access in (Access.READ, Access.READ_FILE):
        return [*common, "query_only = ON"]
    return [
        *common,
        "journal_mode = WAL",
        "synchronous = FULL",
        # What was forgotten is overwritten, not only unlinked.
        "secure_delete = ON",
        "journal_size_limit = 67108864",
        f"foreign_keys = {'OFF' if access is Access.MIGRATE else 'ON'}",
    ]
