"""The report's charts, each as SVG that stands in the page itself.

Invariant: matplotlib is loaded only here, and draws without a screen.
"""

import io
import math
from collections.abc import Sequence
from typing import Any

from bot.locales import N_, Words
from bot.training.evaluation.figures import FIGURES, Column, Unit
from bot.training.evaluation.results import Results, retention_odds

_SHOWN = (
    *("diversity", "rep_4", "same_openings", "non_words", "bits_per_byte", "cast_kept"),
    *("near_twins", "types_in_60", "reading_ease"),
)
_HUMAN, _SNIPPET = "#2f5d3a", "#8a8f98"
_COLOURS = ("#1b6ca8", "#c98d26", "#7b2d8b", "#2a9d8f", "#b23a48", "#5b5f97", "#8c5a3c")
_ACROSS = 3


def draw_charts(results: Results, words: Words) -> list[str]:
    """Return the charts as SVG elements: the figures side by side, then what is remembered."""
    charts = [_draw_figures(results, words)]
    if any(results.retention.values()):
        charts.append(_draw_retention(results, words))
    return charts


def _colours(results: Results) -> dict[str, str]:
    found = {results.human.name: _HUMAN}
    if results.snippet:
        found[results.snippet.name] = _SNIPPET
    for number, column in enumerate(results.columns):
        found[column.name] = _COLOURS[number % len(_COLOURS)]
    return found


def _draw_figures(results: Results, words: Words) -> str:
    colours = _colours(results)
    figures = [each for each in FIGURES if each.name in _SHOWN]
    rows = -(-len(figures) // _ACROSS)
    columns = results.every_column
    canvas, axes = _canvas(rows, 11.5, rows * (0.9 + 0.28 * len(columns)))
    for number, axis in enumerate(axes):
        if number >= len(figures):
            axis.set_axis_off()
            continue
        figure = figures[number]
        _draw_dots(axis, columns, figure.name, colours, is_share=figure.unit is Unit.SHARE)
        axis.set_title(words(figure.label), fontsize=8, loc="left")
        if number % _ACROSS:
            axis.set_yticklabels([])
    return _svg(canvas)


def _draw_dots(
    axis: Any, columns: Sequence[Column], name: str, colours: dict[str, str], *, is_share: bool
) -> None:
    factor = 100 if is_share else 1
    for place, column in enumerate(reversed(columns)):
        interval = column.figures.get(name)
        if interval is None:
            continue
        colour = colours[column.name]
        axis.plot([factor * interval.mean], [place], "o", color=colour, markersize=5)
        if not math.isnan(interval.low):
            ends = [factor * interval.low, factor * interval.high]
            axis.plot(ends, [place, place], "-", color=colour, linewidth=1.8)
    axis.set_yticks(range(len(columns)), [column.name for column in reversed(columns)], fontsize=7)
    axis.set_ylim(-0.6, len(columns) - 0.4)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    if is_share:
        axis.xaxis.set_major_formatter("{x:g} %")


def _draw_retention(results: Results, words: Words) -> str:
    canvas, axes = _canvas(1, 7.5, 3.2, across=1)
    (axis,) = axes
    for number, (model, found) in enumerate(results.retention.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for has_recap in (False, True):
            points = [each for each in found if each.has_recap is has_recap]
            odds = [retention_odds(each, results.plan.draws) for each in points]
            at = [each.distance for each in points]
            how = words(N_("with recap")) if has_recap else words(N_("told once"))
            axis.plot(
                at,
                [each.mean for each in odds],
                "--" if has_recap else "-",
                marker="o",
                markersize=4,
                color=colour,
                label=f"{model}, {how}",
            )
            axis.fill_between(
                at,
                [each.low for each in odds],
                [each.high for each in odds],
                color=colour,
                alpha=0.12,
            )
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.set_xlabel(words(N_("tokens between the fact and the question")), fontsize=8)
    axis.set_ylabel(words(N_("the true name is likelier by (nats)")), fontsize=8)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=7, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return _svg(canvas)


def _canvas(rows: int, width: float, height: float, across: int = _ACROSS) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 -- an extra
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415 -- an extra

    drawing = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(drawing)
    return drawing, list(drawing.subplots(rows, across, squeeze=False).flat)


def _svg(drawing: Any) -> str:
    out = io.StringIO()
    drawing.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
