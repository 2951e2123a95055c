"""Progress bars for what takes a while: fetching, checking and converting a model."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from bot.locales import Words
from bot.terminal.render import make_console


class _Amount(DownloadColumn):
    """How much is done; nothing where nobody knows how much there is."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        return super().render(task) if task.total is not None else Text()


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
        self._told: set[str] = set()

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Show that ``done`` of ``total`` (bytes or steps; None where unknown) are behind."""
        if self._progress.disable:
            self._tell(stage, total)
            return
        if stage not in self._tasks:
            for other, task in list(self._tasks.items()):
                finished = self._progress.tasks[self._progress.task_ids.index(task)].total
                if finished is None:
                    self._progress.remove_task(self._tasks.pop(other))
                else:
                    self._progress.update(task, completed=finished)
            self._tasks[stage] = self._progress.add_task(self._words(stage), total=total)
        self._progress.update(self._tasks[stage], completed=done or 0, total=total)

    def _tell(self, stage: str, total: int | None) -> None:
        """Say in a line of its own what takes a while, where bars cannot be drawn."""
        if total is not None and stage not in self._told:
            self._told.add(stage)
            self._progress.console.print(f"{self._words(stage)} …")

    def close(self) -> None:
        """Take the bars off the screen."""
        self._progress.stop()


@contextmanager
def show_progress(words: Words) -> Iterator[Bars]:
    """Show bars on standard error while the context is open."""
    columns = (TextColumn("{task.description}"), BarColumn(), _Amount(), TimeElapsedColumn())
    console = make_console(to_stderr=True)
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal or console.is_dumb_terminal,
    ) as progress:
        yield Bars(progress, words)
