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


def console() -> "Console":
    """Return the console that people read."""
    from bot.terminal.render import make_console  # noqa: PLC0415 -- rich costs --help 0.1 s

    return make_console()


@contextmanager
def progress(words: Words) -> Iterator[Any]:
    """Show bars on standard error while the context is open."""
    from bot.terminal.progress import show_progress  # noqa: PLC0415 -- rich costs --help 0.1 s

    with show_progress(words) as bars:
        yield bars
