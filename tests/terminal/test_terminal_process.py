"""The program as people start it: real keys in a real terminal, and pipes; the tiny model writes."""

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terminal.typed_process import (
    AT_PROMPT,
    CTRL_C,
    CTRL_D,
    ENTER,
    TAB,
    UP,
    TypedProcess,
    environment,
    typed_process,
)

pytestmark = pytest.mark.slow

OPENING = "Once upon a time there was a mill."
LIMIT_S = 60.0


async def enter(typed: TypedProcess, line: str) -> str:
    """Type a line as people do: it is seen before Enter is pressed; return what it led to."""
    typed.type(line)
    await typed.see(rf"^› {re.escape(line)}")  # noqa: RUF001 -- the prompt's own sign
    typed.type(ENTER)
    screen = await typed.see(AT_PROMPT)
    return screen.rpartition(line)[2].rpartition("\n")[0].strip()


async def run(folder: Path, *arguments: str, given: str = "", **env: str) -> tuple[int, str, str]:
    """Run the program over pipes; return its status and what went out and to the errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "play", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment(folder, **env),
    )
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate(given.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_story_is_typed_stopped_left_and_found_again(
    tiny_model: Path, tmp_path: Path
) -> None:
    arguments = ["play", "--model", str(tiny_model), "--seed", "3"]
    env: Mapping[str, str] = environment(tmp_path)
    async with typed_process(arguments, env, tmp_path) as typed:
        await typed.see(AT_PROMPT, limit_s=LIMIT_S)
        written = await enter(typed, OPENING)
        assert len(written) > 40

        typed.type("/und")
        await typed.see(r"^› /und$")  # noqa: RUF001
        typed.type(TAB)
        await typed.see(r"^› /undo ?$")  # noqa: RUF001
        typed.type(ENTER)
        await typed.see(rf"(?s)/undo.*{AT_PROMPT}")
        assert written.split()[0] not in (await enter(typed, "/show")).rpartition(OPENING)[2]

        typed.type(UP, UP)
        await typed.see(r"^› /undo ?\Z")  # noqa: RUF001
        typed.type(CTRL_C)
        await typed.see(AT_PROMPT)
        await enter(typed, "/redo")
        assert written.split("\n")[0] in await enter(typed, "/show")

        await enter(typed, "/set passage_length long")
        typed.type("A bell rang.")
        await typed.see(r"^› A bell rang\.")  # noqa: RUF001
        typed.type(ENTER)
        await typed.see(r"(?s)A bell rang\.\n.*\w+ \w+ \w+")  # it has begun to write
        typed.type(CTRL_C)
        screen = await typed.see(rf"(?s)A bell rang\..*Stopped.*{AT_PROMPT}")
        assert "Traceback" not in screen
        typed.type(CTRL_D)
        assert await typed.end() == 0

    async with typed_process(arguments, env, tmp_path) as typed:
        screen = await typed.see(AT_PROMPT, limit_s=LIMIT_S)
        for kept in (OPENING, written.split("\n")[0], "A bell rang."):
            assert kept in screen
        typed.type("/quit", ENTER)
        assert await typed.end() == 0


async def test_places_keep_stories_apart_and_the_same_seed_gives_the_same(
    tiny_model: Path, tmp_path: Path
) -> None:
    stories = []
    for place in ("attic", "cellar"):
        status, story, notes = await run(
            tmp_path,
            *("--batch", "--model", str(tiny_model), "--seed", "5", "--story", place),
            given=f"{OPENING}\nIt rained.\n",
        )
        assert status == 0, notes
        assert "writes" in notes
        stories.append(story)
    assert stories[0] == stories[1]
    assert stories[0].startswith(OPENING + " ")
    assert stories[0].count("It rained.") == 1


@pytest.mark.parametrize(
    ("model", "env", "sentence"),
    [
        ("no/such model", {}, "no/such model"),
        (".", {}, "config.json"),
        ("auto", {"ROUNDTALE_MODEL": "auto", "ROUNDTALE_THREADS": "many"}, "ROUNDTALE_THREADS"),
    ],
)
async def test_what_is_wrong_is_told_in_a_sentence(
    tmp_path: Path, model: str, env: dict[str, str], sentence: str
) -> None:
    status, story, notes = await run(tmp_path, "--batch", "--model", model, given=OPENING, **env)
    assert status not in {0, 130}
    assert story == ""
    assert sentence in notes
    assert "Traceback" not in notes
