"""Waiting and reading over the number of channels, as one picture.

Invariant: nothing here loads matplotlib; see ``chart.rows_of_two``.
"""

from pathlib import Path
from typing import Any

from bot.bench.capacity_figures import FIRST_GOALS_S, READING_WORDS_S, Capacity, ModelCapacity
from bot.bench.chart import rows_of_two
from bot.bench.simulation import Installation
from bot.locales import N_, Words

_ROW_IN = 4.2
_COLOURS = ("#1b6ca8", "#2a9d8f", "#c98d26")
_GOAL_COLOUR = "#8a8f98"


def draw_capacity(capacity: Capacity, path: Path, words: Words) -> None:
    """Draw a row for each model into a PNG file; see ``chart.require_chart``.

    Raises:
        ChartUnwritableError: the file cannot be written.
    """
    models = capacity.models
    with rows_of_two(path, capacity.machine, len(models), _ROW_IN * len(models) + 0.4) as rows:
        for (waiting, reading), model in zip(rows, models, strict=True):
            _draw_waiting(waiting, model, words)
            _draw_reading(reading, model, words)


def _draw_waiting(axes: Any, model: ModelCapacity, words: Words) -> None:
    for scenario, colour in zip(model.scenarios, _COLOURS, strict=False):
        channels = [row.channels for row in scenario.rows]
        name = _name(scenario.installation, words)
        axes.plot(
            channels,
            [row.first_p95_s for row in scenario.rows],
            color=colour,
            marker="o",
            markersize=3,
            label=f"{name}, p95",
        )
        axes.plot(
            channels,
            [row.first_p50_s for row in scenario.rows],
            color=colour,
            linestyle=":",
            label=f"{name}, p50",
        )
    for limit_s in FIRST_GOALS_S:
        _draw_goal(axes, limit_s, f"{limit_s:g} s")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_title(
        f"{model.name}, {model.precision}: {words(N_('seconds to the first word'))}",
        fontsize="medium",
    )
    _finish(axes, model, words)


def _draw_reading(axes: Any, model: ModelCapacity, words: Words) -> None:
    for scenario, colour in zip(model.scenarios, _COLOURS, strict=False):
        axes.plot(
            [row.channels for row in scenario.rows],
            [row.words_s_p5 for row in scenario.rows],
            color=colour,
            marker="o",
            markersize=3,
            label=_name(scenario.installation, words),
        )
    _draw_goal(axes, READING_WORDS_S, words(N_("{speed} words/s"), speed=f"{READING_WORDS_S:g}"))
    axes.set_ylim(bottom=0)
    axes.set_title(
        f"{model.name}: {words(N_('words a second that 95 of 100 passages reach'))}",
        fontsize="medium",
    )
    _finish(axes, model, words)


def _name(installation: Installation, words: Words) -> str:
    return words(
        N_("{active} at once, {cache} MiB"),
        active=installation.max_active,
        cache=f"{installation.kv_cache_bytes // 2**20:,}",
    )


def _draw_goal(axes: Any, value: float, label: str) -> None:
    axes.axhline(value, color=_GOAL_COLOUR, linewidth=0.8, linestyle="--")
    axes.annotate(
        label,
        (1, value),
        xytext=(0, 2),
        textcoords="offset points",
        fontsize="small",
        color=_GOAL_COLOUR,
    )


def _finish(axes: Any, model: ModelCapacity, words: Words) -> None:
    counts = [row.channels for row in model.scenarios[0].rows]
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel(
        words(N_("channels that think {think} s on average"), think=f"{model.workload.think_s:g}")
    )
    axes.legend(fontsize="small", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
