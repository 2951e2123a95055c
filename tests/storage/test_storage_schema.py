import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.errors import SchemaTooNewError, StorageError
from bot.storage import SqlStore, schema, upgrade
from bot.storage.engines import prepare_file
from bot.storage.tables import metadata

FIRST_ROWS = (
    "INSERT INTO authors VALUES (2, 'model', '', NULL, 'gpt2')",
    (
        "INSERT INTO stories (id, place, starter_id, created_at, updated_at, version, is_current, status,"
        " active_branch_id, title, title_key, passage_count)"
        " VALUES (1, 'terminal:a', 2, 0, 0, 1, 1, 0, 5, '', '', 1)"
    ),
    "INSERT INTO story_authors VALUES (1, 2)",
    "INSERT INTO texts VALUES (3, 1, 'Once.', 0)",
    "INSERT INTO passages VALUES (4, 1, NULL, 'model', 2, 0, 3)",
    "INSERT INTO revisions VALUES (1, 4, 0, 3, 2, 0)",
    "INSERT INTO branches VALUES (1, 5, 'main', 4)",
    (
        "INSERT INTO provenances VALUES (4, 1, 'gpt2', 'r', '1', 'fp32', 7, '{}', 'monitor', 1, 1, 0,"
        " 0.5, '', x'')"
    ),
)


@pytest.fixture
async def migrated(url: str, path: Path) -> sa.Engine:
    assert await upgrade(url) == (None, schema.HEAD)
    return sa.create_engine(f"sqlite:///{path}")


@pytest.fixture
def connection(migrated: sa.Engine) -> Iterator[sa.Connection]:
    with migrated.connect() as opened:
        yield opened
    migrated.dispose()


def test_the_migrations_build_the_tables_of_today(connection: sa.Connection) -> None:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    assert compare_metadata(context, metadata) == []


def test_migrated_and_fresh_tables_have_the_same_sql(connection: sa.Connection) -> None:
    def statements(source: sa.Connection) -> dict[str, list[str]]:
        rows = source.exec_driver_sql(
            "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        )
        # The order of a table's foreign keys means nothing.
        return {
            name: sorted(re.sub(r"[()]", ",", "".join(sql.split())).split(","))
            for name, sql in rows
        }

    fresh = sa.create_engine("sqlite://")
    with fresh.connect() as other:
        metadata.create_all(other)
        assert statements(connection) == statements(other)
    fresh.dispose()


def test_every_table_is_strict(connection: sa.Connection) -> None:
    rows = connection.exec_driver_sql("PRAGMA table_list").all()
    loose = {row.name for row in rows if not row.strict and not row.name.startswith("sqlite_")}
    assert loose == {"alembic_version"}


def test_the_known_revisions_are_those_of_the_folder() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == schema.REVISIONS


async def test_an_upgrade_of_the_newest_changes_nothing(url: str) -> None:
    await upgrade(url)
    assert await upgrade(url) == (schema.HEAD, schema.HEAD)


async def test_a_database_from_the_future_is_refused_and_left_alone(url: str, path: Path) -> None:
    await upgrade(url)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for attempt in (SqlStore.open(url), SqlStore.open(url, is_read_only=True), upgrade(url)):
        with pytest.raises(SchemaTooNewError) as caught:
            await attempt
        assert caught.value.data["found"] == "9999"


async def test_another_programs_database_is_refused(url: str, path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StorageError, match="not a database of Roundtale"):
        await SqlStore.open(url)


async def test_a_failed_migration_leaves_nothing(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = schema._run_migrations

    def fail(connection: sa.Connection) -> None:
        run(connection)
        raise StorageError(reason="stopped")

    monkeypatch.setattr(schema, "_run_migrations", fail)
    with pytest.raises(StorageError, match="stopped"):
        await upgrade(url)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


async def test_a_migration_that_breaks_references_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    real = command.upgrade

    def upgrade_badly(config: Config, revision: str) -> None:
        real(config, revision)
        config.attributes["connection"].exec_driver_sql(
            "INSERT INTO story_authors (story_id, author_id) VALUES (1, 1)"
        )

    monkeypatch.setattr(command, "upgrade", upgrade_badly)
    with pytest.raises(StorageError, match="does not fit"):
        await upgrade(url)


async def test_an_old_schema_is_upgraded_only_when_allowed(url: str, path: Path) -> None:
    prepare_file(path)
    for attempt in (
        SqlStore.open(url, should_migrate=False),
        SqlStore.open(url, is_read_only=True),
    ):
        with pytest.raises(StorageError, match="db upgrade"):
            await attempt
    async with await SqlStore.open(url):
        pass
    async with await SqlStore.open(url, should_migrate=False):
        pass


async def test_the_first_schema_is_upgraded_with_what_stands_in_it(url: str, path: Path) -> None:
    prepare_file(path)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    assert await upgrade(url) == ("0001", schema.HEAD)
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT model, form FROM provenances").fetchall() == [("gpt2", "")]
    async with await SqlStore.open(url) as store, store.read() as unit:
        story = await unit.stories.load(1)
    assert story is not None
    passage = story.passages[4]
    assert passage.provenance is not None
    assert (passage.provenance.form, passage.provenance.model) == ("", "gpt2")
