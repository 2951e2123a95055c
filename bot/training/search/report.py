"""What a search found: a page, a chart, the figures.

Invariant: every number is one that was measured in this search.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.engine.local.store.cache import write_json
from bot.locales import N_, Words
from bot.training.curves import new_figure, save
from bot.training.recipe import Method, Recipe
from bot.training.search.choosing import Finalist, Settings, difference_error

PAGE, CHART, FIGURES = "search.md", "search.png", "search.json"
DEPENDS = N_(
    "The best learning rate depends on the budget: this one was found with {rows} rows of {tokens} tokens. For a longer training take a lower one, or search with a longer limit of time."
)
_SIZE_IN = (8.0, 4.8)
_COLOURS = {0: "#7b2d8b", 4: "#2a9d8f", 8: "#c98d26", 16: "#1b6ca8"}
_LEFT_EARLY = "#8a8f98"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Settings that were tried on the first fold.

    Attributes:
        number: of the trial.
        settings: what they are.
        losses: nats a token, after each validation.
        is_complete: whether they were tried to the end.
    """

    number: int
    settings: Settings
    losses: tuple[float, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found."""

    base: str
    recipe: Recipe
    rows: int
    tried: tuple[Tried, ...]
    finalists: tuple[Finalist, ...]
    chosen: Finalist
    is_by_source: bool
    tales: int
    held_out: int
    took_s: float

    def options(self) -> str:
        """Return the options of ``roundtale train`` that take the chosen settings."""
        settings = self.chosen.settings
        rank = f" --rank {settings.rank}" if settings.rank else ""
        method = "" if self.recipe.method is Method.LORA else " --method full"
        return (
            f"--learning-rate {settings.learning_rate:.2g} --batch {settings.batch_rows}"
            f"{rank}{method}"
        )

    def warning(self, words: Words) -> str:
        """Return what must be known of the chosen learning rate."""
        return words(DEPENDS, rows=self.rows, tokens=self.recipe.window_tokens)


def write_report(found: Found, into: Path, words: Words) -> None:
    """Write page, chart and figures into a folder."""
    _draw(found, into / CHART, words)
    figures = {
        "base": found.base,
        "recipe": found.recipe.as_json(),
        "rows": found.rows,
        "tales": found.tales,
        "held_out": found.held_out,
        "folds_by_source": found.is_by_source,
        "took_s": round(found.took_s, 1),
        "tried": [asdict(each) for each in found.tried],
        "finalists": [asdict(each) for each in found.finalists],
        "chosen": found.chosen.number,
    }
    write_json(into / FIGURES, json.loads(json.dumps(figures)))
    (into / PAGE).write_text(_page(found, words), encoding="utf-8")


def _page(found: Found, words: Words) -> str:
    best = min(found.finalists, key=lambda each: each.mean)
    count = len(found.chosen.losses)
    whole = (
        "The tales of a source stay in one fold."
        if found.is_by_source
        else "One source has most of the text, so that folds are of whole tales."
    )
    lines = [
        "# Search for settings",
        "",
        (
            f"{found.base}, {found.recipe.method.value}, {found.rows} rows a trial, "
            f"{found.tales} tales in folds; {found.held_out} tales were taken away before as a test set "
            f"that no trial saw. {whole}"
        ),
        "",
        (
            f"{len(found.tried)} settings were tried on the first fold, "
            f"{sum(not each.is_complete for each in found.tried)} of them left early by successive "
            f"halving; the best {len(found.finalists)} on {count} folds, with the same rows and seeds."
        ),
        "",
        "| trial | rank | learning rate | rows a step | perplexity | above the best, ± standard error |",
        "|---|---|---|---|---|---|",
        *(_row(each, best, is_chosen=each == found.chosen) for each in found.finalists),
        "",
        (
            "Chosen (in bold): of those whose mean is within one standard error of the best, in paired "
            "differences over folds, the one with the lowest rank and learning rate."
        ),
        "",
        f"    roundtale train {found.options()}",
        "",
        found.warning(words),
        "",
        f"![settings tried]({CHART})",
        "",
        f"It took {found.took_s / 60:.1f} minutes.",
        "",
    ]
    return "\n".join(lines)


def _row(each: Finalist, best: Finalist, *, is_chosen: bool) -> str:
    mark = "**" if is_chosen else ""
    settings = each.settings
    above = (
        "" if each is best else f"{each.mean - best.mean:.4f} ± {difference_error(each, best):.4f}"
    )
    return (
        f"| {mark}{each.number}{mark} | {settings.rank or '-'} | {settings.learning_rate:.2g} "
        f"| {settings.batch_rows} | {math.exp(each.mean):.2f} | {above} |"
    )


def _draw(found: Found, path: Path, words: Words) -> None:
    figure = new_figure(_SIZE_IN)
    axes: Any = figure.subplots()
    named: set[str] = set()
    for each in found.tried:
        label = (
            words(N_("rank {rank}"), rank=each.settings.rank)
            if each.settings.rank
            else words(N_("all weights"))
        )
        if not each.is_complete:
            label = words(N_("left early"))
        axes.plot(
            each.settings.learning_rate,
            math.exp(each.losses[-1]),
            "o" if each.is_complete else "x",
            color=_COLOURS.get(each.settings.rank) if each.is_complete else _LEFT_EARLY,
            label=None if label in named else label,
        )
        named.add(label)
    chosen = next(each for each in found.tried if each.number == found.chosen.number)
    axes.plot(
        chosen.settings.learning_rate,
        math.exp(chosen.losses[-1]),
        "o",
        markersize=16,
        fillstyle="none",
        color="black",
        label=words(N_("chosen")),
    )
    axes.set_xscale("log")
    axes.set_xlabel(words(N_("learning rate")))
    axes.set_ylabel(words(N_("validation perplexity on the first fold")))
    axes.set_title(
        words(N_("{base}: {rows} rows a trial"), base=found.base, rows=found.rows),
        fontsize="medium",
    )
    axes.legend(frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)
