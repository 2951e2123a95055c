import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import ConflictError, RoundtaleError, StorageError
from bot.storage import SqlStore, check
from bot.storage.engines import READERS, database_path
from bot.storage.failures import from_sqlalchemy, from_sqlite
from bot.storage.session import uninterrupted
from tests.storage.storage_world import World, added, grow, loaded, saved


@pytest.fixture
def other_writer(store: SqlStore) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("not a url", "must look like"),
        ("postgresql+asyncpg://user:secret@host/db", "only SQLite"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "must be a file"),
    ],
)
async def test_an_unusable_url_is_told_so(url: str, reason: str) -> None:
    with pytest.raises(StorageError, match=reason) as caught:
        await SqlStore.open(url)
    assert "secret" not in str(caught.value)


def test_both_spellings_of_a_url_name_the_file() -> None:
    assert database_path("sqlite:////a/b.db") == Path("/a/b.db")
    assert database_path("sqlite+aiosqlite:///b.db") == Path("b.db")
    assert database_path("sqlite:///~/b.db") == Path.home() / "b.db"


async def test_a_path_with_odd_characters_works(tmp_path: Path, world: World) -> None:
    path = tmp_path / "a %20 b#?ü" / "s%.db"
    async with await SqlStore.open(
        sa.URL.create("sqlite", database=str(path)).render_as_string()
    ) as store:
        story = await added(store, world.start())
        assert await loaded(store, story.id) == story
    assert path.stat().st_size


async def test_the_folder_is_made_and_only_the_owner_reads_the_file(store: SqlStore) -> None:
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


async def test_what_was_written_is_there_after_a_restart(
    store: SqlStore, world: World, url: str
) -> None:
    story = await grow(store, await added(store, world.start()), world.add, world.answer)
    await store.aclose()
    async with await SqlStore.open(url) as again:
        assert await loaded(again, story.id) == story


async def test_a_commit_in_a_unit_for_reading_is_an_error(store: SqlStore) -> None:
    async with store.read() as unit:
        with pytest.raises(RuntimeError):
            await unit.commit()


async def test_a_unit_for_reading_cannot_write(store: SqlStore, world: World) -> None:
    async with store.read() as unit:
        with pytest.raises(StorageError, match="cannot be written"):
            await unit.stories.add(world.start())


async def test_a_read_only_store_reads_beside_a_writer_and_writes_nothing(
    store: SqlStore, world: World, url: str
) -> None:
    story = await added(store, world.start())
    async with await SqlStore.open(url, is_read_only=True) as reader:
        assert await loaded(reader, story.id) == story
        with pytest.raises(StorageError, match="cannot be written"):
            async with reader.write():
                pass


async def test_an_absent_database_is_not_made_when_read_only(url: str, path: Path) -> None:
    with pytest.raises(StorageError, match="there is none yet"):
        await SqlStore.open(url, is_read_only=True)
    assert not path.parent.exists()


@pytest.mark.parametrize("is_read_only", [False, True])
async def test_a_file_that_is_no_database_is_told_so(tmp_path: Path, is_read_only: bool) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"These are only words, and many of them. " * 100)
    with pytest.raises(StorageError, match="not a database"):
        await SqlStore.open(f"sqlite:///{path}", is_read_only=is_read_only)
    assert path.read_bytes().startswith(b"These")


async def test_a_folder_that_cannot_be_made_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be opened"):
        await SqlStore.open(f"sqlite:///{tmp_path}/file/x.db")


async def test_a_folder_in_the_files_place_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        await SqlStore.open(f"sqlite:///{tmp_path}")


async def test_a_full_disk_when_the_file_is_made_is_told_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", no_space)
    with pytest.raises(StorageError, match="disk is full"):
        await SqlStore.open(url)


async def test_an_old_sqlite_is_told_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StorageError, match=r"SQLite 3\.37"):
        await SqlStore.open(url)


async def test_a_disk_that_fills_up_loses_the_step_and_nothing_else(
    store: SqlStore, world: World
) -> None:
    story = await added(store, world.start())
    async with store._writer.connect() as connection:
        pages = await connection.scalar(sa.text("PRAGMA page_count"))
        await connection.execute(sa.text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StorageError, match="disk is full"):
        await saved(store, story, world.add(story, "word " * 50_000))
    assert await loaded(store, story.id) == story
    async with store._writer.connect() as connection:
        await connection.execute(sa.text("PRAGMA max_page_count = 1000000"))
    await saved(store, story, world.add(story, "word " * 50_000))


async def test_a_damaged_file_is_told_so(store: SqlStore, world: World, url: str) -> None:
    story = await added(store, world.start())
    await grow(store, story, *[world.add] * 40)
    await store.aclose()
    with store.path.open("r+b") as file:
        for page in range(1, store.path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    with pytest.raises(StorageError, match="damaged"):
        async with await SqlStore.open(url) as again:
            await loaded(again, story.id)


async def test_a_locked_database_is_told_so(
    url: str, store: SqlStore, world: World, other_writer: sqlite3.Connection
) -> None:
    async with await SqlStore.open(url, busy_timeout_s=0.05) as impatient:
        other_writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another program"):
            await added(impatient, world.start())
        other_writer.execute("COMMIT")
        await added(impatient, world.start())


async def test_a_writer_that_never_ends_is_told_so_to_the_next(url: str, store: SqlStore) -> None:
    async with await SqlStore.open(url, busy_timeout_s=0.05) as impatient, impatient.write():
        with pytest.raises(StorageError, match="another program"):
            async with impatient.write():
                pass


async def test_too_many_readers_are_told_so(url: str, store: SqlStore) -> None:
    async with await SqlStore.open(url, busy_timeout_s=0.05) as impatient:
        units = [impatient.read() for _ in range(READERS)]
        for unit in units:
            await unit.__aenter__()
        with pytest.raises(StorageError):
            async with impatient.read():
                pass
        for unit in units:
            await unit.__aexit__(None, None, None)


async def test_a_reader_sees_one_snapshot_while_others_write(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    async with store.read() as reader:
        assert await reader.stories.load(story.id) == story
        newer = await saved(store, story, world.add(story))
        assert await reader.stories.load(story.id) == story
    assert await loaded(store, story.id) == newer


async def test_two_stores_on_one_file_conflict_by_version(
    store: SqlStore, world: World, url: str
) -> None:
    story = await added(store, world.start())
    async with await SqlStore.open(url) as other:
        results = await asyncio.gather(
            saved(store, story, world.add(story, "Mine.")),
            saved(other, story, world.add(story, "Theirs.")),
            return_exceptions=True,
        )
    assert sorted(type(result).__name__ for result in results) == ["ConflictError", "Story"]
    winner = next(result for result in results if not isinstance(result, BaseException))
    assert await loaded(store, story.id) == winner


async def test_many_writers_queue_up_and_all_are_kept(store: SqlStore, world: World) -> None:
    stories = [await added(store, world.start(f"p{n}")) for n in range(8)]

    async def write(place: str) -> None:
        for _ in range(5):
            async with store.write() as unit:
                story = await unit.stories.current(place)
                assert story is not None
                await unit.stories.save(world.add(story), story.version)
                await unit.commit()

    await asyncio.gather(*(write(story.place) for story in stories))
    for story in stories:
        found = await loaded(store, story.id)
        assert found is not None
        assert len(found.passages) == 5


async def test_a_failure_in_a_unit_rolls_back_and_frees_the_writer(
    store: SqlStore, world: World
) -> None:
    step = world.start()

    async def fail() -> None:
        async with store.write() as unit:
            await unit.stories.add(step)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await loaded(store, step.story.id) is None
    await added(store, step)


async def test_a_task_cancelled_within_a_unit_leaves_no_lock_behind(
    store: SqlStore, world: World
) -> None:
    step = world.start()
    is_inside = asyncio.Event()

    async def hang() -> None:
        async with store.write() as unit:
            await unit.stories.add(step)
            is_inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await is_inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await loaded(store, step.story.id) is None
    await added(store, step)


async def test_a_task_cancelled_at_any_point_leaves_all_or_nothing_and_no_lock(
    store: SqlStore, world: World, url: str
) -> None:
    async with await SqlStore.open(url, busy_timeout_s=0.5) as impatient:
        for turns in range(0, 280, 4):
            step = world.start(f"p{turns}")
            task = asyncio.create_task(added(impatient, step))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            found = await loaded(impatient, step.story.id)
            assert found in (None, step.story)
            if found is None:
                await added(store, step)
    assert (await check(url)).is_ok


async def test_a_failure_while_a_task_is_cancelled_is_told_as_the_cancellation() -> None:
    may_go_on = asyncio.Event()

    async def fail() -> None:
        await may_go_on.wait()
        raise ZeroDivisionError

    task = asyncio.create_task(uninterrupted(fail()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_file_system_without_shared_memory_is_told_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AsyncConnection.scalar

    async def scalar(self: AsyncConnection, statement: sa.TextClause) -> object:
        return "delete" if "journal_mode" in str(statement) else await real(self, statement)

    monkeypatch.setattr(AsyncConnection, "scalar", scalar)
    with pytest.raises(StorageError, match="network drives"):
        await SqlStore.open(url)


def test_other_failures_of_the_database_keep_their_cause_to_the_log() -> None:
    assert "unexpected" in str(from_sqlalchemy(sa.exc.InvalidRequestError()))
    assert "unexpected" in str(from_sqlite(sqlite3.InterfaceError()))
    taken: RoundtaleError
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a NOT NULL)")
        connection.execute("INSERT INTO t VALUES (1, 1)")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute("INSERT INTO t VALUES (1, 1)")
        taken = from_sqlite(caught.value)
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute("INSERT INTO t VALUES (2, NULL)")
        assert "does not fit" in str(from_sqlite(caught.value))
    assert isinstance(taken, ConflictError)
