"""The curves of a training as one picture.

Invariant: matplotlib is loaded only here and in the search's chart, and draws without a screen.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.locales import N_, Words
from bot.training.loop import Course, Point

_SIZE_IN, _DPI = (11.0, 4.2), 110
_TRAINING, _VALIDATION, _BASE = "#8a8f98", "#1b6ca8", "#c98d26"


def draw_curves(course: Course, path: Path, words: Words, *, title: str) -> None:
    """Draw loss and perplexity by step into a PNG file."""
    figure = new_figure(_SIZE_IN)
    loss, perplexity = figure.subplots(1, 2)
    _lines(loss, course, words, lambda value: value)
    loss.set_title(words(N_("loss, nats a token")), fontsize="medium")
    _lines(perplexity, course, words, math.exp)
    perplexity.set_title(words(N_("perplexity by token")), fontsize="medium")
    perplexity.legend(frameon=False, fontsize="small")
    figure.suptitle(title, fontsize="medium")
    save(figure, path)


def new_figure(size_in: tuple[float, float]) -> Any:
    """Return an empty figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 -- an extra

    figure = Figure(figsize=size_in, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(path, dpi=_DPI, format="png")


def _lines(axes: Any, course: Course, words: Words, value: Any) -> None:
    def plot(points: Sequence[Point], **style: Any) -> None:
        axes.plot([each.step for each in points], [value(each.loss) for each in points], **style)

    plot(course.training, color=_TRAINING, linewidth=1, label=words(N_("tales read")))
    plot(course.validation, color=_VALIDATION, marker="o", label=words(N_("validation")))
    best = min(course.validation, key=lambda point: point.loss)
    axes.plot([best.step], [value(best.loss)], "o", color=_VALIDATION, markersize=10, alpha=0.4)
    if course.validation[0].step == 0:
        axes.axhline(
            value(course.validation[0].loss),
            color=_BASE,
            linestyle="--",
            linewidth=1,
            label=words(N_("base model")),
        )
    axes.annotate(
        f"{value(best.loss):.2f}",
        (best.step, value(best.loss)),
        textcoords="offset points",
        xytext=(0, -14),
        ha="center",
        fontsize="small",
    )
    axes.set_xlabel(words(N_("step")))
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
