"""The program itself, as a shell and a terminal start it; the tiny model writes."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
OPENING = "Once upon a time in a small village,"
_PROMPT = "›"  # noqa: RUF001 -- the prompt's own sign
_WRITING = r"\n  \w+ \w+"
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|\r")


@pytest.fixture
def env(tmp_path: Path, tiny_model: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDTALE_")}
    return kept | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "ROUNDTALE_CACHE_DIR": str(tmp_path / "cache"),
        "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'stories.sqlite'}",
        "ROUNDTALE_MODEL": str(tiny_model),
        "ROUNDTALE_THREADS": "1",
        "TERM": "xterm",
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bot", "play", *arguments]


class Terminal:
    """A program at a terminal of its own, seen as text."""

    def __init__(self, ours: int, process: "subprocess.Popen[bytes]") -> None:
        self._ours = ours
        self.process = process
        self.shown = ""

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read(self, limit_s: float) -> bool:
        """Take what is shown within the limit; False at the end."""
        if select.select([self._ours], [], [], limit_s)[0]:
            try:
                raw = os.read(self._ours, 65536)
            except OSError:  # Linux: the other side is closed
                return False
            if b"\x1b[6n" in raw:  # where the cursor is; a terminal answers
                os.write(self._ours, b"\x1b[1;1R")
            self.shown += _ESCAPES.sub("", raw.decode("utf-8", errors="replace"))
        return True

    def wait_for(self, pattern: str) -> str:
        """Return what was shown up to a pattern, and forget it."""
        deadline_s = time.monotonic() + LIMIT_S
        while (found := re.search(pattern, self.shown)) is None:
            assert time.monotonic() < deadline_s, self.shown
            assert self.read(0.5), self.shown
        before, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return before

    def wait(self) -> int:
        deadline_s = time.monotonic() + LIMIT_S
        while self.read(0.5) and time.monotonic() < deadline_s:
            pass
        return self.process.wait(LIMIT_S)


@contextmanager
def terminal(env: dict[str, str], *arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def adopt() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        start_new_session=True,
        preexec_fn=adopt,  # noqa: PLW1509 -- Ctrl-C reaches only the terminal's own session
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


def test_a_story_is_written_stopped_left_and_found_again(env: dict[str, str]) -> None:
    with terminal(env) as first:
        first.wait_for("tiny writes")
        first.wait_for(_PROMPT)
        first.type(f"{OPENING}\r")
        first.wait_for(_WRITING)
        first.wait_for(_PROMPT)
        first.type("/set passage_length long\r")
        first.wait_for("is long now")
        for _ in range(5):  # a passage may be whole before the key arrives
            first.type("\r")
            first.wait_for(_WRITING)
            first.type("\x03")
            if "Stopped" in first.wait_for(rf"Stopped|{_PROMPT}"):
                break
        else:
            pytest.fail("Ctrl-C never stopped a passage")
        first.wait_for(_PROMPT)
        first.type("/add And they all slept.\r")
        first.type("\x04")
        assert first.wait() == 0
    with terminal(env) as second:
        shown = second.wait_for("And they all slept")
        assert OPENING in shown
        second.type("\x04")
        assert second.wait() == 0


def test_killed_in_a_passage_it_is_finished_at_the_next_start(env: dict[str, str]) -> None:
    with terminal(env, "--story", "tale") as first:
        first.wait_for(_PROMPT)
        first.type("/set passage_length long\r")
        first.wait_for("is long now")
        first.type(f"{OPENING}\r")
        first.wait_for(_WRITING)
        first.process.kill()
    with terminal(env, "--story", "tale") as second:
        assert OPENING in second.wait_for(_PROMPT)
        second.type("\x04")
        assert second.wait() == 0


def test_batch_writes_the_same_story_from_the_same_seed(env: dict[str, str]) -> None:
    runs = [
        subprocess.Popen(
            command("--batch", "--seed", seed),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
        )
        for seed in ("11", "11", "12")
    ]
    done = [run.communicate(f"{OPENING}\n".encode(), timeout=LIMIT_S) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], done
    one, same, other = (out.decode() for out, _ in done)
    assert one == same != other
    assert one.startswith(OPENING)
    assert len(one) > len(OPENING) + 20
    assert b"tiny writes" in done[0][1]
    assert "tiny writes" not in one


def test_a_model_of_nonsense_is_one_sentence(env: dict[str, str]) -> None:
    done = subprocess.run(
        command("--model", "/nonsense"),
        input="x\n",
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "There is no folder /nonsense. Check the path of the model.\n"
