"""Passages while they grow, and how things look."""

import asyncio
import io
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from bot.engine.scripted import Script
from bot.errors import BusyError
from bot.locales import Words
from bot.story.model import CastMember, Concept
from bot.terminal import render
from bot.terminal.commands import COMMANDS
from bot.terminal.play import terminal_place
from bot.terminal.progress import Bars, show_progress
from bot.terminal.stage import TerminalPresenter, TerminalStage, say
from tests.terminal.terminal_world import LONG_ENOUGH, terminal_world


def recorded(*, width: int = 60, height: int = 10, is_terminal: bool = True) -> Console:
    return Console(
        file=io.StringIO(), width=width, height=height, force_terminal=is_terminal, markup=False
    )


def shown_on(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def presenter(console: Console, *, is_live: bool = True) -> TerminalPresenter:
    return TerminalPresenter(
        console, console, Words(), is_live=is_live, is_silent=False, on_failure=lambda: None
    )


async def test_a_growing_passage_is_drawn_and_its_end_printed_once(tmp_path: Path) -> None:
    async with terminal_world(tmp_path, is_terminal=True) as world:
        shown = await world.do("Once upon a time,")
        assert "The door opened" in shown
        assert "\x1b[" in shown


async def test_what_is_taken_back_is_not_in_the_end(tmp_path: Path) -> None:
    script = Script(text=LONG_ENOUGH, retractions={3: 2}, places=(2,))
    async with terminal_world(tmp_path, answers=[script], is_terminal=True) as world:
        await world.do("Once upon a time,")
        assert (await world.texts())[1] == LONG_ENOUGH.strip()


async def test_only_the_end_of_a_long_passage_is_drawn() -> None:
    console = recorded(height=8)
    drawing = presenter(console)
    await drawing.queued(3)
    await drawing.grow("\n".join(f"line {n}" for n in range(40)))
    await drawing.cancel()
    shown = shown_on(console)
    assert "line 39" in shown
    assert "line 20" not in shown
    await drawing.grow("too late")  # nothing is live any more
    assert "too late" not in shown_on(console)


async def test_a_pause_says_that_it_goes_on_later() -> None:
    console = recorded()
    await presenter(console).pause()
    assert "next start" in shown_on(console)


async def test_a_failure_is_counted_and_told_with_its_reference() -> None:
    console = recorded(is_terminal=False)
    counted: list[bool] = []
    drawing = TerminalPresenter(
        console,
        console,
        Words(),
        is_live=False,
        is_silent=True,
        on_failure=lambda: counted.append(True),
    )
    await drawing.fail(ValueError("x"), "AB12")
    assert counted == [True]
    assert "(AB12)" in shown_on(console)
    assert "unexpected" in shown_on(console)


async def test_a_stage_tells_an_error_that_nobody_waits_for() -> None:
    console = recorded(width=200, is_terminal=False)
    stage = TerminalStage(console, console, Words(), streams=True)
    await stage.notify(terminal_place("x"), BusyError())
    await stage.show([])
    assert say(BusyError(), Words()) in shown_on(console)


def test_nothing_in_a_story_steers_the_terminal() -> None:
    assert render.plain("a\x1b[31mb\x07\x9bc\r\n\td") == "a[31mbc\n\td"


def test_a_concept_card_shows_brackets_as_they_are() -> None:
    console = recorded(width=90, height=40)
    concept = Concept(
        premise="[bold]key",
        cast=(CastMember(name="Mira", line="a smith"), CastMember(name="Tom")),
        plot=("It begins",),
    )
    console.print(render.concept_card(concept, ["cast"], Words(), opening="Now.", hint="[field]"))
    shown = shown_on(console)
    for words in ("[bold]key", "Mira: a smith", "1. It begins", "Cast *", "[field]", "Now."):
        assert words in shown


@pytest.mark.parametrize("width", [24, 40, 59, 60, 100])
def test_help_is_whole_in_any_window(width: int) -> None:
    console = recorded(width=width, height=200, is_terminal=False)
    console.print(render.help_table(Words(), width=width))
    shown = " ".join(shown_on(console).split())
    for command in COMMANDS.values():
        assert f"/{command.name}" in shown
    assert "…" not in shown


def test_a_console_shows_another_sign_for_a_letter_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    render.make_console().print("é村")
    sys.stdout.flush()
    assert raw.getvalue() == b"??\n"


def test_bars_follow_the_stages_of_an_installation() -> None:
    with Progress(console=recorded(is_terminal=False)) as progress:
        bars = Bars(progress, Words())
        bars.report("Loading", None, None)
        bars.report("Downloading", 1, 10)
        bars.report("Downloading", 4, 10)
        assert [task.description for task in progress.tasks] == ["Downloading"]
        bars.report("Checking", None, None)
        assert progress.tasks[0].finished
        bars.report("Downloading", 4, 10)
        bars.close()


def test_where_no_bars_can_be_drawn_each_long_stage_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress(Words()) as bars:
        bars.report("Loading", None, None)
        bars.report("Downloading", 1, 10)
        bars.report("Downloading", 2, 10)
    assert capsys.readouterr().err == "Downloading …\n"


async def test_batch_mode_shows_no_passage_by_itself(tmp_path: Path) -> None:
    async with terminal_world(tmp_path, streams=False) as world:
        assert await asyncio.wait_for(world.do("Once upon a time,"), 10) == ""
