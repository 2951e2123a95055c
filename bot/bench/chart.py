"""The figures as one picture.

Invariant: matplotlib is loaded only here, and draws without a screen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.bench.errors import ChartUnwritableError
from bot.bench.machine import Machine
from bot.bench.plain import SNIPPET
from bot.bench.results import ModelFigures, Results
from bot.extras import require_libraries
from bot.locales import N_, Words

_WIDTH_IN, _ROW_IN, _DPI = 11.0, 4.4, 110
_SNIPPET_COLOUR = "#8a8f98"
_OTHER_COLOURS = ("#e3c878", "#c98d26", "#d98c7a", "#8c5a3c")
_OUR_COLOURS = ("#1b6ca8", "#2a9d8f", "#7b2d8b")


def require_chart(path: Path) -> None:
    """See, before anything is measured, that the chart can be drawn.

    Raises:
        ExtraMissingError: matplotlib is not installed.
        ChartUnwritableError: the folder is not there.
    """
    require_libraries(["matplotlib"], what="--chart", extra="plots")
    if not path.absolute().parent.is_dir():
        raise ChartUnwritableError(path=path, cause="no such folder")


def draw(results: Results, path: Path, words: Words) -> None:
    """Draw throughput and first tokens of every model into a PNG file.

    Raises:
        ChartUnwritableError: the file cannot be written.
    """
    models = results.models
    with rows_of_two(path, results.machine, len(models), _ROW_IN * len(models) + 0.5) as rows:
        for (speeds, first), model in zip(rows, models, strict=True):
            ways = list(dict.fromkeys(each.way for each in model.throughput))
            colours = _colours(ways)
            _draw_speeds(speeds, model, ways, colours, words)
            _draw_first(first, model, ways, colours, words)


@contextmanager
def rows_of_two(path: Path, machine: Machine, count: int, height_in: float) -> Iterator[Any]:
    """Give rows of two axes to draw in, (count, 2), and write them into a PNG file at the end.

    Raises:
        ChartUnwritableError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 -- an extra

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure.subplots(count, 2, squeeze=False)
    figure.suptitle(
        f"{machine.processor}, {machine.threads} threads, torch {machine.versions.get('torch', '')}",
        fontsize="medium",
    )
    try:
        figure.savefig(path, dpi=_DPI, format="png")
    except OSError as error:
        raise ChartUnwritableError(path=path, cause=error.strerror or str(error)) from error


def _colours(ways: Sequence[str]) -> dict[str, str]:
    ours = [way for way in ways if way.startswith("Roundtale")]
    others = [way for way in ways if way not in ours and way != SNIPPET]
    found = {SNIPPET: _SNIPPET_COLOUR}
    for number, way in enumerate(others):
        found[way] = _OTHER_COLOURS[number % len(_OTHER_COLOURS)]
    for number, way in enumerate(ours):
        found[way] = _OUR_COLOURS[number % len(_OUR_COLOURS)]
    return found


def _draw_speeds(
    axes: Any, model: ModelFigures, ways: Sequence[str], colours: dict[str, str], words: Words
) -> None:
    batches = sorted({each.batch for each in model.throughput})
    groups = [[model.speed(way, batch) for batch in batches] for way in ways]
    _bars(
        axes,
        [str(batch) for batch in batches],
        {
            way: [each.tokens_s.median if each else None for each in group]
            for way, group in zip(ways, groups, strict=True)
        },
        colours,
    )
    axes.set_title(f"{model.name}: {words(N_('tokens a second'))}", fontsize="medium")
    axes.set_xlabel(words(N_("texts at once")))
    handles, labels = axes.get_legend_handles_labels()
    in_order = sorted(zip(labels, handles, strict=True), key=lambda pair: ways.index(pair[0]))
    axes.legend(
        [handle for _, handle in in_order],
        [label for label, _ in in_order],
        fontsize="small",
        frameon=False,
        loc="upper left",
    )


def _draw_first(
    axes: Any, model: ModelFigures, ways: Sequence[str], colours: dict[str, str], words: Words
) -> None:
    shapes = list(dict.fromkeys((each.prompt, each.cached) for each in model.first_token))
    values: dict[str, list[float | None]] = {}
    for way in ways:
        found = [model.first(way, prompt, cached) for prompt, cached in shapes]
        values[way] = [each.ms.median if each else None for each in found]
    labels = [
        words(N_("{cached} cached + {new}"), cached=cached, new=prompt) if cached else f"{prompt}"
        for prompt, cached in shapes
    ]
    _bars(axes, labels, values, colours)
    axes.set_yscale("log")
    axes.set_title(f"{model.name}: {words(N_('ms to the first token'))}", fontsize="medium")
    axes.set_xlabel(words(N_("tokens of the prompt")))


def _bars(
    axes: Any,
    labels: Sequence[str],
    values: dict[str, list[float | None]],
    colours: dict[str, str],
) -> None:
    """Draw groups of bars; in each only the ways that were measured, side by side, with figures."""
    width = 0.86 / max(1, len(values))
    named: set[str] = set()
    for place in range(len(labels)):
        here = [(way, each[place]) for way, each in values.items() if each[place] is not None]
        for number, (way, value) in enumerate(here):
            bar = axes.bar(
                place + (number - (len(here) - 1) / 2) * width,
                value,
                width * 0.92,
                color=colours[way],
                label=None if way in named else way,
            )
            named.add(way)
            axes.bar_label(bar, fmt="%.0f", fontsize=7, padding=1, rotation=90)
    axes.set_xticks(range(len(labels)), labels)
    axes.margins(y=0.14)
    axes.spines[["top", "right"]].set_visible(False)
