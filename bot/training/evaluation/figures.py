"""The figures of a column: what is measured in a sample, and what in all samples together.

Invariants:
    - Every column is measured by the same functions with the same judge.
    - A figure that means nothing for a column (a passage's end, in people's text that was cut)
      is not there, rather than 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.locales import N_
from bot.text.drift import find_drift
from bot.text.loops import find_loop
from bot.text.words import count_words
from bot.training.evaluation.cast import follow_cast
from bot.training.evaluation.copying import Copies, near_duplicates
from bot.training.evaluation.lexicon import Lexicon
from bot.training.evaluation.readability import reading_ease
from bot.training.evaluation.samples import Sample, by_source
from bot.training.evaluation.variety import (
    distinct,
    diversity,
    folded_words,
    near_twins,
    repetition,
    same_openings,
    self_bleu,
    top_five,
    types_in_60,
)
from bot.training.intervals import Interval, bootstrap, honest, student


class Unit(StrEnum):
    """How a figure is shown."""

    SHARE = "share"  # 0 to 1, shown in percent
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: in JSON.
        label: for people, a msgid.
        unit: how it is shown.
        is_common: of several samples together, not of each.
        is_event: in each sample it happens or does not.
    """

    name: str
    label: str
    unit: Unit = Unit.SHARE
    is_common: bool = False
    is_event: bool = False


FIGURES: tuple[Figure, ...] = (
    Figure("diversity", N_("diversity (product of different 2-, 3- and 4-grams)")),
    Figure("rep_2", N_("rep-2: 2-grams that stood there before")),
    Figure("rep_3", N_("rep-3")),
    Figure("rep_4", N_("rep-4")),
    Figure("near_twins", N_("sentences nearly like an earlier one")),
    Figure("same_openings", N_("sentences that begin like one of the four before")),
    Figure("top_five", N_("share of the five commonest content words")),
    Figure("types_in_60", N_("different words in sixty"), Unit.NUMBER),
    Figure("loops", N_("passages with a loop"), is_event=True),
    Figure("drift", N_("passages that leave the story"), is_event=True),
    Figure("non_words", N_("non-words")),
    Figure("copied", N_("words copied, eight in a row")),
    Figure("bits_per_byte", N_("bits per byte, to the judge"), Unit.NUMBER),
    Figure("in_band", N_("passages as likely as people's (95 % band)"), is_event=True),
    Figure("cast_kept", N_("names of the beginning that come up again")),
    Figure("cast_slips", N_("names misspelt, in 100 words"), Unit.NUMBER),
    Figure("mixed_pronouns", N_("names that are he and she by turns")),
    Figure("newcomers", N_("new names, in 100 words"), Unit.NUMBER),
    Figure("reading_ease", N_("Flesch reading ease"), Unit.NUMBER),
    Figure("whole", N_("passages that end whole")),
    Figure("discarded", N_("words discarded for that, of all written")),
    Figure("resampled", N_("tokens drawn and given up")),
    Figure("lost", N_("of all tokens, those of versions that were not kept")),
    Figure("near_duplicates", N_("passages nearly like another"), is_event=True),
    Figure("distinct_1", N_("distinct-1"), is_common=True),
    Figure("distinct_2", N_("distinct-2"), is_common=True),
    Figure("distinct_3", N_("distinct-3"), is_common=True),
    Figure("self_bleu", N_("self-BLEU"), is_common=True),
    Figure("mauve", N_("MAUVE against people"), Unit.NUMBER, is_common=True),
)

Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Judge:
    """What samples are judged with.

    Attributes:
        lexicon: knows words.
        copies: knows what may be copied.
        bits_per_byte: tells how likely a sample is.
        human_band: between which bits per byte 95 % of people's samples lie.
    """

    lexicon: Lexicon
    copies: Copies
    bits_per_byte: Callable[[Sample], float]
    human_band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the tables.

    Attributes:
        name: for people.
        samples: what was measured.
        values: by figure, by source of the samples.
        figures: by figure: mean and interval over sources.
        by_seed: by figure: mean and interval over seeds; where there are several.
        short: stories that were too short.
        failed: stories of which a passage failed.
    """

    name: str
    samples: tuple[Sample, ...]
    values: Mapping[str, Mapping[str, Sequence[float]]]
    figures: Mapping[str, Interval]
    by_seed: Mapping[str, Interval]
    short: int = 0
    failed: int = 0


def measure_sample(sample: Sample, judge: Judge, *, is_human: bool) -> Values:
    """Return the figures of one sample."""
    said = folded_words(sample.text)
    own = sample.source if is_human else ""
    cast = follow_cast(sample.before, sample.text)
    bits = judge.bits_per_byte(sample)
    found: Values = {
        "diversity": diversity(said),
        "rep_2": repetition(said, 2),
        "rep_3": repetition(said, 3),
        "rep_4": repetition(said, 4),
        "near_twins": near_twins(sample.text),
        "same_openings": same_openings(sample.text),
        "top_five": top_five(said),
        "types_in_60": types_in_60(said),
        "loops": float(find_loop(sample.text, sample.before) is not None),
        "drift": float(find_drift(sample.text) is not None),
        "non_words": judge.lexicon.share(sample.text, tale=own),
        "copied": judge.copies.share(said, own=own),
        "bits_per_byte": bits,
        "cast_kept": cast.kept,
        "cast_slips": cast.slips,
        "mixed_pronouns": cast.mixed,
        "newcomers": cast.newcomers,
        "reading_ease": reading_ease(sample.text),
    }
    if judge.human_band is not None:
        low, high = judge.human_band
        found["in_band"] = float(low <= bits <= high)
    return found | _turn_values(sample)


def measure_column(
    name: str,
    samples: Sequence[Sample],
    judge: Judge,
    *,
    draws: int,
    set_size: int,
    is_human: bool = False,
    short: int = 0,
    failed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Column:
    """Measure samples.

    Args:
        name: of the column.
        samples: at least one.
        judge: judges them.
        draws: of the bootstrap.
        set_size: of how many samples figures that need several are taken; the same in every
            column, for they depend on it.
        is_human: the samples are pieces of the judge's own texts.
        short: stories that were too short.
        failed: stories of which a passage failed.
        report: hears how many samples of how many are measured.
    """
    rows: list[Values] = []
    for sample in samples:
        rows.append(measure_sample(sample, judge, is_human=is_human))
        if report is not None:
            report(len(rows), len(samples))
    said = [folded_words(sample.text) for sample in samples]
    for row, is_alike in zip(rows, near_duplicates(said), strict=True):
        row["near_duplicates"] = float(is_alike)
    values: dict[str, Mapping[str, Sequence[float]]] = {}
    figures: dict[str, Interval] = {}
    by_seed: dict[str, Interval] = {}
    for figure in FIGURES:
        column = [row.get(figure.name) for row in rows]
        if figure.is_common or all(value is None for value in column):
            continue
        values[figure.name] = by_source(samples, column)
        figures[figure.name] = _interval(figure, values[figure.name], draws)
        if not is_human:
            by_seed[figure.name] = student(_means_by_seed(samples, column))
    figures |= _common(said, set_size)
    return Column(
        name=name,
        samples=tuple(samples),
        values=values,
        figures=figures,
        by_seed=by_seed,
        short=short,
        failed=failed,
    )


def _interval(figure: Figure, values: Mapping[str, Sequence[float]], draws: int) -> Interval:
    found = bootstrap(values, draws=draws)
    return honest(found) if figure.is_event else found


def _turn_values(sample: Sample) -> Values:
    if not sample.turns:
        return {}
    kept_words = sum(count_words(turn.text) for turn in sample.turns)
    discarded = sum(turn.discarded_words for turn in sample.turns)
    sampled = sum(turn.sampled_tokens for turn in sample.turns)
    kept = sum(turn.kept_tokens for turn in sample.turns)
    return {
        "whole": sum(turn.is_whole for turn in sample.turns) / len(sample.turns),
        "discarded": discarded / max(1, kept_words + discarded),
        "resampled": (sampled - kept) / max(1, sampled),
        "lost": sum(turn.lost_tokens for turn in sample.turns) / max(1, sampled),
    }


def _means_by_seed(samples: Sequence[Sample], values: Sequence[float | None]) -> list[float]:
    by_seed: dict[int, list[float]] = {}
    for sample, value in zip(samples, values, strict=True):
        if value is not None:
            by_seed.setdefault(sample.seed, []).append(value)
    return [sum(found) / len(found) for found in by_seed.values()]


def _common(said: Sequence[Sequence[str]], size: int) -> dict[str, Interval]:
    """Return the figures of sets of so many samples, with their interval over the sets."""
    sets = [said[at : at + size] for at in range(0, len(said) - size + 1, size)]
    if size < 2:  # noqa: PLR2004 -- nothing to compare with
        return {}
    found = {
        f"distinct_{order}": student([distinct(each, order) for each in sets])
        for order in (1, 2, 3)
    }
    return found | {"self_bleu": student([self_bleu(each) for each in sets])}
