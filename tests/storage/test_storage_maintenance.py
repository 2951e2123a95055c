import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.storage import SqlStore, backup, check, schema, upgrade
from bot.story import actions
from bot.story.model import Concept, Story
from tests.storage.storage_world import World, added, grow, loaded, saved


async def _story(store: SqlStore, world: World) -> Story:
    story = await added(store, world.start())
    story = await grow(store, story, world.add, world.answer)
    first = min(story.passages)
    return await grow(
        store,
        story,
        lambda s: actions.edit(s, world.stamp(), first, "Newer."),
        lambda s: actions.rename(s, world.stamp(), "Another"),
        lambda s: actions.set_concept(s, world.stamp(), Concept(title="Third")),
        lambda s: actions.create_branch(s, world.stamp(), "side"),
        lambda s: actions.undo(s, world.stamp(), 3),
    )


def _run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def test_a_sound_database_has_no_problems(store: SqlStore, world: World, url: str) -> None:
    await _story(store, world)
    report = await check(url)
    assert report.problems == ()
    assert report.is_ok
    assert (report.stories, report.passages, report.schema) == (1, 2, schema.HEAD)
    assert report.size_bytes > 0


async def test_an_absent_database_is_told_so(url: str, tmp_path: Path) -> None:
    for attempt in (check(url), backup(url, tmp_path / "copy.db")):
        with pytest.raises(StorageError, match="there is none yet"):
            await attempt
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 -- nothing else runs on this loop


async def test_an_empty_database_is_to_be_upgraded(url: str, path: Path) -> None:
    path.parent.mkdir()
    _run(path, "VACUUM")
    report = await check(url)
    assert (report.schema, report.is_ok, report.problems) == (None, False, ())
    await upgrade(url)
    assert (await check(url)).is_ok


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE stories SET active_branch_id = 1", "1 stories have an active branch"),
        ("UPDATE branches SET story_id = 2 WHERE name = 'main'", "head in another story"),
        ("UPDATE passages SET story_id = 2 WHERE parent_id IS NULL", "parent in another story"),
        ("UPDATE passages SET text_id = (SELECT min(id) FROM texts)", "none of theirs"),
        ("UPDATE stories SET concept_id = 1", "1 stories have a title or concept"),
        ("UPDATE stories SET title = 'x' WHERE title <> ''", "title that is not theirs"),
        (
            "INSERT INTO texts SELECT 5, id, 'x', 0 FROM stories LIMIT 1",
            "1 texts belong to nothing",
        ),
        ("UPDATE texts SET is_blanked = 1", "blanked texts still have words"),
        ("UPDATE stories SET status = 2", "deleted stories still have words"),
        ("UPDATE entries SET seq = seq + 1000 WHERE kind = 'rename'", "1 journals have a gap"),
        ("UPDATE texts SET story_id = 12345", "rows refer to rows that are missing"),
    ],
)
async def test_a_broken_invariant_is_found(
    store: SqlStore, world: World, url: str, statement: str, message: str
) -> None:
    await _story(store, world)
    _run(
        store.path,
        "INSERT INTO stories SELECT 2, 'elsewhere', NULL, starter_id, 0, 0, 1, 0, 0, NULL, NULL,"
        " active_branch_id, '', '', 0 FROM stories",
    )
    _run(store.path, "DELETE FROM stories WHERE id = 2") if "= 2" not in statement else None
    _run(store.path, statement)
    report = await check(url)
    assert not report.is_ok
    assert message in " / ".join(map(str, report.problems))


async def test_two_open_stories_in_one_place_are_found(
    store: SqlStore, world: World, url: str
) -> None:
    await added(store, world.start())
    await added(store, world.start())
    _run(store.path, "DROP INDEX uq_stories_current_place", "UPDATE stories SET is_current = 1")
    (problem,) = (await check(url)).problems
    assert str(problem) == "1 places have more than one open story."


async def test_a_damaged_file_is_reported(store: SqlStore, world: World, url: str) -> None:
    await grow(store, await added(store, world.start()), *[world.add] * 30)
    await store.aclose()
    with store.path.open("r+b") as file:
        file.seek(4096 * 6)
        file.write(b"\xff" * 4096 * 4)
    report = await check(url)
    assert not report.is_ok
    assert "The file is damaged" in str(report.problems[0])


async def test_a_backup_is_whole_and_private_and_opens_as_a_store(
    store: SqlStore, world: World, url: str, tmp_path: Path
) -> None:
    story = await _story(store, world)
    target = tmp_path / "new" / "copy.db"
    size_bytes = await backup(url, target)
    assert [entry.name for entry in target.parent.iterdir()] == ["copy.db"]
    assert target.stat().st_size == size_bytes
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (await check(f"sqlite:///{target}")).is_ok
    async with await SqlStore.open(f"sqlite:///{target}") as copy:
        assert await loaded(copy, story.id) == story


async def test_a_backup_beside_a_busy_writer_is_one_snapshot(
    store: SqlStore, world: World, url: str, tmp_path: Path
) -> None:
    story = await added(store, world.start())

    async def write() -> None:
        state = story
        while not done.is_set():
            state = await saved(store, state, world.add(state))

    done = asyncio.Event()
    writer = asyncio.create_task(write())
    for n in range(5):
        await backup(url, tmp_path / f"{n}.db")
    done.set()
    await writer
    for n in range(5):
        assert (await check(f"sqlite:///{tmp_path}/{n}.db")).is_ok


async def test_a_backup_replaces_a_file_only_when_told(
    store: SqlStore, world: World, url: str, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StorageError, match="a file stands"):
        await backup(url, target)
    assert target.read_text() == "precious"
    await backup(url, target, should_overwrite=True)
    assert (await check(f"sqlite:///{target}")).is_ok


async def test_a_backup_onto_the_database_itself_is_refused(store: SqlStore, url: str) -> None:
    with pytest.raises(StorageError, match="itself"):
        await backup(url, store.path, should_overwrite=True)
    assert (await check(url)).is_ok


async def test_a_backup_of_no_database_leaves_no_file(tmp_path: Path) -> None:
    source = tmp_path / "notes.db"
    source.write_bytes(b"only words " * 1000)
    with pytest.raises(StorageError, match="not a database"):
        await backup(f"sqlite:///{source}", tmp_path / "out" / "copy.db")
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_backup_into_no_folder_is_told_so(
    store: SqlStore, url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="folder for the backup"):
        await backup(url, tmp_path / "file" / "copy.db")


@pytest.mark.parametrize("error", [FileExistsError, PermissionError])
async def test_a_backup_never_replaces_a_file_that_appeared_meanwhile(
    store: SqlStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    target = tmp_path / "copy.db"

    def link(_source: Path, _target: Path) -> None:
        target.write_text("precious")
        raise error

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StorageError, match="a file stands"):
        await backup(url, target)
    assert target.read_text() == "precious"


async def test_a_backup_works_where_there_are_no_hard_links(
    store: SqlStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(_source: Path, _target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    await backup(url, tmp_path / "copy.db")
    assert (await check(f"sqlite:///{tmp_path}/copy.db")).is_ok
