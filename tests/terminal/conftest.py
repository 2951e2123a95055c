"""A world for each test, and a model that a process can load."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.tiny_model import write_tiny_model
from tests.terminal.terminal_world import TerminalWorld, terminal_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TerminalWorld]:
    async with terminal_world(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
