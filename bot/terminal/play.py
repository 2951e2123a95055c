"""The two ways to play: at a prompt, and from standard input.

Invariant: Ctrl-C ends a passage, never the program; an error ends a command, never
the session.
"""

import asyncio
import getpass
import hashlib
import logging
import os
import secrets
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

from bot.errors import RoundtaleError
from bot.locales import N_, Words
from bot.policy.rights import Actor, Place
from bot.story.narrative import narrative
from bot.terminal import render
from bot.terminal.asking import GivenUpError
from bot.terminal.commands import parse
from bot.terminal.completion import CommandCompleter
from bot.terminal.keyboard import interrupts, no_echo
from bot.terminal.session import Services, Session
from bot.terminal.stage import say

log = logging.getLogger(__name__)

PLATFORM = "terminal"
PROMPT = "› "  # noqa: RUF001 -- the prompt's own sign
_CHUNK_BYTES = 2**16
_INTERRUPTED = 128 + signal.SIGINT


def terminal_actor(locale: str = "en") -> Actor:
    """Return the person at the keyboard, who may do everything here."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        name = "you"
    return Actor(
        user_id=1, name=name, is_admin=True, is_moderator=True, locale=locale, platform=PLATFORM
    )


def terminal_place(name: str) -> Place:
    """Return the place of a name; its number is stable from start to start."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
    return Place(
        platform=PLATFORM,
        guild_id=None,
        channel_id=number,
        parent_id=None,
        is_age_restricted=False,
        is_direct=True,
        name=name,
    )


class Prompts:
    """Asks the person at the keyboard.

    Args:
        history: of what was typed at the main prompt.
    """

    def __init__(self, history: History) -> None:
        self._main: PromptSession[str] = PromptSession(history=history, complete_while_typing=True)
        self._other: PromptSession[str] = PromptSession()

    async def line(self, completer: Completer) -> str:
        """Return the next line; Ctrl-C begins it anew.

        Raises:
            EOFError: the person leaves (Ctrl-D).
        """
        while True:
            with suppress(KeyboardInterrupt), patch_stdout(raw=True):
                # Its own handler for SIGINT would take the session's away.
                return await self._main.prompt_async(
                    PROMPT, completer=completer, handle_sigint=False
                )

    async def ask(self, message: str, *, default: str = "", is_multiline: bool = False) -> str:
        """Return an answer.

        Raises:
            EOFError: there is no more to say (Ctrl-D).
            GivenUpError: the command is given up (Ctrl-C).
        """
        try:
            with patch_stdout(raw=True):
                return await self._other.prompt_async(
                    message, default=default, multiline=is_multiline, handle_sigint=False
                )
        except KeyboardInterrupt:
            raise GivenUpError from None


async def play_interactively(
    services: Services,
    *,
    place: Place,
    history_file: Path,
    console: Console,
    words: Words,
    greeting: str,
) -> int:
    """Ask for lines until the person leaves; return the exit status."""
    prompts = Prompts(await asyncio.to_thread(_history, history_file))
    session = Session(
        services,
        terminal_actor(words.locale),
        place,
        console=console,
        notes=console,
        words=words,
        ask=prompts.ask,
    )
    console.print(Text(greeting, style="dim"))
    async with interrupts(session.stop) as answered:
        # Between two prompts too: a second Ctrl-C often comes just then.
        with no_echo():
            return await _converse(session, prompts, console, words, answered)


async def _converse(
    session: Session,
    prompts: Prompts,
    console: Console,
    words: Words,
    answered: Callable[[], Awaitable[None]],
) -> int:
    completer = CommandCompleter(words, session.titles)
    story = await session.story()
    if story is None:
        hint = N_("Type how your story begins, or /start for a concept first; /help lists all.")
        console.print(Text(words(hint)))
    else:
        console.print(render.whole_story(story, words))
    await session.finish_interrupted()
    while True:
        await answered()  # what Ctrl-C did is told before the next prompt
        try:
            line = await prompts.line(completer)
        except EOFError:
            return 0
        if _leaves(line):
            return 0
        await execute(session, line, console, words)


async def play_batch(
    services: Services,
    *,
    place: Place,
    source: int,
    console: Console,
    notes: Console,
    words: Words,
    greeting: str,
) -> int:
    """Take each line of a file descriptor as a turn, then print the story.

    Returns:
        0; 1 where a line could not be done (the rest is done all the same); 130 where
        Ctrl-C ended it early.
    """
    notes.print(Text(greeting, style="dim"))
    session = Session(
        services,
        terminal_actor(words.locale),
        place,
        console=notes,
        notes=notes,
        words=words,
        ask=None,
    )
    status = 0
    interrupted = asyncio.Event()

    async def interrupt() -> None:
        interrupted.set()
        await session.stop()

    lines = read_lines(source)
    async with interrupts(interrupt):
        await session.finish_interrupted()
        while (line := await _next(lines, interrupted)) is not None:
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if _leaves(text):
                break
            if not await execute(session, text, notes, words):
                status = 1
    story = await session.story()
    if story is None:
        notes.print(Text(words(N_("Nothing was written: no words came on standard input."))))
    else:
        text = render.plain(narrative(story))
        if text:
            console.print(Text(text), soft_wrap=True)
    return _INTERRUPTED if interrupted.is_set() else status


async def execute(session: Session, line: str, notes: Console, words: Words) -> bool:
    """Do a line; return whether it could be done."""
    try:
        await session.execute(parse(line))
    except RoundtaleError as error:
        style = "dim" if isinstance(error, GivenUpError) else "red"
        notes.print(Text(say(error, words), style=style))
        return False
    except Exception:
        reference = secrets.token_hex(3).upper()
        log.exception("a command failed", extra={"reference": reference})
        sentence = N_("Something unexpected went wrong ({reference}); see the log.")
        notes.print(Text(words(sentence, reference=reference), style="red"))
        return False
    return True


def _leaves(line: str) -> bool:
    return line.strip().casefold() in {"/quit", "/exit", "/story quit"}


def _history(file: Path) -> History:
    """Return what was typed before; where it cannot be kept it lasts until the end."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with file.open("ab"):
            pass
    except OSError as error:
        log.warning("what is typed cannot be kept: %s", error)
        return InMemoryHistory()
    return FileHistory(str(file))


async def _next(lines: AsyncIterator[bytes], interrupted: asyncio.Event) -> bytes | None:
    """Return the next line; None at the end and after Ctrl-C."""
    if interrupted.is_set():
        return None
    reading = asyncio.ensure_future(anext(lines, None))
    stopping = asyncio.ensure_future(interrupted.wait())
    try:
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading.done() else None
    finally:
        reading.cancel()
        stopping.cancel()


async def read_lines(source: int) -> AsyncIterator[bytes]:
    """Yield the lines of a file descriptor, of whatever kind it is.

    A thread reads, for files cannot be polled; it is a daemon and holds no lock of
    ``sys.stdin``, so that a terminal nobody types at does not hold up the end.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)

    def read() -> None:
        with suppress(Exception):  # the loop is closed: nobody listens any more
            chunk = b"-"
            while chunk:
                try:
                    chunk = os.read(source, _CHUNK_BYTES)
                except OSError:
                    chunk = b""
                asyncio.run_coroutine_threadsafe(chunks.put(chunk), loop).result()

    threading.Thread(target=read, name="standard input", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest
