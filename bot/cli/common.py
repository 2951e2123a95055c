"""What every command needs: settings, words, the console, progress bars.

Invariant: nothing here is imported before a command runs but typer and the words.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.locales import Words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from bot.settings import Settings

ENV_FILE = Path(".env")


def locale() -> str:
    """Return the language that the terminal asks for, such as ``de_DE``."""
    given = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    return (given or "en").split(".")[0]


def load_settings(**overrides: object) -> "Settings":
    """Read the operator's settings; what the command line gives goes before them."""
    from bot.settings import Settings  # noqa: PLC0415 -- pydantic costs --help 0.1 s

    return Settings.load(ENV_FILE, **overrides)


def console(*, to_stderr: bool = False) -> "Console":
    """Return the console that people read."""
    from bot.terminal.render import make_console  # noqa: PLC0415 -- rich costs --help 0.1 s

    return make_console(to_stderr=to_stderr)


@contextmanager
def progress(words: Words) -> Iterator[Any]:
    """Show bars on standard error while the context is open."""
    from bot.terminal.progress import show_progress  # noqa: PLC0415 -- rich costs --help 0.1 s

    with show_progress(words) as bars:
        yield bars


class Bars:
    """A bar for the stage under way, and lines that stay; lines alone where no bar can be drawn.

    Args:
        bars: rich's live display.
        words: the language.
    """

    def __init__(self, bars: "Progress", words: Words) -> None:
        self._bars = bars
        self._words = words
        self._stage: str | None = None
        self._task: TaskID | None = None

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Show that ``done`` of ``total`` are behind."""
        if stage != self._stage:
            self._stage = stage
            if self._task is not None:
                self._bars.remove_task(self._task)
            if self._bars.disable:
                self._bars.console.print(f"{self._words(stage)} …")
            self._task = self._bars.add_task(self._words(stage), total=total)
        if self._task is not None:
            self._bars.update(self._task, completed=done or 0, total=total)

    def say(self, message: str, **data: object) -> None:
        """Print a line."""
        self._bars.console.print(self._words(message, **data))


@contextmanager
def steps(words: Words) -> Iterator[Bars]:
    """Show a bar for each stage of what takes long, on standard error."""
    from rich.progress import (  # noqa: PLC0415 -- rich costs --help 0.1 s
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown_on = console(to_stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=shown_on,
        transient=True,
        disable=not shown_on.is_terminal or shown_on.is_dumb_terminal,
    ) as bars:
        yield Bars(bars, words)
