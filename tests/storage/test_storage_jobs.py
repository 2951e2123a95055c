from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import BusyError
from bot.storage import SqlStore
from bot.story.ports import Job, JobKind, JobStatus, UnitOfWork
from tests.storage.storage_world import World, added


async def _job(store: SqlStore, world: World, place: str = "p", **changes: Any) -> Job:
    story = await added(store, world.start(place))
    job = Job(
        id=world.id(),
        story_id=story.id,
        kind=JobKind.RETRY,
        turn_id=story.journal[0].id,
        parent_id=None,
        author_id=world.mira.id,
        seed=2**63 - 1,
        length="long",
        created_at=world.now,
        locale="de",
    )
    job = replace(job, **changes)
    async with store.write() as unit:
        await unit.jobs.add(job)
        await unit.commit()
    return job


async def _lease(unit: UnitOfWork, job: Job, world: World, owner: str, epoch: int) -> bool:
    return await unit.jobs.lease(
        job.id, owner=owner, epoch=epoch, expires_at=world.now + timedelta(seconds=30)
    )


async def test_a_job_is_read_as_it_was_added(store: SqlStore, world: World) -> None:
    job = await _job(store, world, owner="a", epoch=3, expires_at=world.now, attempts=2)
    async with store.read() as unit:
        assert await unit.jobs.get(job.id) == job
        assert await unit.jobs.open_for(job.story_id) == job
        assert await unit.jobs.get(0) is None
        assert await unit.jobs.open_for(0) is None


async def test_a_story_has_one_open_job(store: SqlStore, world: World) -> None:
    job = await _job(store, world)
    second = replace(job, id=world.id())
    async with store.write() as unit:
        with pytest.raises(BusyError):
            await unit.jobs.add(second)
        assert await unit.jobs.cancel(job.id)
        await unit.jobs.add(second)
        await unit.commit()
    async with store.read() as unit:
        assert await unit.jobs.open_for(job.story_id) == second


async def test_a_lease_is_taken_once_and_renewed_by_its_holder(
    store: SqlStore, world: World
) -> None:
    job = await _job(store, world)
    async with store.write() as unit:
        assert await _lease(unit, job, world, "a", 1)
        assert await _lease(unit, job, world, "a", 1)
        assert not await _lease(unit, job, world, "b", 9)
        held = await unit.jobs.get(job.id)
    assert held is not None
    assert (held.owner, held.epoch, held.attempts) == ("a", 1, 1)
    assert held.expires_at == world.now + timedelta(seconds=30)


async def test_a_restart_fences_its_own_earlier_epoch_at_once(
    store: SqlStore, world: World
) -> None:
    job = await _job(store, world)
    async with store.write() as unit:
        assert await _lease(unit, job, world, "a", 1)
        assert await _lease(unit, job, world, "a", 2)
        assert not await _lease(unit, job, world, "a", 1)
        assert not await unit.jobs.finish(job.id, JobStatus.DONE, owner="a", epoch=1)
        assert await unit.jobs.finish(job.id, JobStatus.DONE, owner="a", epoch=2)
        ended = await unit.jobs.get(job.id)
    assert ended is not None
    assert (ended.status, ended.attempts) == (JobStatus.DONE, 2)


async def test_an_expired_lease_can_be_taken_by_others(store: SqlStore, world: World) -> None:
    job = await _job(store, world)
    async with store.write() as unit:
        assert await _lease(unit, job, world, "a", 1)
        world.now += timedelta(seconds=31)
        assert await _lease(unit, job, world, "b", 1)
        assert not await unit.jobs.finish(job.id, JobStatus.DONE, owner="a", epoch=1)


async def test_an_ended_job_is_neither_leased_nor_ended_again(
    store: SqlStore, world: World
) -> None:
    job = await _job(store, world)
    async with store.write() as unit:
        assert await unit.jobs.cancel(job.id)
        assert not await unit.jobs.cancel(job.id)
        assert not await _lease(unit, job, world, "a", 1)
        assert not await unit.jobs.finish(job.id, JobStatus.FAILED, owner="", epoch=0)


async def test_orphans_are_of_earlier_epochs_expired_or_never_leased(
    store: SqlStore, world: World
) -> None:
    later = world.now + timedelta(days=1)
    earlier = await _job(store, world, "1", owner="a", epoch=1, expires_at=later)
    await _job(store, world, "2", owner="a", epoch=2, expires_at=world.now)
    expired = await _job(store, world, "3", owner="b", epoch=9, expires_at=world.now)
    await _job(store, world, "4", owner="b", epoch=9, expires_at=later)
    unleased = await _job(store, world, "5")
    ended = await _job(store, world, "6", owner="a", epoch=1)
    async with store.write() as unit:
        await unit.jobs.cancel(ended.id)
        await unit.commit()
    async with store.read() as unit:
        orphans = await unit.jobs.orphans(owner="a", epoch=2, now=world.now)
    assert orphans == [earlier, expired, unleased]
