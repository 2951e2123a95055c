"""Worlds for the use cases, over both stores."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.storage import SqlStore
from tests.service.service_fakes import FakeClock, MemoryStore
from tests.service.service_world import World


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Give a world with a running process, over both stores."""
    clock = FakeClock()
    if request.param == "memory":
        world = World(MemoryStore(clock), clock)
        await world.boot()
        yield world
        await world.close()
        return
    url = f"sqlite+aiosqlite:///{tmp_path / 'stories.db'}"
    async with await SqlStore.open(url, now=clock.now) as store:
        world = World(store, clock)
        await world.boot()
        yield world
        await world.close()


@pytest.fixture
async def small_world() -> AsyncIterator[World]:
    """Give a world over the store in memory only, for what does not touch storage's rules."""
    clock = FakeClock()
    world = World(MemoryStore(clock), clock)
    await world.boot()
    yield world
    await world.close()
