"""What is to be evaluated, and which columns that makes.

Invariant: columns stand in the order in which they were asked for, each model's own first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.training.evaluation.ablations import find_ablation
from bot.training.evaluation.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be evaluated.

    Attributes:
        models: names, hub ids or folders.
        settings: further columns: settings that differ, "temperature=0.8,top_p=0.95".
        without: further columns: measures that are left out, by name.
        human: people's texts: files and folders of tales.
        against: texts that must not be copied; people's where there are none.
        out: the report's folder.
        wants_mauve: whether MAUVE is measured too.
    """

    models: Sequence[str]
    human: Sequence[Path]
    settings: Sequence[str] = ()
    without: Sequence[str] = ()
    against: Sequence[Path] = ()
    out: Path
    wants_mauve: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One column that is to be written."""

    name: str
    model: str
    settings: Mapping[str, str]
    without: str = ""


def parse_settings(given: str) -> dict[str, str]:
    """Return settings by name from "temperature=0.8,top_p=0.95".

    Raises:
        SettingError: it is not written so.
    """
    found: dict[str, str] = {}
    for each in given.split(","):
        name, is_there, value = each.partition("=")
        if not (name.strip() and is_there and value.strip()):
            raise SettingError(given=given)
        found[name.strip()] = value.strip()
    return found


def label_models(models: Sequence[str]) -> dict[str, str]:
    """Return what models are called in the tables: a folder's name, or all of its path where two share it."""
    short = {model: Path(model).name or model for model in models}
    shared = [label for label in short.values() if list(short.values()).count(label) > 1]
    return {model: model if label in shared else label for model, label in short.items()}


def columns_wanted(wish: Wish) -> list[Wanted]:
    """Return the columns in order: each model as it is, with each setting, without each measure.

    Raises:
        SettingError: a setting is not written as it should be.
        UnknownMeasureError: there is no such measure to leave out.
    """
    found: list[Wanted] = []
    for model, short in label_models(wish.models).items():
        found.append(Wanted(name=short, model=model, settings={}))
        found += [
            Wanted(name=f"{short} {given}", model=model, settings=parse_settings(given))
            for given in wish.settings
        ]
        for name in wish.without:
            find_ablation(name)
            found.append(
                Wanted(name=f"{short} without {name}", model=model, settings={}, without=name)
            )
    return found
