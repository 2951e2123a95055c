"""Progress bars for what takes a while: fetching, checking and converting a model."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from bot.locales import Words
from bot.terminal.render import make_console


class Bars:
    """One bar for each stage; called from any thread.

    Args:
        progress: rich's live display, which has a lock of its own.
        words: the language.
    """

    def __init__(self, progress: Progress, words: Words) -> None:
        self._progress = progress
        self._words = words
        self._tasks: dict[str, TaskID] = {}

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Show that ``done`` of ``total`` (bytes or steps; None where unknown) are behind."""
        if stage not in self._tasks:
            for task in self._tasks.values():
                finished = self._progress.tasks[task].total or 1
                self._progress.update(task, completed=finished, total=finished)
            self._tasks[stage] = self._progress.add_task(self._words(stage), total=total)
        self._progress.update(self._tasks[stage], completed=done or 0, total=total)

    def close(self) -> None:
        """Take the bars off the screen."""
        self._progress.stop()


@contextmanager
def show_progress(words: Words) -> Iterator[Bars]:
    """Show bars on standard error while the context is open."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=make_console(to_stderr=True), transient=True) as progress:
        yield Bars(progress, words)
