from pathlib import Path

import typer.main

from bot import cli
from bot.story.formats import FORMATS
from bot.training.data.reading import OPT_IN
from bot.training.fetch.collections import COLLECTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def test_every_option_stands_on_the_page() -> None:
    root = typer.main.get_command(cli.app)
    commands = getattr(root, "commands")  # noqa: B009 -- a group has them
    for command in (commands["train"], commands["data"].commands["fetch"]):
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in PAGE, option


def test_every_collection_and_format_stands_on_the_page() -> None:
    for collection in COLLECTIONS:
        assert f"`{collection.name}`" in PAGE
        assert collection.package in PAGE
    for form in FORMATS:
        assert form in PAGE
    assert f'"{OPT_IN}": true' in PAGE
