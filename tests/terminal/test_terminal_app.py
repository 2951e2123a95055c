"""What the composition root does for play: who is alone where, what the model is, how it ends."""

import asyncio
import io
import os
import pty
import signal
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot import app
from bot.engine.local.store import Sentence
from bot.engine.scripted import ScriptedBackend
from bot.errors import ConfigurationError, ModelUnavailableError
from bot.settings import Settings
from bot.terminal.keyboard import no_echo, until_terminated
from tests.terminal.terminal_world import LONG_ENOUGH


class Found:
    name, revision, style, window_tokens = "scripted", "0", None, 1024
    path = Path()
    why = Sentence("The test chose {it}.", {"it": "it"})


class Opener:
    """Stands where LocalBackend does."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def open(self, *_: object, **__: object) -> ScriptedBackend:
        if self._error is not None:
            raise self._error
        return ScriptedBackend([LONG_ENOUGH])


async def found(*_: object, **__: object) -> Found:
    return Found()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("bot.loading._import_engine", lambda: (found, Opener()))
    # Freezing all of pytest's objects would only make it larger.
    monkeypatch.setattr("gc.freeze", lambda: None)
    return Settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path / 's.sqlite'}", cache_dir=tmp_path / "cache"
    )


class Stdin:
    """What a shell gives a program to read."""

    def __init__(self, folder: Path, lines: Sequence[str]) -> None:
        self._path = folder / "stdin"
        self._path.write_text("\n".join(lines))

    def fileno(self) -> int:
        return os.open(self._path, os.O_RDONLY)


def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: Sequence[str]) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(tmp_path, lines))


def batch(settings: Settings, name: str | None = None, seed: int | None = None) -> Any:
    return app.run_terminal(settings, place_name=name, seed=seed, is_batch=True, locale="en")


async def test_batch_says_which_model_writes_and_why(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed(monkeypatch, tmp_path, ["Once upon a time,"])
    assert await batch(settings) == 0
    shown = capsys.readouterr()
    assert shown.out == f"Once upon a time,{LONG_ENOUGH}\n"
    assert "scripted writes" in shown.err
    assert "The test chose it." in shown.err


async def test_a_named_story_goes_on_in_the_next_run(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for line in ("One.", "Two."):
        typed(monkeypatch, tmp_path, [f"/add {line}"])
        assert await batch(settings, "tale", 7) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Two."


async def test_a_closed_standard_input_is_an_empty_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert await batch(settings) == 0
    assert "no words" in capsys.readouterr().err


async def test_a_failed_passage_is_the_exit_status(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Mute(Opener):
        async def open(self, *_: object, **__: object) -> ScriptedBackend:
            return ScriptedBackend([""])

    monkeypatch.setattr("bot.loading._import_engine", lambda: (found, Mute()))
    typed(monkeypatch, tmp_path, ["Once upon a time,"])
    assert await batch(settings) == 1
    assert "returned nothing" in capsys.readouterr().err


async def test_a_model_that_cannot_be_loaded_ends_play(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ModelUnavailableError(model="x", reason="it is missing")
    monkeypatch.setattr("bot.loading._import_engine", lambda: (found, Opener(error)))
    typed(monkeypatch, tmp_path, ["x"])
    with pytest.raises(ModelUnavailableError):
        await batch(settings)


def test_two_terminals_are_never_at_one_place(settings: Settings, tmp_path: Path) -> None:
    with app._alone_at(settings, "a") as owner:
        with app._alone_at(settings, "b") as other:
            assert other != owner
        with (
            pytest.raises(ConfigurationError, match="another terminal"),
            app._alone_at(settings, "a"),
        ):
            pass
    with app._alone_at(settings, "a") as again:
        assert again == owner


def test_a_cache_that_cannot_be_written_forbids_no_story(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    bare = settings.model_copy(update={"cache_dir": tmp_path / "file"})
    with app._alone_at(bare, "a") as owner:
        assert owner.startswith("terminal-")


async def test_sigterm_ends_in_order() -> None:
    began, undone = asyncio.Event(), []

    async def work() -> int:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            undone.append(True)
        return 0

    task = asyncio.create_task(until_terminated(work()))
    await began.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 128 + signal.SIGTERM
    assert undone == [True]


async def test_another_cancellation_stays_one() -> None:
    task = asyncio.create_task(until_terminated(asyncio.sleep(60, 0)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_terminal_echoes_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with io.open(theirs, "r") as terminal:  # noqa: UP020 -- a descriptor, not a path
        monkeypatch.setattr(sys, "stdin", terminal)
        with no_echo():
            assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        assert termios.tcgetattr(theirs)[3] & termios.ECHO
    os.close(ours)
