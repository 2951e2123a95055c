"""How soon members are answered while eight channels write at once.

Starts the bot's own process with the real model (SmolLM2-135M; fetched if it is not there) over
the project's stand-in of Discord, and measures what people wait for:

    python -m benchmarks.acknowledge [--seconds 60] [--channels 8] [--model NAME]

1. While the model loads, members use commands and completion.
2. In a channel of its own a story is continued, nobody else waits: when are its first words to
   be seen?
3. In eight other channels the model writes, again and again. Meanwhile members use everything
   that there is: slash commands, buttons, selects, forms and completion.

The stand-in notes how long after an interaction its acknowledgement came, when every version of
a message was seen, and every rule of Discord that was broken. Stand-in, members and bot share the
machine's processors, so the figures hold their work too. The lag of the bot's event loop is
measured inside of it (``ticking_bot``): while the model loads, from the moment Discord has let the
bot in, and while all channels write.

Prints a table and, as the last line, the same as JSON. Exit status 1 where a goal is missed.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.discord_server import BotProcess, DiscordServer
from tests.discord_server.client_side import ClientRefusedError
from tests.discord_server.world import Channel, Interaction, Message, User

ROOT = Path(__file__).resolve().parents[1]
MODEL = "smollm2-135m-instruct"
OPENING = "Once upon a time in a small village, a fox knocked at the mill."
TURNS = (
    "The miller opened the door and saw nobody.",
    "Rain began to fall on the roof of the mill.",
    "“Who is there?” asked the miller's daughter.",
    "Far away a bell rang three times.",
)
KINDS = {2: "slash command", 4: "autocomplete", 5: "form sent"}
LOADING_S = 1800.0
PASSAGE_S = 300.0
THINKING_S = 0.8  # between two acts of one member; ten of them make a busy evening
ALONE = 5  # how often a story is continued while nobody else waits
LEAST_ACKNOWLEDGED = 300  # fewer make no 99th percentile

ACK_GOAL_MS = 500.0
FIRST_WORDS_GOAL_S = 2.0
EDIT_GAP_GOAL_S = 1.2
VERSIONS_GOAL = 3
LAG_P99_GOAL_MS = 10.0
LAG_MAX_GOAL_MS = 50.0


def at_percent(found: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted numbers, the higher one of two."""
    return found[min(len(found) - 1, int(len(found) * percent / 100))]


def spread(found: Iterable[float], digits: int = 1) -> dict[str, float]:
    """Return the figures of a row; nothing where nothing was measured."""
    ordered = sorted(found)
    if not ordered:
        return {}
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), digits),
        "p95": round(at_percent(ordered, 95), digits),
        "p99": round(at_percent(ordered, 99), digits),
        "max": round(ordered[-1], digits),
    }


def kind_of(interaction: Interaction) -> str:
    """Name what a person did."""
    if interaction.type in KINDS:
        return KINDS[interaction.type]
    return "button" if interaction.data.get("component_type") == 2 else "select"


def is_passage(text: str) -> bool:
    """Whether a version of a message shows words of the story: queue notes and titles are none."""
    return bool(text.strip()) and not text.startswith(("-# ", "## ", "⚠️"))


def in_turn(*acts: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """Return one act that is another one of these each time, in their order."""
    turns = itertools.cycle(acts)

    async def act() -> None:
        await next(turns)()

    return act


@dataclass
class Town:
    """The guild, its members, and when what happened in it."""

    discord: DiscordServer
    quiet: Channel = field(init=False)
    channels: list[Channel] = field(default_factory=list)
    windows: dict[str, tuple[float, float]] = field(default_factory=dict)
    first_words_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guild = self.discord.add_guild("Tavern")
        self.alice = self.discord.add_user("alice", guild=self.guild)
        self.bob = self.discord.add_user("bob", guild=self.guild)
        self.admin = self.discord.add_user("ada", guild=self.guild, permissions=["manage_guild"])

    def add_channels(self, count: int) -> None:
        """Make the channels in which the model writes at once, and a quiet one."""
        self.quiet = self.discord.add_channel(self.guild, "quiet")
        self.channels = [self.discord.add_channel(self.guild, f"story-{n}") for n in range(count)]

    async def passage(self, channel: Channel, since_s: float) -> Message:
        """Wait for a finished passage, under which the buttons stand."""
        return await self.discord.wait_message(
            channel, lambda each: "Continue" in each.labels, since_s=since_s, timeout_s=PASSAGE_S
        )

    async def begin(self, channel: Channel, title: str) -> Message:
        """Begin a story with its first sentence."""
        since_s = self.discord.now()
        options = {"opening": OPENING, "title": title}
        await self.discord.slash(self.alice, channel, "story start", options)
        return await self.passage(channel, since_s)

    # -- 1. while the model loads ----------------------------------------------------

    async def wait_for_model(self, bot: BotProcess) -> None:
        """Use what there is until the model has been loaded."""
        begun_s = self.discord.now()
        looking = asyncio.create_task(self.crowd([self.look_around(self.quiet)]))
        await bot.wait_log('"model loaded"', LOADING_S)
        await asyncio.sleep(1.0)  # the rest of a load: prompts' tokenizer, garbage
        looking.cancel()
        await asyncio.wait({looking})
        self.windows["loading"] = (begun_s, self.discord.now())

    # -- 2. alone --------------------------------------------------------------------

    async def write_alone(self) -> None:
        """Continue a story while nobody else waits."""
        channel = self.quiet
        begun_s = self.discord.now()
        passage = await self.begin(channel, "Alone")
        for _ in range(ALONE):
            since_s = self.discord.now()
            asked = await self.discord.click(self.alice, passage, "Continue")
            passage = await self.passage(channel, since_s)
            seen_s = next(at_s for at_s, text in passage.versions if is_passage(text))
            self.first_words_s.append(seen_s - asked.at_s)
        self.windows["alone"] = (begun_s, self.discord.now())

    # -- 3. everybody at once ----------------------------------------------------------

    async def write_everywhere(self, seconds: float) -> None:
        """Let eight channels write until the time is over, and members do everything meanwhile."""
        begun_s = self.discord.now()
        until_s = begun_s + seconds
        writing = [
            asyncio.create_task(self.keep_writing(channel, until_s)) for channel in self.channels
        ]
        acts = [self.look_around(channel) for channel in self.channels]
        doing = asyncio.create_task(self.crowd([*acts, self.play_about(self.quiet)]))
        await asyncio.sleep(seconds)
        doing.cancel()
        await asyncio.wait({doing})
        await asyncio.gather(
            *(
                self.discord.slash(self.admin, channel, "story stop", wait="reply")
                for channel in self.channels
            )
        )
        # A passage that was stopped before its first word leaves none to wait for.
        for task in writing:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.wait(writing)
        if not doing.cancelled():
            doing.result()  # raises what ended it too early
        self.windows["all write"] = (begun_s, until_s)

    async def keep_writing(self, channel: Channel, until_s: float) -> None:
        """Take one turn after the other: by button, by command, by form."""
        passage = await self.begin(channel, f"The tale of {channel.name}")
        for turn, text in enumerate(itertools.cycle(TURNS)):
            since_s = self.discord.now()
            if since_s >= until_s:
                return
            if turn % 3 == 0:
                await self.discord.click(self.alice, passage, "Continue")
            elif turn % 3 == 1:
                options = {"text": text}
                await self.discord.slash(self.bob, channel, "story continue", options)
            else:
                form = await self.discord.click(self.bob, passage, "Write")
                await self.discord.submit_modal(form, {"What happens next?": text})
            passage = await self.passage(channel, since_s)

    async def crowd(self, acts: Sequence[Callable[[], Awaitable[object]]]) -> None:
        """Let a member for each of the acts do it again and again, until cancelled."""

        async def one(act: Callable[[], Awaitable[object]], after_s: float) -> None:
            await asyncio.sleep(after_s)
            while True:
                with contextlib.suppress(ClientRefusedError):  # it went away under the finger
                    await act()
                await asyncio.sleep(THINKING_S)

        apart_s = THINKING_S / len(acts)
        await asyncio.gather(*(one(act, apart_s * at) for at, act in enumerate(acts)))

    def look_around(self, channel: Channel) -> Callable[[], Awaitable[object]]:
        """Return what members do in a channel that leaves the story as it is, one by one."""
        discord, alice, bob = self.discord, self.alice, self.bob
        return in_turn(
            lambda: discord.slash(bob, channel, "story list"),
            lambda: discord.autocomplete(bob, channel, "story open", "story", "ta"),
            lambda: discord.slash(alice, channel, "story show"),
            lambda: discord.autocomplete(alice, channel, "story start", "genre", "f"),
            lambda: self.change_setting(channel),
            lambda: discord.slash(bob, channel, "story context"),
            lambda: discord.slash(alice, channel, "story help"),
            lambda: discord.autocomplete(self.admin, channel, "storyadmin set", "name", "top"),
        )

    def play_about(self, channel: Channel) -> Callable[[], Awaitable[object]]:
        """Return what members do with a story that is not being written, one by one."""
        discord, alice, bob = self.discord, self.alice, self.bob
        return in_turn(
            lambda: self.press(bob, channel, "Write"),
            lambda: self.look_at_more(channel),
            lambda: self.press(alice, channel, "Undo"),
            lambda: discord.slash(alice, channel, "story redo", wait="reply"),
            lambda: discord.slash(bob, channel, "story add", {"text": TURNS[0]}, wait="reply"),
            lambda: self.press(alice, channel, "Undo"),
        )

    async def press(self, user: User, channel: Channel, label: str) -> Interaction:
        """Press a button under the newest passage, once it stands there."""
        newest = await self.discord.wait_for(
            lambda: next(
                (m for m in reversed(self.discord.bot_messages(channel)) if label in m.labels), None
            ),
            what=f"the button {label}",
        )
        if newest is None:
            raise AssertionError
        return await self.discord.click(user, newest, label)

    async def look_at_more(self, channel: Channel) -> None:
        """Open what More offers and choose the export."""
        more = await self.press(self.bob, channel, "More")
        panel = await self.discord.wait_reply(more)
        await self.discord.select(self.bob, panel, None, ["export"])

    async def change_setting(self, channel: Channel) -> None:
        """Change a number in the settings' panel, by form, to what it is anyhow."""
        shown = await self.discord.slash(
            self.admin, channel, "storyadmin settings", {"group": "sampling"}, wait="reply"
        )
        if shown.reply is None:
            raise ClientRefusedError("settings")
        form = await self.discord.select(self.admin, shown.reply, "Change a setting …", ["top_k"])
        await self.discord.submit_modal(form, {"top_k": "50"})


@dataclass
class Verdict:
    """Figures by name, and what of them misses a goal."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    def hold(self, is_met: bool, sentence: str) -> None:
        """Note a goal that is missed."""
        if not is_met:
            self.missed.append(sentence)


def judge(town: Town, bot: BotProcess, ticks: Sequence[tuple[float, float]]) -> Verdict:
    """Put what was measured into figures and hold them against the goals."""
    verdict = Verdict()
    _judge_answers(town, verdict)
    first_words = spread((each * 1000 for each in town.first_words_s), 0)
    verdict.rows["first words, nobody waits (ms)"] = first_words
    verdict.hold(
        bool(first_words) and first_words["max"] < FIRST_WORDS_GOAL_S * 1000,
        f"first words within {FIRST_WORDS_GOAL_S:g} s",
    )
    _judge_growth(town, verdict)
    for name in ("loading", "all write"):
        begun_s, ended_s = town.windows[name]
        lags = spread((lag_s * 1000 for at_s, lag_s in ticks if begun_s <= at_s <= ended_s))
        verdict.rows[f"event loop's lag, {name} (ms)"] = lags
        verdict.hold(
            bool(lags) and lags["p99"] < LAG_P99_GOAL_MS and lags["max"] < LAG_MAX_GOAL_MS,
            f"lag, {name}: p99 under {LAG_P99_GOAL_MS:g} ms, maximum under {LAG_MAX_GOAL_MS:g} ms",
        )
    broken = town.discord.state.violations
    verdict.rows["rules of Discord broken"] = {"n": len(broken)}
    verdict.hold(not broken, f"no rule broken: {sorted({each.kind for each in broken})}")
    errors = [line for line in bot.log.splitlines() if '"level": "error"' in line]
    verdict.rows["errors in the bot's log"] = {"n": len(errors)}
    verdict.hold(not errors, f"no error logged: {errors[:1]}")
    return verdict


def _judge_answers(town: Town, verdict: Verdict) -> None:
    """Tell how soon interactions were acknowledged."""
    answered: dict[str, list[float]] = {}
    for interaction in town.discord.state.interactions.values():
        phase = next(
            (
                name
                for name, (begun_s, ended_s) in town.windows.items()
                if begun_s <= interaction.at_s <= ended_s
            ),
            None,
        )
        if phase is None:
            continue
        # Whoever got no answer at all waited for as long as Discord does.
        waited_s = interaction.acked_after_s or town.discord.state.ack_timeout_s
        kind = f", {kind_of(interaction)}" if phase == "all write" else ""
        for name in {phase, phase + kind}:
            answered.setdefault(f"acknowledged, {name} (ms)", []).append(waited_s * 1000)
    for name in sorted(answered):
        verdict.rows[name] = spread(answered[name])
    for name in ("loading", "all write"):
        row = verdict.rows.get(f"acknowledged, {name} (ms)", {})
        verdict.hold(
            bool(row) and row["p99"] < ACK_GOAL_MS,
            f"acknowledgements, {name}: p99 under {ACK_GOAL_MS:g} ms",
        )
    kinds = {name for name in answered if name.startswith("acknowledged, all write, ")}
    count = len(answered.get("acknowledged, all write (ms)", ()))
    verdict.hold(len(kinds) == 5, f"all five kinds of interaction: {sorted(kinds)}")
    verdict.hold(
        count >= LEAST_ACKNOWLEDGED, f"{LEAST_ACKNOWLEDGED} interactions at least: {count}"
    )


def _judge_growth(town: Town, verdict: Verdict) -> None:
    """Tell in how many versions passages grew, and how close two edits came."""
    counts: list[float] = []
    gaps_s: list[float] = []
    for channel in (town.quiet, *town.channels):
        for message in town.discord.bot_messages(channel):
            gaps_s += message.edit_gaps_s
            texts = [text for _, text in message.versions if is_passage(text)]
            if texts and OPENING not in texts[-1]:
                counts.append(len(texts))
    verdict.rows["versions of a passage"] = spread(counts) | {"min": min(counts, default=0)}
    verdict.rows["gap between two edits (s)"] = spread(gaps_s, 2) | {
        "min": round(min(gaps_s, default=0.0), 3)
    }
    verdict.hold(
        bool(counts) and statistics.median(counts) >= VERSIONS_GOAL,
        f"a passage grows in {VERSIONS_GOAL} versions at least",
    )
    verdict.hold(
        bool(gaps_s) and min(gaps_s) >= EDIT_GAP_GOAL_S, f"{EDIT_GAP_GOAL_S:g} s between two edits"
    )


def show(verdict: Verdict) -> None:
    """Print the table, the goals that were missed, and the JSON."""
    columns = ("n", "min", "p50", "p95", "p99", "max")
    print(f"{'':44}" + "".join(f"{name:>9}" for name in columns))
    for name, row in verdict.rows.items():
        print(f"{name:44}" + "".join(f"{row.get(column, ''):>9}" for column in columns))
    print()
    for sentence in verdict.missed:
        print(f"MISSED: {sentence}")
    print(f"goals: {'MISSED' if verdict.missed else 'met'}\n")
    print(json.dumps({"is_goal_met": not verdict.missed, "figures": verdict.rows}))


async def measure(folder: Path, options: argparse.Namespace) -> Verdict:
    """Run the bot and the town."""
    ticks_file = folder / "ticks"
    env: dict[str, Any] = {
        "BENCH_TICKS": str(ticks_file),
        "PYTHONPATH": str(ROOT),
        "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'stories.sqlite'}",
        "ROUNDTALE_LOG_FORMAT": "json",
        "ROUNDTALE_MODEL": options.model,
    }
    if "ROUNDTALE_CACHE_DIR" in os.environ:
        env["ROUNDTALE_CACHE_DIR"] = os.environ["ROUNDTALE_CACHE_DIR"]
    command = [sys.executable, "-m", "benchmarks.ticking_bot", "run"]
    async with DiscordServer() as discord:
        town = Town(discord)
        town.add_channels(options.channels)
        async with BotProcess(discord, env=env, cwd=folder, command=command) as bot:
            begun_s = discord.now()
            await bot.wait_ready()
            ready_s = discord.now() - begun_s
            await town.wait_for_model(bot)
            await town.write_alone()
            await town.write_everywhere(options.seconds)
        pairs = (line.split() for line in ticks_file.read_text(encoding="ascii").splitlines())
        verdict = judge(town, bot, [(float(at_s), float(lag_s)) for at_s, lag_s in pairs])
        print(f"{len(town.channels)} channels; in Discord {ready_s:.1f} s after the start\n")
        return verdict


def main() -> None:
    """Read the flags and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long all channels write")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--model", default=MODEL, help="a model's name or folder")
    with tempfile.TemporaryDirectory() as folder:
        verdict = asyncio.run(measure(Path(folder), parser.parse_args()))
    show(verdict)
    raise SystemExit(1 if verdict.missed else 0)


if __name__ == "__main__":
    main()
