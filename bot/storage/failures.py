"""What can go wrong with a database, as the project's own errors.

Invariant: no exception of SQLAlchemy or of a driver leaves ``bot.storage``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from bot.errors import ConflictError, RoundtaleError, StorageError
from bot.locales import N_

LOCKED = N_("another program is writing to it. Stop that program, or try again in a moment.")
FULL = N_("the disk is full. Free some space; nothing that was committed is lost.")
CORRUPT = N_("it is damaged. Restore a backup, or ask `roundtale db check` what is wrong.")
NOT_A_DATABASE = N_("the file is not a database of Roundtale.")
READ_ONLY = N_("it cannot be written to. Check the rights of the file and its folder.")
CANNOT_OPEN = N_("it cannot be opened. Check the path and the rights of its folder.")
BROKEN_DISK = N_("the disk or file system reports an error.")
INCONSISTENT = N_("what was to be written does not fit what is stored.")
UNEXPECTED = N_("an unexpected error; the log has the details.")
ABSENT = N_("there is none yet. `roundtale db upgrade` or the first start creates it.")
OUTDATED = N_("its schema is older than this version. Run `roundtale db upgrade`.")
NO_WAL = N_("its file system cannot share memory, as network drives cannot. Use a local disk.")
BAD_URL = N_("its URL must look like sqlite:////var/lib/roundtale/roundtale.sqlite.")
NOT_SQLITE = N_("only SQLite URLs are supported (sqlite:///…).")
IN_MEMORY = N_("it must be a file; a database in memory would lose every story.")
OLD_SQLITE = N_("it needs SQLite 3.37 or newer; this Python has an older one.")
BROKEN_TEXT = N_("it contains half a character (a lone surrogate).")

# Primary result codes: https://www.sqlite.org/rescode.html
_REASONS = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: CORRUPT,
    sqlite3.SQLITE_NOTADB: NOT_A_DATABASE,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: CANNOT_OPEN,
    sqlite3.SQLITE_IOERR: BROKEN_DISK,
    sqlite3.SQLITE_CONSTRAINT: INCONSISTENT,
}
_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def from_sqlite(error: sqlite3.Error) -> RoundtaleError:
    """Return the project's error for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _TAKEN:
        return ConflictError()
    return StorageError(reason=_REASONS.get(code & 0xFF, UNEXPECTED))


def from_sqlalchemy(error: sa.exc.SQLAlchemyError) -> RoundtaleError:
    """Return the project's error for one of SQLAlchemy's."""
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return from_sqlite(error.orig)
    if isinstance(error, sa.exc.TimeoutError):  # every reader of the pool is taken
        return StorageError(reason=LOCKED)
    return StorageError(reason=UNEXPECTED)


@contextmanager
def translated() -> Iterator[None]:
    """Let the project's errors out of a block instead of the database's."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise from_sqlalchemy(error) from error
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
