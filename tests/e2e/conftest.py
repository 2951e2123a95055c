"""The real bot in a process of its own, over the project's stand-in of Discord."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.discord_server import BotProcess, DiscordServer
from tests.e2e.scenes import Scene, open_scene
from tests.support.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]

StartBot = Callable[..., Awaitable[BotProcess]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that loads in a moment and writes nonsense."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_model(folder)
    return folder


@pytest.fixture
def bot_env(tiny_model: Path, tmp_path: Path) -> dict[str, str]:
    """The settings of a bot that lives in the test's own folder."""
    return {
        "HF_HUB_OFFLINE": "1",
        "HOME": str(tmp_path),
        "ROUNDTALE_CACHE_DIR": str(tmp_path / "cache"),
        "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'stories.sqlite'}",
        "ROUNDTALE_MODEL": str(tiny_model),
    }


@pytest.fixture
async def discord_server() -> AsyncIterator[DiscordServer]:
    """Discord, empty: add guilds, channels and users."""
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def start_bot(
    discord_server: DiscordServer, bot_env: dict[str, str], tmp_path: Path
) -> AsyncIterator[StartBot]:
    """Start the bot and wait until it is ready; every call is one more run on the same data.

    `env` adds settings, `ready=False` does not wait, crash_at, crash_nth and crash_when are those of
    BotProcess. What still runs at the test's end is asked to end; a run that must be killed fails.
    """
    runs: list[BotProcess] = []

    async def start(
        env: dict[str, str] | None = None, *, ready: bool = True, **how: object
    ) -> BotProcess:
        bot = BotProcess(
            discord_server,
            env=bot_env | {"PYTHONPATH": str(ROOT)} | (env or {}),
            cwd=tmp_path,
            command=[sys.executable, "-m", "bot", "run"],
            **how,  # type: ignore[arg-type] # the crash keywords, handed through
        )
        runs.append(await bot.start())
        if ready:
            await bot.wait_ready()
        return bot

    yield start
    for bot in runs:
        print(f"--- log of process {bot.pid} ---\n{bot.log[-8000:]}")  # noqa: T201 - pytest shows it with a failure
    for bot in runs:
        if bot.is_running:
            await bot.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """A Discord and a running bot that the module's tests share, each in channels of its own.

    A module that says `IS_TAPPED = True` has the model's tap in its hand; with `STARTS_BOT = False`
    its tests start the bot themselves; `HAS_RATE_LIMITS = True` is Discord's daily life;
    `BOT_ENV` are settings of the operator.
    """
    folder = tmp_path_factory.mktemp("scene")
    is_tapped = getattr(request.module, "IS_TAPPED", False)
    async with open_scene(folder, tiny_model, is_tapped=is_tapped) as made:
        made.env |= getattr(request.module, "BOT_ENV", {})
        # Whoever clicks as fast as a test meets limits that people do not.
        made.discord.limits.enabled = getattr(request.module, "HAS_RATE_LIMITS", False)
        if getattr(request.module, "STARTS_BOT", True):
            await made.start_bot()
        yield made


@pytest.fixture(autouse=True)
def open_tap(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the model write again, however a test that closed its tap has ended."""
    yield
    if "scene" in request.fixturenames:
        request.getfixturevalue("scene").tap.open()
