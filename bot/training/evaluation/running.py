"""``roundtale evaluate``: write, measure, show.

Invariant: standard output has the tables and, as its last line, all figures as one line of
JSON; the report's folder has the page and the same JSON with the stories; progress goes to
standard error.
"""

import importlib.util
import json
import sys
import time
from typing import TextIO

from rich.console import Console

from bot.locales import Words
from bot.settings import Settings
from bot.training.evaluation.errors import MissingExtraError, ReportUnwritableError
from bot.training.evaluation.evaluating import evaluate
from bot.training.evaluation.keeping import Kept
from bot.training.evaluation.likeness import require_mauve
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.report import goals_table, render, table
from bot.training.evaluation.wishes import Wish

_FILE_WIDTH = 200


class Progress:
    """One line that tells what is done: rewritten on a terminal, now and then a line elsewhere.

    Args:
        out: where it is written.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._begun_s = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how far something is."""
        if not self._is_terminal and done not in {1, total} and done % max(1, total // 4):
            return
        passed_s = time.monotonic() - self._begun_s
        start, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        self._out.write(f"{start}[{passed_s:4.0f} s] {what} {done}/{total}{end}")
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal with an empty line."""
        if self._is_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


def run_evaluation(
    wish: Wish, plan: Plan, *, settings: Settings, words: Words, is_quick: bool, json_only: bool
) -> None:
    """Evaluate, write the report and show the figures.

    Raises:
        EvaluationError: it cannot be made.
        ModelUnavailableError: a model is not on this machine.
        EngineError: the engine failed.
    """
    for library, package in (("jinja2", "jinja2"), ("matplotlib", "matplotlib")):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError(library=package)
    if wish.wants_mauve:
        require_mauve()
    try:
        wish.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportUnwritableError(path=wish.out, cause=error.strerror or str(error)) from error
    progress = Progress(sys.stderr)
    try:
        results = evaluate(wish, plan, settings=settings, report=progress, is_quick=is_quick)
    finally:
        progress.close()
    figures = results.as_json()
    stories = {
        column.name: [
            {"source": each.source, "seed": each.seed, "text": each.whole}
            for each in column.samples
        ]
        for column in results.every_column
        if column is not results.human
    }
    try:
        (wish.out / "report.html").write_text(render(results, words), "utf-8")
        (wish.out / "report.json").write_text(
            json.dumps(figures | {"stories": stories}, indent=1, ensure_ascii=False), "utf-8"
        )
        Kept(wish.out).forget()
    except OSError as error:
        raise ReportUnwritableError(path=wish.out, cause=error.strerror or str(error)) from error
    if not json_only:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _FILE_WIDTH  # a file has no width of its own
        console.print(table(results, words), "", goals_table(results, words), "")
        console.print(str(wish.out / "report.html"))
    sys.stdout.write(json.dumps(figures) + "\n")
