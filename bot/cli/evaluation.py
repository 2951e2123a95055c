"""``roundtale evaluate``.

Invariant: torch is loaded only once the command line was found to be right.
"""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.engine.local import shorten_waits
from bot.locales import Words


def evaluate(
    *,
    human: Annotated[
        list[Path],
        typer.Option(
            help="People's texts to compare with: files and folders of tales, as for train."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A name, a Hugging Face id or a folder; may be given several times."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="One more column: NAME=VALUE as admins set it, several joined by commas."
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="One more column: a measure that is left out, such as loops or drift."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Texts that must not be copied; people's where none is given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The report's folder.")] = Path("evaluation"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Two minutes: few and short stories.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Stories from each of 30 openings.")
    ] = None,
    turns: Annotated[
        int | None,
        typer.Option(min=1, max=50, help="Passages of the model in each story, at most."),
    ] = None,
    words: Annotated[
        int | None, typer.Option(min=20, max=5000, help="To which each story is cut.")
    ] = None,
    formats: Annotated[
        int,
        typer.Option(min=0, max=1000, help="Stories in each format whose form is checked too."),
    ] = 0,
    concepts: Annotated[
        int,
        typer.Option(min=0, max=10_000, help="Concept cards that are counted too."),
    ] = 0,
    mauve: Annotated[
        bool, typer.Option("--mauve", help="MAUVE too, where mauve-text is installed.")
    ] = False,
    json_only: Annotated[
        bool, typer.Option("--json-only", help="No tables, only the line of JSON.")
    ] = False,
) -> None:
    """Measure how good stories are, beside people's and beside plain greedy text.

    The last line is JSON; the folder gets report.html and report.json.
    """
    from dataclasses import replace  # noqa: PLC0415 -- only this command changes a plan

    from bot.extras import require_libraries  # noqa: PLC0415 -- before torch is loaded

    require_libraries(
        ("jinja2", "matplotlib", "spellchecker"), what="roundtale evaluate", extra="evaluate"
    )
    shorten_waits()
    from bot.training.evaluation.plan import FULL, QUICK  # noqa: PLC0415 -- only this command's
    from bot.training.evaluation.running import run_evaluation, show  # noqa: PLC0415 -- loads torch
    from bot.training.evaluation.wishes import Wish  # noqa: PLC0415 -- only this command's

    language = Words(common.locale())
    operator = common.load_settings()
    plan = QUICK if quick else FULL
    with common.steps(language) as bars:
        results = run_evaluation(
            Wish(
                models=model or [operator.model],
                human=human,
                settings=settings or (),
                without=without or (),
                against=against or (),
                out=out,
                wants_mauve=mauve,
            ),
            replace(
                plan,
                seeds=seeds or plan.seeds,
                turns=turns or plan.turns,
                words=words or plan.words,
                formats=formats,
                concepts=concepts,
            ),
            settings=operator,
            words=language,
            report=bars.report,
            is_quick=quick,
        )
    show(results, out, language, json_only=json_only)
