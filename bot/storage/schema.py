"""Which schema a database has, and the way to the newest.

Invariant: ``REVISIONS`` names every migration in order (a test compares it with the
folder), so that a start with a database at its head imports no Alembic.
"""

from pathlib import Path

import sqlalchemy as sa

from bot.errors import SchemaTooNewError, StorageError
from bot.storage import failures
from bot.storage.engines import Access, create_engine
from bot.storage.failures import translated

REVISIONS = ("0001", "0002")
HEAD = REVISIONS[-1]
MIGRATIONS = Path(__file__).parent / "migrations"


def found_revision(connection: sa.Connection) -> str | None:
    """Return a database's schema; None where it is empty.

    Raises:
        SchemaTooNewError: a newer Roundtale wrote it.
        StorageError: it is another program's.
    """
    names = set(
        connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars()
    )
    if "alembic_version" not in names:
        if names:
            raise StorageError(reason=failures.NOT_A_DATABASE)
        return None
    found: str | None = connection.exec_driver_sql(
        "SELECT version_num FROM alembic_version"
    ).scalar()
    if found is not None and found not in REVISIONS:
        raise SchemaTooNewError(found=found)
    return found


async def migrate(path: Path, *, busy_timeout_s: float) -> tuple[str | None, str]:
    """Bring a database to the newest schema, all of it or nothing.

    Returns:
        The schema before and after.
    """
    engine = create_engine(path, Access.MIGRATE, busy_timeout_s=busy_timeout_s)
    try:
        with translated():
            async with engine.begin() as connection:
                before = await connection.run_sync(found_revision)
                if before != HEAD:
                    await connection.run_sync(_run_migrations)
        return before, HEAD
    finally:
        await engine.dispose()


def _run_migrations(connection: sa.Connection) -> None:
    # Imported where it is needed: most starts find the database at its head.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise StorageError(reason=failures.INCONSISTENT)
