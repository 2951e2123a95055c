"""The strict bench beside the checkout, when it is there; without it this folder is skipped."""

import importlib
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
BENCH = Path(os.environ.get("STRICT_BENCH") or ROOT.parent / "shared" / "bench")
PACKAGES = ("aiohttp", "jsonschema", "jsonschema_rs", "zstandard")

StartBot = Callable[..., Any]


def _missing() -> str | None:
    """Say what stands against running these tests, if anything."""
    if not (BENCH / "fakediscord").is_dir():
        return f"the strict bench is not at {BENCH} (set STRICT_BENCH)"
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    return f"the bench needs {', '.join(absent)}" if absent else None


MISSING = _missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.bench)
            if MISSING is not None:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def bench() -> Any:
    """The bench's own module; its folder is on the path only while it is imported."""
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module("fakediscord")
    finally:
        sys.path.remove(str(BENCH))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that loads in a moment and writes nonsense."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_model(folder)
    return folder


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that needs a second or more for a long passage, on any machine."""
    folder = tmp_path_factory.mktemp("model") / "slow"
    write_tiny_model(folder, layers=24)
    return folder


@pytest.fixture
async def fake(bench: Any) -> AsyncIterator[Any]:
    """The strict stand-in of Discord, empty."""
    async with bench.FakeDiscord() as server:
        yield server


@pytest.fixture
async def bot(bench: Any, fake: Any, tiny_model: Path, tmp_path: Path) -> AsyncIterator[StartBot]:
    """Make a run of the bot, to be used with `async with`; all runs of a test share their data.

    bot(env={...}) returns the bench's BotProcess. At the end of the test no run may be left, and none may
    have tried to leave loopback.
    """
    runs: list[Any] = []
    settings = {
        "HF_HUB_OFFLINE": "1",
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "ROUNDTALE_CACHE_DIR": str(tmp_path / "cache"),
        "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'stories.sqlite'}",
        "ROUNDTALE_MODEL": str(tiny_model),
        "ROUNDTALE_THREADS": "1",
    }

    def make(env: dict[str, str] | None = None, **how: Any) -> Any:
        command = [sys.executable, "-m", "bot", "run"]
        run = bench.BotProcess(fake, command, env=settings | (env or {}), cwd=tmp_path, **how)
        runs.append(run)
        return run

    yield make
    for run in runs:
        if run.proc is not None:
            await run.stop()
        assert not run.outside, run.outside
