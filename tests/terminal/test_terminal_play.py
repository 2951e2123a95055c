"""The loop around the session: prompt, keys, signals, standard input."""

import asyncio
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.input.base import PipeInput
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from bot.engine.scripted import Script, ScriptedBackend
from bot.errors import EngineError
from bot.locales import Words
from bot.story import tree
from bot.terminal import play
from bot.terminal.play import play_batch, play_interactively, terminal_actor, terminal_place
from bot.terminal.session import Session
from tests.terminal.terminal_world import LONG_ENOUGH, PLACE, TerminalWorld, terminal_world

CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"
ALT_ENTER = "\x1b\r"
OPENING = "Once upon a time in a small village,"


@contextmanager
def keyboard(*typed: str) -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        for keys in typed:
            pipe.send_text(keys)
        yield pipe


async def interactively(world: TerminalWorld, folder: Path) -> tuple[int, str]:
    status = await play_interactively(
        world.services,
        place=PLACE,
        history_file=folder / "cache" / "history",
        console=world.console,
        words=Words(),
        greeting="scripted writes.",
    )
    return status, world.seen()


async def batch(
    world: TerminalWorld, given: bytes, meanwhile: Callable[[], None] = lambda: None
) -> tuple[int, str, str]:
    read, write = os.pipe()
    out = Console(file=io.StringIO(), width=80, highlight=False, emoji=False, markup=False)
    try:
        os.write(write, given)
        os.close(write)
        meanwhile()
        status = await play_batch(
            world.services,
            place=PLACE,
            source=read,
            console=out,
            notes=world.console,
            words=Words(),
            greeting="scripted writes.",
        )
    finally:
        os.close(read)
    assert isinstance(out.file, io.StringIO)
    return status, out.file.getvalue(), world.seen()


async def test_a_story_is_typed_and_left_with_ctrl_d(world: TerminalWorld, tmp_path: Path) -> None:
    with keyboard(OPENING, ENTER, CTRL_D):
        status, shown = await interactively(world, tmp_path)
    assert status == 0
    assert "scripted writes." in shown
    assert LONG_ENOUGH.strip() in shown


@pytest.mark.parametrize("line", ["/quit", "/QUIT ", "/exit", "/story quit"])
async def test_quit_leaves(world: TerminalWorld, tmp_path: Path, line: str) -> None:
    with keyboard(line, ENTER):
        assert (await interactively(world, tmp_path))[0] == 0


async def test_ctrl_c_at_the_prompt_begins_the_line_anew(
    world: TerminalWorld, tmp_path: Path
) -> None:
    with keyboard("forget this", CTRL_C, CTRL_C, "/add Keep this.", ENTER, CTRL_D):
        await interactively(world, tmp_path)
    assert await world.texts() == ["Keep this."]


async def test_what_was_typed_is_kept_for_its_writer_alone(
    world: TerminalWorld, tmp_path: Path
) -> None:
    with keyboard("/add Keep this.", ENTER, CTRL_D):
        await interactively(world, tmp_path)
    history = tmp_path / "cache" / "history"
    assert "Keep this." in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


async def test_the_story_is_shown_at_the_next_start(world: TerminalWorld, tmp_path: Path) -> None:
    await world.do(OPENING)
    with keyboard(CTRL_D):
        _, shown = await interactively(world, tmp_path)
    assert OPENING in shown
    assert "Type how" not in shown


async def test_an_error_ends_the_command_and_not_the_session(
    world: TerminalWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(world.services.settings, "listing", broken)
    with keyboard("/nonsense", ENTER, "/settings", ENTER, "/add Still here.", ENTER, CTRL_D):
        status, shown = await interactively(world, tmp_path)
    assert status == 0
    assert "no /nonsense here" in shown
    assert "Something unexpected went wrong" in shown
    assert await world.texts() == ["Still here."]


async def test_answers_are_typed_edited_and_given_up(world: TerminalWorld, tmp_path: Path) -> None:
    keys = [
        *("/write", ENTER, "One.", ENTER, CTRL_D),
        *("/add Two", ENTER, "/edit", ENTER, " and a half.", ENTER),
        *("/edit", ENTER, "never", CTRL_C),
        *("/start a key", ENTER, "cancel", ENTER),
        CTRL_D,
    ]
    with keyboard(*keys):
        _, shown = await interactively(world, tmp_path)
    assert await world.texts() == ["One.", LONG_ENOUGH.strip(), "Two and a half."]
    assert "Nothing was begun" in shown


async def test_a_long_passage_is_edited_in_several_lines(tmp_path: Path) -> None:
    text = " The bell rang twice.\n\nNobody came to the door that night."
    async with terminal_world(tmp_path, answers=[text]) as world:
        with keyboard(OPENING, ENTER, "/edit", ENTER, " Or", ENTER, "so.", ALT_ENTER, CTRL_D):
            await interactively(world, tmp_path)
        assert (await world.texts())[-1] == text.strip() + " Or\nso."


async def test_sigint_in_a_passage_stops_it_and_asks_again(tmp_path: Path) -> None:
    script = Script(text=" It rained. It snowed. It thawed.", gates={5: asyncio.Event()})
    backend = ScriptedBackend([script])
    before = signal.getsignal(signal.SIGINT)
    async with terminal_world(tmp_path, backend) as world:
        with keyboard(OPENING, ENTER, "/add After all.", ENTER, CTRL_D):
            playing = asyncio.create_task(interactively(world, tmp_path))
            await backend.started.wait()
            os.kill(os.getpid(), signal.SIGINT)
            status, shown = await playing
        assert status == 0
        assert "What was whole is kept" in shown
        assert (await world.texts())[-1] == "After all."
    assert signal.getsignal(signal.SIGINT) is before


async def test_the_history_lasts_until_the_end_where_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(play._history(tmp_path / "file" / "history"), InMemoryHistory)
    (tmp_path / "folder").mkdir()
    assert isinstance(play._history(tmp_path / "folder"), InMemoryHistory)
    assert isinstance(play._history(tmp_path / "new" / "history"), FileHistory)


async def test_batch_prints_the_story_and_nothing_else(world: TerminalWorld) -> None:
    status, story, notes = await batch(world, OPENING.encode() + b"\r\n/list\nThen it rained.")
    assert status == 0
    assert story.startswith(OPENING + LONG_ENOUGH)
    assert "Then it rained." in story
    assert "scripted" not in story
    assert "Passages" in notes


async def test_batch_goes_on_after_what_cannot_be_done(world: TerminalWorld) -> None:
    status, story, notes = await batch(world, b"/nonsense\n\xff\xfe broken \x1b[31mwords\n")
    assert status == 1
    assert "no /nonsense here" in notes
    assert "words" in story
    assert "\x1b" not in story


@pytest.mark.parametrize("line", [b"/quit", b"/exit\r", b"/story quit"])
async def test_quit_ends_batch_as_the_last_line_does(world: TerminalWorld, line: bytes) -> None:
    status, story, notes = await batch(world, b"/add Here.\n" + line + b"\n/add never\n")
    assert (status, story) == (0, "Here.\n")
    assert "went wrong" not in notes


async def test_batch_without_words_says_so(world: TerminalWorld) -> None:
    status, story, notes = await batch(world, b"")
    assert (status, story) == (0, "")
    assert "no words" in notes


async def test_batch_of_an_undone_story_prints_nothing(world: TerminalWorld) -> None:
    status, story, _ = await batch(world, b"/add x\n/undo\n")
    assert (status, story) == (0, "")


async def test_ctrl_c_in_batch_prints_what_is_there_and_takes_no_more(tmp_path: Path) -> None:
    script = Script(text=" It rained. It snowed. It thawed.", gates={5: asyncio.Event()})
    backend = ScriptedBackend([script])
    async with terminal_world(tmp_path, backend, streams=False) as world:
        playing = asyncio.create_task(batch(world, OPENING.encode() + b"\n/add never\n"))
        await backend.started.wait()
        os.kill(os.getpid(), signal.SIGINT)
        status, story, _ = await playing
        assert status == 130
        assert "It rained." in story
        assert "never" not in story


async def test_ctrl_c_ends_batch_while_it_waits_for_a_line(
    world: TerminalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()
    execute = play.execute

    async def told(session: Session, line: str, notes: Console, words: Words) -> bool:
        try:
            return await execute(session, line, notes, words)
        finally:
            done.set()

    monkeypatch.setattr(play, "execute", told)
    read, write = os.pipe()
    console = Console(file=io.StringIO())
    playing = asyncio.create_task(
        play_batch(
            world.services,
            place=PLACE,
            source=read,
            console=console,
            notes=world.console,
            words=Words(),
            greeting="",
        )
    )
    os.write(write, b"/add Here.\n")
    await done.wait()
    os.kill(os.getpid(), signal.SIGINT)
    assert await asyncio.wait_for(playing, 10) == 130
    os.close(write)
    os.close(read)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "Here.\n"


async def test_a_failed_passage_is_counted_in_batch(tmp_path: Path) -> None:
    answers = [EngineError(reason="it broke.")]
    async with terminal_world(tmp_path, answers=answers, streams=False) as world:
        _, story, notes = await batch(world, OPENING.encode())
        assert story == OPENING + "\n"
        assert "it broke" in notes
        assert world.stage.failures == 1


async def test_lines_are_read_from_what_cannot_be_read_too(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"one\n\ntwo")
    with (tmp_path / "lines").open("rb") as file:
        assert [line async for line in play.read_lines(file.fileno())] == [b"one", b"", b"two"]
    folder = os.open(tmp_path, os.O_RDONLY)
    assert [line async for line in play.read_lines(folder)] == []
    os.close(folder)


def test_a_place_keeps_its_number_and_nobody_needs_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal_place("a") == terminal_place("a")
    assert terminal_place("a").channel_id != terminal_place("b").channel_id

    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert terminal_actor().name == "you"


async def test_only_this_places_passages_are_taken_up(tmp_path: Path) -> None:
    backend = ScriptedBackend([Script(text=LONG_ENOUGH, gates={2: asyncio.Event()})])
    async with terminal_world(tmp_path, backend) as world:
        turn = asyncio.create_task(world.do(OPENING))
        await backend.started.wait()
    await turn
    async with terminal_world(tmp_path) as world:
        assert await world.stories.recover(lambda place: place.name == "other") == 0
        story = await world.story()
        assert len(tree.path(story)) == 1
