"""What Tab offers."""

from collections.abc import Sequence

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from bot.errors import StorageError
from bot.locales import Words
from bot.terminal.completion import CommandCompleter


async def titles(typed: str) -> Sequence[str]:
    return [title for title in ("The Key", "The Kite") if title.startswith(typed)]


async def broken(typed: str) -> Sequence[str]:
    raise StorageError(reason=typed)


async def offered(text: str, completer: CommandCompleter | None = None) -> list[str]:
    completer = completer or CommandCompleter(Words(), titles)
    found = completer.get_completions_async(Document(text), CompleteEvent())
    return [text[: len(text) + one.start_position] + one.text async for one in found]


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("/sta", ["/start"]),
        ("/RET", ["/retry"]),
        ("/story sho", ["/story show"]),
        ("/start a key --ti", ["/start a key --title "]),
        ("/end --", ["/end --now "]),
        ("/continue x --length s", ["/continue x --length short"]),
        ("/export x --format m", ["/export x --format markdown"]),
        ("/pick p", ["/pick previous"]),
        ("/set temp", ["/set temperature"]),
        ("/reset temp", ["/reset temperature"]),
        ("/open The Ki", ["/open The Kite"]),
        ("/delete ", ["/delete The Key", "/delete The Kite"]),
        ("/delete --", ["/delete --yes "]),
        ("/nonsense x", []),
        ("/undo 2 ", []),
        ("Once upon", []),
        ("", []),
    ],
)
async def test_what_can_be_known_is_completed(typed: str, whole: list[str]) -> None:
    assert await offered(typed) == whole


async def test_a_slash_alone_offers_every_command() -> None:
    assert len(await offered("/")) > 20


async def test_titles_are_left_out_where_they_cannot_be_read() -> None:
    assert await offered("/open T", CommandCompleter(Words(), broken)) == []
    assert await offered("/open T", CommandCompleter(Words())) == []
