"""A connection of aiosqlite that needs one visit to its thread for each statement.

aiosqlite and SQLAlchemy make four visits (open a cursor, execute, fetch, close), each a
switch of threads. While a model writes on every core, a switch waits for the scheduler;
loading a story has some forty of them, and this leaves ten.

Invariant: a statement's rows are complete when ``execute`` returns; nothing of
SQLite's stays open between two visits.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Self

import aiosqlite


class OneTripCursor:
    """What SQLAlchemy asks of a cursor, filled in one visit.

    Args:
        connection: whose thread executes.
    """

    arraysize = 1

    def __init__(self, connection: "OneTripConnection") -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: tuple[Any, ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        """Run a statement and fetch all its rows."""
        await self._connection.visit(lambda raw: self._take(raw.execute(sql, tuple(parameters))))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Run a statement once for each set of parameters."""
        await self._connection.visit(lambda raw: self._take(raw.executemany(sql, parameters)))
        return self

    def _take(self, cursor: sqlite3.Cursor) -> None:
        """Keep everything of a cursor and close it; called in the connection's thread."""
        try:
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else ()
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows that ``execute`` fetched."""
        return self._rows

    async def close(self) -> None:
        """Let go of the rows."""
        self._rows = ()


class OneTripConnection(aiosqlite.Connection):
    """aiosqlite's connection with such cursors."""

    def cursor(self) -> OneTripCursor:  # type: ignore[override] # SQLAlchemy uses what is here
        """Return a cursor, without a visit."""
        return OneTripCursor(self)

    async def visit(self, act: Any) -> None:
        """Run ``act`` with SQLite's own connection, in its thread."""
        await self._execute(lambda: act(self._conn))  # type: ignore[no-untyped-call] # aiosqlite's


def connect(uri: str, *, timeout_s: float) -> OneTripConnection:
    """Return a connection that is opened when it is awaited.

    Args:
        uri: SQLite's URI of a file.
        timeout_s: how long a statement waits for another writer.
    """
    connection = OneTripConnection(
        lambda: sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None),
        iter_chunk_size=64,
    )
    # As SQLAlchemy does: a process that ends without closing must not hang on the thread.
    connection._thread.daemon = True  # noqa: SLF001 -- aiosqlite has no other way
    return connection
