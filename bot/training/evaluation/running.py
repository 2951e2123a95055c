"""``roundtale evaluate``: write, measure, show.

Invariant: standard output has the tables and, as its last line, all figures as one line of
JSON; the report's folder has the page and the same JSON with the stories.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bot.engine.local.store.cache import write_json
from bot.locales import Words
from bot.settings import Settings
from bot.training.errors import UnwritableError
from bot.training.evaluation.evaluating import Report, evaluate
from bot.training.evaluation.keeping import Kept
from bot.training.evaluation.likeness import require_mauve
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.report import (
    concepts_table,
    forms_table,
    goals_table,
    render,
    table,
)
from bot.training.evaluation.results import Results
from bot.training.evaluation.wishes import Wish

_PAGE = "report.html"
_FIGURES = "report.json"
_FILE_WIDTH = 200


def run_evaluation(
    wish: Wish, plan: Plan, *, settings: Settings, words: Words, report: Report, is_quick: bool
) -> Results:
    """Evaluate and write the report.

    Raises:
        EvaluationError: it cannot be made.
        TrainingError: people's texts cannot be read, or the report cannot be written.
        ModelUnavailableError: a model is not on this machine.
        EngineError: the engine failed.
    """
    if wish.wants_mauve:
        require_mauve()
    with _writing(wish.out):
        wish.out.mkdir(parents=True, exist_ok=True)
    results = evaluate(wish, plan, settings=settings, report=report, is_quick=is_quick)
    with _writing(wish.out):
        _write(results, wish.out, words)
    return results


def show(results: Results, folder: Path, words: Words, *, json_only: bool) -> None:
    """Print the tables and the line of JSON.

    Args:
        results: to show.
        folder: where the report is.
        words: the language.
        json_only: no tables.
    """
    if not json_only:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _FILE_WIDTH  # a file has no width of its own
        console.print(table(results, words), "", goals_table(results, words), "")
        if results.forms:
            console.print(forms_table(results, words), "")
        if results.concepts:
            console.print(concepts_table(results, words), "")
        console.print(str(folder / _PAGE))
    sys.stdout.write(json.dumps(results.as_json()) + "\n")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableError(path=folder, cause=error.strerror or str(error)) from error


def _write(results: Results, folder: Path, words: Words) -> None:
    stories = {
        column.name: [
            {"source": each.source, "seed": each.seed, "text": each.whole}
            for each in column.samples
        ]
        for column in results.every_column
        if column is not results.human
    }
    (folder / _PAGE).write_text(render(results, words), "utf-8")
    write_json(folder / _FIGURES, results.as_json() | {"stories": stories})
    Kept(folder).forget()
