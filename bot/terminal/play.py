"""The two ways to play: at a prompt, and from standard input.

Invariant: Ctrl-C ends a passage, never the program; an error ends a command, never
the session.
"""

import asyncio
import getpass
import hashlib
import logging
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

from bot.errors import RoundtaleError
from bot.locales import N_, Words
from bot.policy.rights import Actor, Place
from bot.story.narrative import narrative
from bot.terminal import render
from bot.terminal.commands import COMMANDS, parse
from bot.terminal.session import Services, Session
from bot.terminal.stage import say

log = logging.getLogger(__name__)


def terminal_actor(locale: str = "en") -> Actor:
    """Return the person at the keyboard, who may do everything here."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        name = "you"
    return Actor(
        user_id=1, name=name, is_admin=True, is_moderator=True, locale=locale, platform="terminal"
    )


def terminal_place(name: str) -> Place:
    """Return the place of a name; its number is stable from start to start."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
    return Place(
        platform="terminal",
        guild_id=None,
        channel_id=number,
        parent_id=None,
        is_age_restricted=False,
        is_direct=True,
        name=name,
    )


class CommandCompleter(Completer):
    """Completes command names and their options."""

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what may stand at the cursor."""
        before = document.text_before_cursor
        if not before.startswith("/"):
            return
        name, space, rest = before[1:].partition(" ")
        if not space:
            for command in COMMANDS.values():
                if command.name.startswith(name):
                    yield Completion(
                        command.name, start_position=-len(name), display_meta=command.help
                    )
            return
        typed = COMMANDS.get(name)
        word = rest.rpartition(" ")[2]
        if typed is not None and word.startswith("-"):
            for option in (*typed.options, *typed.flags):
                if f"--{option}".startswith(word):
                    yield Completion(f"--{option} ", start_position=-len(word))


async def play_interactively(
    services: Services,
    *,
    place_name: str,
    history_file: Path,
    console: Console,
    words: Words,
    greeting: str,
) -> int:
    """Ask for lines until the person leaves; return the exit status."""
    await asyncio.to_thread(history_file.parent.mkdir, parents=True, exist_ok=True)
    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(history_file)),
        completer=CommandCompleter(),
        complete_while_typing=True,
    )
    asking: PromptSession[str] = PromptSession()

    async def ask(message: str, default: str) -> str:
        try:
            with patch_stdout(raw=True):
                return await asking.prompt_async(message, default=default)
        except KeyboardInterrupt as error:
            raise EOFError from error

    session = Session(
        services,
        terminal_actor(),
        terminal_place(place_name),
        console=console,
        notes=console,
        words=words,
        ask=ask,
    )
    console.print(Text(greeting, style="dim"))
    story = await session.story()
    if story is None:
        console.print(
            Text(
                words(
                    N_(
                        "Type how your story begins, or /start for a concept first; /help lists all."
                    )
                )
            )
        )
    else:
        console.print(render.whole_story(story, words))
    while True:
        try:
            with patch_stdout(raw=True):
                line = await prompt.prompt_async("› ")  # noqa: RUF001 -- the prompt's own sign
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if line.strip() in {"/quit", "/exit", "/story quit"}:
            return 0
        async with _stoppable(session):
            await _execute(session, line, console, words)


async def play_batch(
    services: Services, *, place_name: str | None, words: Words, greeting: str
) -> int:
    """Take each line of standard input as a turn, then print the story.

    Returns:
        0, or 1 where a line could not be done (the rest is done all the same).
    """
    notes = render.make_console(to_stderr=True)
    console = render.make_console()
    notes.print(Text(greeting, style="dim"))
    session = Session(
        services,
        terminal_actor(),
        # Without a name every run is a story of its own.
        terminal_place(place_name or f"batch-{secrets.token_hex(4)}"),
        console=notes,
        notes=notes,
        words=words,
        ask=None,
    )
    status = 0
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        async with _stoppable(session):
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if not await _execute(session, text, notes, words):
                status = 1
    story = await session.story()
    if story is not None:
        console.print(Text(narrative(story)), soft_wrap=True)
    return status


async def _execute(session: Session, line: str, console: Console, words: Words) -> bool:
    try:
        await session.execute(parse(line))
    except RoundtaleError as error:
        console.print(Text(say(error, words), style="red"))
        return False
    except Exception:
        reference = secrets.token_hex(3).upper()
        log.exception("a command failed", extra={"reference": reference})
        sentence = N_("Something unexpected went wrong ({reference}); see the log.")
        console.print(Text(words(sentence, reference=reference), style="red"))
        return False
    return True


@asynccontextmanager
async def _stoppable(session: Session) -> AsyncIterator[None]:
    """Let Ctrl-C stop the passage under way while the context is open."""
    loop = asyncio.get_running_loop()
    stops: set[asyncio.Task[None]] = set()

    def stop() -> None:
        task = asyncio.ensure_future(session.stop())
        stops.add(task)
        task.add_done_callback(stops.discard)

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
        if stops:
            await asyncio.gather(*stops, return_exceptions=True)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
