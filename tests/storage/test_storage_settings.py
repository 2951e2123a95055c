import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from bot.storage import SqlStore
from bot.story.ports import Draft, SettingRow
from tests.storage.storage_world import World


def _row(world: World, name: str, value: str, scope_id: int = 9) -> SettingRow:
    return SettingRow(
        scope="guild",
        scope_id=scope_id,
        name=name,
        value=value,
        changed_by=4711,
        changed_at=world.tick(),
    )


def _audit(store: SqlStore) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(
            "SELECT scope_id, name, before, after, changed_by FROM audit ORDER BY id"
        ).fetchall()


async def test_values_are_kept_by_scope_and_every_change_is_logged(
    store: SqlStore, world: World
) -> None:
    async with store.write() as unit:
        await unit.settings.set(_row(world, "length", "short"))
        await unit.settings.set(_row(world, "length", "long"))
        await unit.settings.set(_row(world, "length", "long"))
        await unit.settings.set(_row(world, "length", "short", scope_id=10))
        await unit.commit()
    async with store.read() as unit:
        assert await unit.settings.values("guild", 9) == {"length": "long"}
        assert await unit.settings.values("guild", 10) == {"length": "short"}
        assert await unit.settings.values("channel", 9) == {}
    assert _audit(store) == [
        (9, "length", None, "short", 4711),
        (9, "length", "short", "long", 4711),
        (10, "length", None, "short", 4711),
    ]


async def test_reset_removes_one_value_or_all_and_logs_it(store: SqlStore, world: World) -> None:
    async with store.write() as unit:
        for name in ("a", "b", "c"):
            await unit.settings.set(_row(world, name, "1"))
        assert await unit.settings.reset("guild", 9, "a", by=5, at=world.tick()) == 1
        assert await unit.settings.reset("guild", 9, "a", by=5, at=world.tick()) == 0
        assert await unit.settings.reset("guild", 9, None, by=5, at=world.tick()) == 2
        assert await unit.settings.values("guild", 9) == {}
        await unit.commit()
    assert _audit(store)[3:] == [
        (9, "a", "1", None, 5),
        (9, "b", "1", None, 5),
        (9, "c", "1", None, 5),
    ]


async def test_facts_are_kept_and_replaced(store: SqlStore) -> None:
    async with store.write() as unit:
        assert await unit.settings.fact("model") is None
        await unit.settings.put_fact("model", "gpt2")
        await unit.settings.put_fact("model", "smollm2")
        assert await unit.settings.fact("model") == "smollm2"


async def test_epochs_only_grow_by_owner(store: SqlStore) -> None:
    found = []
    for owner in ("a", "a", "b", "a"):
        async with store.write() as unit:
            found.append(await unit.settings.next_epoch(owner))
            await unit.commit()
    assert found == [1, 2, 1, 3]


async def test_drafts_are_replaced_deleted_and_purged(store: SqlStore, world: World) -> None:
    draft = Draft(id=1, place="p", guild_id=None, user_id=7, body="{}", created_at=world.now)
    newer = replace(draft, id=2, guild_id=9, created_at=world.now + timedelta(hours=1))
    async with store.write() as unit:
        await unit.drafts.put(replace(draft, body="old"))
        await unit.drafts.put(draft)
        await unit.drafts.put(newer)
        await unit.commit()
    async with store.read() as unit:
        assert await unit.drafts.get(1) == draft
        assert await unit.drafts.get(3) is None
    async with store.write() as unit:
        assert await unit.drafts.purge(newer.created_at) == 1
        assert await unit.drafts.get(1) is None
        await unit.drafts.delete(2)
        assert await unit.drafts.get(2) is None
