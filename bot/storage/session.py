"""One transaction as the repositories see it.

Invariants:
    - Whatever fails here leaves as a ``RoundtaleError``.
    - A task may be cancelled between two statements, never within one: a driver that
      was interrupted leaves its connection behind, open and holding the lock.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import InvalidInputError
from bot.storage.failures import BROKEN_TEXT, translated

AnyRow = sa.Row[*tuple[Any, ...]]
_Result = TypeVar("_Result")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


async def uninterrupted(operation: Coroutine[Any, Any, _Result]) -> _Result:
    """Run an operation to its end even when the task is cancelled meanwhile.

    Raises:
        CancelledError: the task was cancelled; the operation is over by now.
    """
    task = asyncio.ensure_future(operation)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        if not task.cancelled():
            task.exception()  # seen: the cancellation is what is told
        raise cancellation
    return task.result()


class Session:
    """Run statements within one transaction.

    Args:
        connection: it begins its transaction with the first statement.
        now: the wall clock, for leases.
    """

    __slots__ = ("_connection", "now")

    def __init__(self, connection: AsyncConnection, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self.now = now

    async def execute(
        self, statement: sa.Executable, parameters: Parameters | None = None
    ) -> sa.CursorResult[*tuple[Any, ...]]:
        """Run one statement, or the same for many parameters; none for an empty list."""
        try:
            with translated():
                return await uninterrupted(self._connection.execute(statement, parameters))
        except UnicodeEncodeError as error:
            raise InvalidInputError(reason=BROKEN_TEXT) from error

    async def insert(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, if there are any."""
        if rows:
            await self.execute(sa.insert(table), rows)

    async def rows(self, statement: sa.Executable) -> Sequence[AnyRow]:
        """Return all rows of a query."""
        return (await self.execute(statement)).all()

    async def row(self, statement: sa.Executable) -> AnyRow | None:
        """Return the first row of a query."""
        return (await self.execute(statement)).first()

    async def changed(self, statement: sa.Executable) -> int:
        """Run an UPDATE or DELETE and return how many rows it met."""
        return (await self.execute(statement)).rowcount

    async def commit(self) -> None:
        """Make everything since the beginning durable."""
        with translated():
            await uninterrupted(self._connection.commit())
