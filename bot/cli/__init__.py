"""The command ``roundtale``.

Invariant: ``--help`` loads neither torch nor discord nor SQLAlchemy; every error that
people can cause ends in one sentence on standard error and exit status 1 (2 for a
wrong command line), never in a traceback.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot import __version__
from bot.cli import evaluation, training
from bot.cli.common import ENV_FILE
from bot.cli.common import console as _console
from bot.cli.common import load_settings as _load
from bot.cli.common import locale as _locale
from bot.cli.common import progress as _progress
from bot.errors import ConfigurationError, RoundtaleError
from bot.locales import N_, Words

MAX_SEED = 2**62
"""Seeds are stored as signed 64-bit numbers, and each passage takes the next one."""

app = typer.Typer(
    name="roundtale",
    help="Write stories together with a language model, in Discord and in the terminal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
model_app = typer.Typer(help="The models that can write.", no_args_is_help=True)
db_app = typer.Typer(help="The database that keeps the stories.", no_args_is_help=True)
app.add_typer(model_app, name="model")
app.add_typer(db_app, name="db")
app.add_typer(training.data_app, name="data")
app.command()(training.train)
app.command()(evaluation.evaluate)


def main() -> None:
    """Run the command line."""
    words = Words(_locale())
    try:
        app()
    except RoundtaleError as error:
        _complain(words.error(error.message, error.data))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _complain(sentence: str) -> None:
    typer.secho(sentence, err=True, fg=typer.colors.RED)
    raise SystemExit(1)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"roundtale {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Write stories together with a language model, in Discord and in the terminal."""


@app.command()
def run() -> None:
    """Start the Discord bot with the settings of .env; SIGTERM or Ctrl-C ends it gently."""
    settings = _load()
    if settings.token is None:
        raise ConfigurationError(
            setting="DISCORD_TOKEN",
            reason=N_("is missing; put your bot's token into .env (play works without one)"),
        )
    from bot.app import run_discord  # noqa: PLC0415 -- loads discord.py and SQLAlchemy
    from bot.telemetry import configure_logging  # noqa: PLC0415 -- loads structlog

    configure_logging(settings.log_level, settings.log_format)
    raise SystemExit(asyncio.run(run_discord(settings)))


@app.command()
def play(
    model: Annotated[
        str | None, typer.Option(help="auto, a Hugging Face id, or a folder with a model.")
    ] = None,
    story: Annotated[
        str | None, typer.Option(help="Name of the story's place; each keeps its own story.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_SEED, help="The same turns and seed give the same story."),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option("--batch", help="Read turns from standard input, then print the story."),
    ] = False,
) -> None:
    """Write a story in the terminal: no Discord, no token."""
    from bot.app import run_terminal  # noqa: PLC0415 -- loads SQLAlchemy and rich
    from bot.telemetry import configure_logging  # noqa: PLC0415 -- loads structlog

    settings = _load(model=model)
    # Remarks of the libraries would tear the picture; what goes wrong is shown in place.
    level = "error" if settings.log_level == "info" else settings.log_level
    configure_logging(level, settings.log_format)
    if level != "debug":
        # A model that cannot be loaded ends this command with the same sentence.
        logging.getLogger("bot.service.engine_holder").setLevel(logging.CRITICAL)
    is_batch = batch or sys.stdin is None or not sys.stdin.isatty()
    raise SystemExit(
        asyncio.run(
            run_terminal(settings, place_name=story, seed=seed, is_batch=is_batch, locale=_locale())
        )
    )


@app.command()
def doctor(
    only_play: Annotated[
        bool, typer.Option("--play", help="Check what play needs; a missing token is no fault.")
    ] = False,
) -> None:
    """Say what is wrong and what to do: token, intents, database, model, memory, disk, hub.

    Exit status 1 where something is bad.
    """
    from rich.text import Text  # noqa: PLC0415 -- only what this command shows

    from bot.doctor import Doctor, Finding, Mark, report  # noqa: PLC0415 -- loads pydantic, psutil

    words = Words(_locale())
    console = _console()
    signs = {Mark.GOOD: ("✓", "green"), Mark.WARNING: ("!", "yellow"), Mark.BAD: ("✗", "red")}

    def show(finding: Finding) -> None:
        sign, colour = signs[finding.mark]
        console.print(
            Text.assemble((f"{sign} ", colour), (finding.subject, "bold"), f": {finding.sentence}")
        )
        if finding.remedy:
            console.print(Text(f"    → {finding.remedy}", style="dim"))

    who = Doctor(
        words,
        env_file=ENV_FILE,
        needs_discord=not only_play,
        hub_url=os.environ.get("HF_ENDPOINT"),
    )
    raise SystemExit(asyncio.run(report(who, show)))


@app.command()
def bench(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A name, a Hugging Face id or a folder; may be given several times. Without it, "
            "GPT-2 with random weights and, where it is installed, the packaged model."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two minutes: one model, fewer sizes and baselines.")
    ] = False,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=100, help="Measurements of each figure.")
    ] = None,
    chart: Annotated[Path | None, typer.Option(help="Draw the figures into this PNG file.")] = None,
    json_only: Annotated[
        bool, typer.Option("--json-only", help="No tables, only the line of JSON.")
    ] = False,
) -> None:
    """Measure how fast this machine writes, beside other ways of running the same model.

    The last line is JSON.
    """
    from dataclasses import replace  # noqa: PLC0415 -- only this command changes a plan

    from bot.bench.plan import FULL, QUICK  # noqa: PLC0415 -- only what this command measures
    from bot.bench.running import run_bench  # noqa: PLC0415 -- loads torch and transformers

    settings = _load()
    plan = replace(QUICK if quick else FULL, threads=settings.threads)
    run_bench(
        model or (),
        plan if repeats is None else replace(plan, repeats=repeats),
        cache_dir=settings.cache_dir,
        words=Words(_locale()),
        is_quick=quick,
        chart=chart,
        is_json_only=json_only,
    )


@app.command()
def capacity(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A name, a Hugging Face id or a folder, as for bench."),
    ] = None,
    think: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds that a channel reads and types between two passages."),
    ] = 60.0,
    check: Annotated[
        bool, typer.Option("--check", help="Run 1, 8 and 32 channels on the real engine too.")
    ] = False,
    chart: Annotated[Path | None, typer.Option(help="Draw the figures into this PNG file.")] = None,
) -> None:
    """Tell how many active channels this machine carries, and how long they wait.

    Measures steps of the engine and simulates channels, with the settings of .env. Writes Markdown.
    """
    from bot.bench.capacity import Engine, run_capacity  # noqa: PLC0415 -- loads torch

    settings = _load()
    run_capacity(
        model or (),
        Engine(
            max_active=settings.max_active,
            max_waiting=settings.max_waiting,
            kv_cache_bytes=settings.kv_cache_mib * 2**20,
            device=settings.device,
            precision=settings.precision,
            threads=settings.threads,
        ),
        cache_dir=settings.cache_dir,
        words=Words(_locale()),
        think_s=think,
        should_check=check,
        chart=chart,
    )


@model_app.command("list")
def model_list() -> None:
    """List the known models and which are installed."""
    from rich.table import Table  # noqa: PLC0415 -- only what this command shows

    from bot.engine.local.store import CATALOGUE, list_installed  # noqa: PLC0415 -- lazy

    words = Words(_locale())
    installed = {model.name: model for model in list_installed(_load().cache_dir)}
    table = Table(box=None)
    for heading in (N_("Name"), N_("Installed"), N_("Size"), N_("Licence"), N_("Notes")):
        table.add_column(words(heading))
    for known in CATALOGUE.values():
        model = installed.pop(known.name, None)
        table.add_row(
            known.name,
            "✓" if model else "",
            f"{known.download_bytes / 1e6:.0f} MB",
            known.licence,
            words(known.notes),
        )
    for other in installed.values():
        table.add_row(other.name, "✓", f"{other.size_bytes / 1e6:.0f} MB", "", str(other.path))
    _console().print(table)


@model_app.command("install")
def model_install(
    name: Annotated[str, typer.Argument(help="A name of the list, or any Hugging Face id.")],
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch.")] = None,
) -> None:
    """Fetch a model, check it, and keep it in the cache folder; can be interrupted and resumed."""
    from bot.engine.local.store import install  # noqa: PLC0415 -- lazy

    words = Words(_locale())
    settings = _load()
    with _progress(words) as progress:
        path = asyncio.run(
            install(
                name,
                cache_dir=settings.cache_dir,
                revision=revision,
                hub_timeout_s=settings.hub_timeout_s,
                report=progress,
            )
        )
    typer.echo(words(N_("{name} is installed in {path}."), name=name, path=path))


@model_app.command("info")
def model_info(
    name: Annotated[
        str | None,
        typer.Argument(help="A name, a Hugging Face id or a folder; else what ROUNDTALE_MODEL is."),
    ] = None,
) -> None:
    """Show what is known of a model: revision, size, window, licence, hashes."""
    from bot.engine.local.store import info  # noqa: PLC0415 -- lazy

    words = Words(_locale())
    settings = _load()
    wanted, revision = (name, None) if name else (settings.model, settings.model_revision)
    for label, value in info(wanted, cache_dir=settings.cache_dir, revision=revision).rows():
        typer.echo(f"{words(label)}: {value}")


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this version's schema (run and play do it too)."""
    from bot.storage import upgrade  # noqa: PLC0415 -- loads SQLAlchemy

    words = Words(_locale())
    before, after = asyncio.run(upgrade(_load().database_url))
    message = (
        N_("Schema {after}: nothing to do.")
        if before == after
        else N_("Schema {before} → {after}.")
    )
    typer.echo(words(message, before=before or "-", after=after))


@db_app.command("backup")
def db_backup(
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an older file.")] = False,
) -> None:
    """Write a consistent copy of the database while the bot goes on."""
    from bot.storage import backup  # noqa: PLC0415 -- loads SQLAlchemy

    asyncio.run(backup(_load().database_url, target, should_overwrite=force))
    typer.echo(Words(_locale())(N_("Written to {path}."), path=target))


@db_app.command("check")
def db_check() -> None:
    """Check that the database is whole; exit status 1 where it is not."""
    from bot.storage import check  # noqa: PLC0415 -- loads SQLAlchemy

    words = Words(_locale())
    found = asyncio.run(check(_load().database_url))
    for problem in found.problems:
        typer.secho(words(problem.message, **problem.data), err=True, fg=typer.colors.RED)
    if not found.problems:
        typer.echo(
            words(
                N_("The database is whole: {stories} stories, {passages} passages."),
                stories=found.stories,
                passages=found.passages,
            )
        )
    raise SystemExit(1 if found.problems else 0)
