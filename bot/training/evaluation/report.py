"""The figures for people: a table in the terminal, and one HTML page that holds everything.

Invariant: both show the same numbers; the page loads nothing from elsewhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from rich.table import Table

from bot.locales import N_, Words
from bot.training.evaluation.charts import draw_charts
from bot.training.evaluation.figures import FIGURES, Figure, Unit
from bot.training.evaluation.forms import GenreFigures
from bot.training.evaluation.genres import TagFigures, WhyNot
from bot.training.evaluation.goals import Goal, Verdict
from bot.training.evaluation.results import HeldOut, Results
from bot.training.intervals import Interval

PROTOCOL = N_(
    "Every passage is the first {words} words of what the model wrote from an opening, in as many "
    "turns as that takes ({turns} at most), through the whole program; people's text is cut into pieces of as many words, from a "
    "sentence's beginning, with straight quotes everywhere. Intervals are 95 %, by bootstrap over "
    "openings and over tales ({draws} draws). The essay's snippet is plain transformers' greedy text. "
    "Non-words are told by {list} and by the other tales. Likelihood is told by {judge}, after what "
    "stands before the passage. Text is scored in windows of {window} tokens, {context} of which were "
    "scored in the window before, each token once. Self-BLEU and distinct-n are of sets of equally many "
    "passages, with Student's interval over the sets."
)
_SHARE, _NUMBER = Figure("", ""), Figure("", "", Unit.NUMBER)  # of no table of their own
_STYLES = {Verdict.MET: "met", Verdict.MISSED: "missed", Verdict.TOO_FEW: "few"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as it is shown."""

    value: str
    interval: str = ""
    is_sure: bool = False

    def __str__(self) -> str:
        """Return it on a line."""
        return f"{self.value} {self.interval}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    label: str
    cells: tuple[Cell, ...]


def rows_of(results: Results, words: Words) -> list[Row]:
    """Return the main table."""
    columns = results.every_column
    return [
        Row(
            words(figure.label),
            tuple(_cell(figure, column.figures.get(figure.name)) for column in columns),
        )
        for figure in FIGURES
        if any(figure.name in column.figures for column in columns)
    ]


def table(results: Results, words: Words) -> Table:
    """Return the main table for the terminal."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("")
    for column in results.every_column:
        shown.add_column(f"{column.name} ({len(column.samples)})", justify="right")
    for row in rows_of(results, words):
        shown.add_row(row.label, *map(str, row.cells))
    for each in results.held_out:
        shown.add_row(
            f"{words(N_('bits per byte of people'))}, {each.model}",
            f"{each.bits_per_byte.mean:.4f} {_ends(each.bits_per_byte, 4)}",
        )
    for model, found in results.tags.items():
        for label, told in _parts(found):
            shown.add_row(f"{words(label)}, {model}", _told(told, words))
    return shown


def goals_table(results: Results, words: Words) -> Table:
    """Return how the goals stand, for the terminal."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for heading in (N_("goal"), N_("column"), N_("found"), N_("wanted"), ""):
        shown.add_column(words(heading) if heading else "")
    for goal in results.goals:
        shown.add_row(
            words(goal.label), goal.column, _percent(goal.value), _wanted(goal), goal.verdict.value
        )
    return shown


FORM_HEADINGS = (
    N_("format"),
    N_("stories"),
    N_("as first sampled"),
    N_("sampled again"),
    N_("and put right"),
    N_("had something put right"),
)


def form_rows(results: Results) -> list[tuple[str, ...]]:
    """Return the table of formats; no rows where they were not asked for."""
    return [
        (
            f"{form}, {model}",
            str(each.stories + each.failed),
            *map(_percent, (each.first, each.resampled)),
            str(_cell(_SHARE, each.interval)),
            _percent(each.repaired),
        )
        for model, found in results.forms.items()
        for form, each in found.items()
    ]


def forms_table(results: Results, words: Words) -> Table:
    """Return how many stories have their format's form, for the terminal."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for heading in FORM_HEADINGS:
        shown.add_column(words(heading))
    for row in form_rows(results):
        shown.add_row(*row)
    return shown


CONCEPT_HEADINGS = (
    N_("concept cards"),
    N_("cards"),
    N_("complete"),
    N_("fields from tables"),
    N_("cards with one"),
    N_("seconds a card"),
    N_("later than members wait"),
)


def concept_rows(results: Results) -> list[tuple[Cell, ...]]:
    """Return the table of concept cards, then of their fields; no rows where none was drafted."""
    rows: list[tuple[Cell, ...]] = []
    for model, each in results.concepts.items():
        rows.append(
            (
                Cell(model),
                Cell(str(each.complete.n)),
                *(_cell(_SHARE, one) for one in (each.complete, each.fields, each.cards)),
                _cell(_NUMBER, each.took_s),
                _cell(_SHARE, each.late),
            )
        )
        for name, one in each.by_field.items():
            rows.append(
                (Cell(f"{model}, {name}"), Cell(str(one.n)), Cell(""), _cell(_SHARE, one))
                + (Cell(""),) * 3
            )
    return rows


def concepts_table(results: Results, words: Words) -> Table:
    """Return how much of the concept cards the model found, for the terminal."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for heading in CONCEPT_HEADINGS:
        shown.add_column(words(heading))
    for row in concept_rows(results):
        shown.add_row(*map(str, row))
    return shown


def render(results: Results, words: Words) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("bot.training.evaluation", "."), autoescape=True, trim_blocks=True
    )
    environment.globals["_"] = words
    template = environment.get_template("report.html.j2")
    plan = results.plan
    return template.render(
        protocol=words(
            PROTOCOL,
            words=plan.words,
            turns=plan.turns,
            draws=plan.draws,
            list=results.words_known,
            judge=results.judge,
            window=plan.window_tokens,
            context=plan.context_tokens,
        ),
        columns=results.every_column,
        rows=rows_of(results, words),
        # Drawn by matplotlib here, with labels that it has escaped.
        charts=[Markup(chart) for chart in draw_charts(results, words)],  # noqa: S704
        seeds=_over_seeds(results, words),
        differences=_differences(results, words),
        held_out=[_held_out(each) for each in results.held_out],
        tags=[_tags(model, found, words) for model, found in results.tags.items()],
        goals=[
            {
                "label": words(goal.label),
                "column": goal.column,
                "value": _percent(goal.value),
                "wanted": _wanted(goal),
                "style": _STYLES[goal.verdict],
                "verdict": words(goal.verdict.value),
            }
            for goal in results.goals
        ],
        form_headings=[words(heading) for heading in FORM_HEADINGS],
        form_rows=form_rows(results),
        concept_headings=[words(heading) for heading in CONCEPT_HEADINGS],
        concept_rows=concept_rows(results),
        shown=plan.samples,
        footer=", ".join(f"{name} {version}" for name, version in results.versions.items())
        + f"; {results.took_s:.0f} s",
    )


def _over_seeds(results: Results, words: Words) -> dict[str, object] | None:
    if results.plan.seeds == 1:
        return None
    rows = [
        Row(
            words(figure.label),
            tuple(_cell(figure, each.by_seed.get(figure.name)) for each in results.columns),
        )
        for figure in FIGURES
        if any(figure.name in each.by_seed for each in results.columns)
    ]
    return {"names": [each.name for each in results.columns], "rows": rows}


def _differences(results: Results, words: Words) -> dict[str, object] | None:
    found = results.differences()
    if not found:
        return None
    rows = [
        Row(
            words(figure.label),
            tuple(_difference(figure, each.get(figure.name)) for each in found.values()),
        )
        for figure in FIGURES
        if any(figure.name in each for each in found.values())
    ]
    return {"first": results.columns[0].name, "names": list(found), "rows": rows}


def _difference(figure: Figure, interval: Interval | None) -> Cell:
    cell = _cell(figure, interval, sign="+")
    if interval is None or math.isnan(interval.low):
        return cell
    return Cell(cell.value, cell.interval, interval.low > 0 or interval.high < 0)


def _cell(figure: Figure, interval: Interval | None, sign: str = "") -> Cell:
    if interval is None or not interval.n:
        return Cell("–")  # noqa: RUF001 -- a dash, as in printed tables
    is_share = figure.unit is Unit.SHARE
    factor = 100 if is_share else 1
    digits = 1 if is_share else 2
    value = f"{factor * interval.mean:{sign}.{digits}f}"
    scaled = Interval(
        factor * interval.mean, factor * interval.low, factor * interval.high, interval.n
    )
    return Cell(f"{value} %" if is_share else value, _ends(scaled, digits))


def _ends(interval: Interval, digits: int) -> str:
    if math.isnan(interval.low):
        return ""
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _wanted(goal: Goal) -> str:
    return f"{100 * goal.low:.1f} – {100 * goal.high:.1f} %"  # noqa: RUF001 -- a range


def _parts(found: TagFigures) -> list[tuple[str, GenreFigures | WhyNot]]:
    return [
        (N_("genre of people's texts, told by the tags"), found.held_out),
        (N_("genre of its own stories, told by the tags"), found.written),
    ]


def _told(found: GenreFigures | WhyNot, words: Words) -> str:
    """Return how well genres are told, in a line."""
    if isinstance(found, WhyNot):
        return words(N_("not measured: {reason}"), reason=words(found.value))
    return words(
        N_("{accuracy} of {n} (chance {chance}, p {p})"),
        accuracy=_percent(found.accuracy),
        n=found.texts,
        chance=_percent(found.chance),
        p=f"{found.p:.4f}",
    )


def _tags(model: str, found: TagFigures, words: Words) -> Mapping[str, object]:
    tables = []
    for label, told in _parts(found):
        counts = told.confusion if isinstance(told, GenreFigures) else {}
        tables.append(
            {
                "label": words(label),
                "line": _told(told, words),
                "guesses": found.genres,
                "rows": [
                    (genre, [counts.get((genre, guess), 0) for guess in found.genres])
                    for genre in sorted({genre for genre, _ in counts})
                ],
                "books": told.by_book if isinstance(told, GenreFigures) else {},
            }
        )
    return {"model": model, "trained_on": found.trained_on, "tables": tables}


def _held_out(found: HeldOut) -> Mapping[str, str]:
    change = found.change
    return {
        "model": found.model,
        "precision": found.precision,
        "bits": f"{found.bits_per_byte.mean:.4f}",
        "bits_interval": _ends(found.bits_per_byte, 4),
        "token": f"{found.token_perplexity:.2f}",
        "word": f"{found.word_perplexity:.1f}",
        "byte": f"{found.byte_perplexity:.3f}",
        "tokens": f"{found.tokens}",
        "change": "" if change is None else f"{100 * change.mean:+.1f} %",
        "change_interval": ""
        if change is None
        else _ends(Interval(0, 100 * change.low, 100 * change.high, change.n), 1),
    }
