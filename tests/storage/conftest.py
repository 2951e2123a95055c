"""A real database file for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.storage import SqlStore
from tests.storage.storage_world import World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "roundtale.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def store(url: str, world: World) -> AsyncIterator[SqlStore]:
    async with await SqlStore.open(url, busy_timeout_s=2, now=lambda: world.now) as opened:
        yield opened
