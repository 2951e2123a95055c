"""Writes all columns, reads with all models, measures everything alike.

Invariant: models are loaded one after another; the first one judges how likely all columns are.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bot.engine.backend import Backend
from bot.engine.local.store import SILENT, Resolved
from bot.loading import Model
from bot.settings import Settings
from bot.story.model import Concept
from bot.training.evaluation.ablations import find_ablation
from bot.training.evaluation.concept_writing import ConceptFigures, draft_concepts
from bot.training.evaluation.copying import Copies
from bot.training.evaluation.errors import NothingWrittenError, TooLittleTextError
from bot.training.evaluation.figures import Column, Judge, measure_column
from bot.training.evaluation.format_writing import write_formats
from bot.training.evaluation.forms import FormFigures
from bot.training.evaluation.genres import (
    TagFigures,
    WhyNot,
    genres_of,
    measure_tags,
    why_not_written,
)
from bot.training.evaluation.goals import judge as judge_goals
from bot.training.evaluation.goals import judge_concepts, judge_formats, judge_tags
from bot.training.evaluation.keeping import Kept
from bot.training.evaluation.lexicon import WORD_LIST, Lexicon
from bot.training.evaluation.likeness import Features, mauve
from bot.training.evaluation.openings import spread
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.results import HeldOut, Results, held_out
from bot.training.evaluation.retention import Retention, measure_retention
from bot.training.evaluation.samples import Sample, pieces, read_people, read_texts
from bot.training.evaluation.scoring import Scorer, score_texts
from bot.training.evaluation.snippet import write_greedily
from bot.training.evaluation.wishes import Wanted, Wish, columns_wanted, label_models
from bot.training.evaluation.writing import Stories, write_stories
from bot.training.intervals import Interval, band

HUMAN = "people"
SNIPPET = "essay's snippet"
_LEAST_PIECES = 10
_BYTES_A_TOKEN = 4
_LIBRARIES = ("torch", "transformers", "nltk", "pyspellchecker", "roundtale")

Report = Callable[[str, int, int], None]
"""Hears what is done, how many of it, of how many."""


def evaluate(
    wish: Wish, plan: Plan, *, settings: Settings, report: Report, is_quick: bool = False
) -> Results:
    """Write what is wanted and measure it; see ``run_evaluation``."""
    begun_s = time.monotonic()
    wanted = columns_wanted(wish)
    people = read_people(wish.human)
    tales = {tale.id: tale.text for tale in people}
    human = pieces(tales, words=plan.words, limit=plan.human_passages)
    if len(human) < _LEAST_PIECES:
        raise TooLittleTextError(found=len(human), words=plan.words, needed=_LEAST_PIECES)
    lexicon = Lexicon(tales)
    copies = Copies(read_texts(wish.against) if wish.against else tales)
    work = asyncio.run(_write_all(wanted, plan, settings, report, Kept(wish.out)))
    written, found = work.columns, work.models
    if not any(each.samples for each in written.values()):
        raise NothingWrittenError(words=plan.words)
    first = found[wish.models[0]]
    report(SNIPPET, 1, 1)
    greedy = write_greedily(first.path, spread(plan.openings), plan.words)
    scored = _first_bytes(tales, plan.scored_tokens * _BYTES_A_TOKEN)
    filler = " ".join(tales.values())
    helds: list[HeldOut] = []
    retention: dict[str, Sequence[Retention]] = {}
    columns: dict[str, Column] = {}
    tags: dict[str, TagFigures] = {}
    for name, label in label_models(wish.models).items():
        scorer = _scorer(found[name], label, plan, settings)
        helds.append(_hold_out(scorer, scored, helds, plan, report))
        retention[scorer.name] = measure_retention(
            scorer,
            filler,
            plan.distances,
            facts=plan.facts,
            report=partial(report, f"{scorer.name} remembers"),
        )
        told = measure_tags(
            scorer,
            found[name].path,
            people,
            work.by_genre[name],
            plan,
            report=partial(report, f"{scorer.name} tells genres"),
        )
        if told is not None:
            tags[scorer.name] = told
        if not columns:
            columns = _measure(
                written=written,
                human=human,
                greedy=greedy,
                lexicon=lexicon,
                copies=copies,
                scorer=scorer,
                plan=plan,
                report=report,
            )
    if wish.wants_mauve:
        columns = _with_mauve(columns, first.path, report)
    return Results(
        plan=plan,
        judge=f"{found[wish.models[0]].name} ({helds[0].precision})",
        words_known=WORD_LIST,
        human=columns[HUMAN],
        snippet=columns.get(SNIPPET),
        columns=tuple(columns[each.name] for each in wanted),
        held_out=tuple(helds),
        retention=retention,
        tags=tags,
        forms=work.forms,
        concepts=work.concepts,
        goals=(
            *judge_goals([columns[each.name] for each in wanted], columns[HUMAN]),
            *(goal for label, each in tags.items() for goal in judge_tags(label, each)),
            *(goal for label, each in work.forms.items() for goal in judge_formats(label, each)),
            *(
                goal
                for label, each in work.concepts.items()
                for goal in judge_concepts(label, each)
            ),
        ),
        versions={name: version(name) for name in _LIBRARIES},
        took_s=time.monotonic() - begun_s,
        is_quick=is_quick,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What was written, and by whom."""

    columns: dict[str, Stories] = field(default_factory=dict)
    models: dict[str, Resolved] = field(default_factory=dict)
    by_genre: dict[str, dict[str, Sequence[Sample]] | WhyNot] = field(default_factory=dict)
    forms: dict[str, Mapping[str, FormFigures]] = field(default_factory=dict)
    concepts: dict[str, ConceptFigures] = field(default_factory=dict)


async def _write_all(
    wanted: Sequence[Wanted], plan: Plan, settings: Settings, report: Report, kept: Kept
) -> _Work:
    """Write all columns, formats and concepts, each model loaded once, and for its tags stories of each genre."""
    work = _Work()
    labels = label_models(list(dict.fromkeys(each.model for each in wanted)))
    chosen = spread(plan.openings)
    for name in dict.fromkeys(each.model for each in wanted):
        own = settings.model_copy(
            update={"model": name, "max_active": plan.max_active, "max_waiting": 10_000}
        )
        model = Model(own, SILENT)
        backend = await model.load()
        try:
            assert model.resolved is not None  # noqa: S101 -- load has set it
            work.models[name] = model.resolved
            for each in wanted:
                if each.model == name:
                    work.columns[each.name] = await write_stories(
                        backend,
                        chosen,
                        plan,
                        settings=each.settings,
                        ablation=find_ablation(each.without),
                        kept=kept,
                        report=partial(report, f"{each.name} writes"),
                    )
            label = labels[name]
            formed = await write_formats(
                backend, plan, report=partial(report, f"{label} writes in formats")
            )
            if formed:
                work.forms[label] = formed
            drafted = await draft_concepts(
                backend, plan, report=partial(report, f"{label} drafts concepts")
            )
            if drafted is not None:
                work.concepts[label] = drafted
            work.by_genre[name] = await _write_by_genre(backend, plan, report, kept)
        finally:
            await backend.aclose()
    return work


async def _write_by_genre(
    backend: Backend, plan: Plan, report: Report, kept: Kept
) -> dict[str, Sequence[Sample]] | WhyNot:
    """Write a story of each of the model's genres from the same openings."""
    why_not = why_not_written(backend.info)
    if why_not is not None:
        return why_not
    found: dict[str, Sequence[Sample]] = {}
    for genre in genres_of(backend.info.tags):
        stories = await write_stories(
            backend,
            spread(plan.genre_openings),
            plan,
            settings={},
            ablation=find_ablation(""),
            kept=kept,
            report=partial(report, f"{backend.info.name} writes as {genre}"),
            concept=Concept(genre=genre),
            seeds=1,
        )
        found[genre] = stories.samples
    return found if all(found.values()) else WhyNot.NOTHING_WRITTEN


def _scorer(found: Resolved, label: str, plan: Plan, settings: Settings) -> Scorer:
    return Scorer(
        found.path,
        name=label,
        precision=settings.precision,
        threads=settings.threads,
        size=plan.window_tokens,
        context=plan.context_tokens,
    )


def _hold_out(
    scorer: Scorer,
    texts: Mapping[str, str],
    before: Sequence[HeldOut],
    plan: Plan,
    report: Report,
) -> HeldOut:
    scores = score_texts(scorer, texts, report=partial(report, f"{scorer.name} reads"))
    return held_out(
        scorer.name, scorer.precision, scores, before[0] if before else None, draws=plan.draws
    )


def _measure(
    *,
    written: Mapping[str, Stories],
    human: Sequence[Sample],
    greedy: Sequence[Sample],
    lexicon: Lexicon,
    copies: Copies,
    scorer: Scorer,
    plan: Plan,
    report: Report,
) -> dict[str, Column]:
    """Measure all columns with one judge."""
    likely = [scorer.bits_per_byte(sample) for sample in human]
    known = dict(zip(map(id, human), likely, strict=True))

    def bits_per_byte(sample: Sample) -> float:
        return known.get(id(sample)) or scorer.bits_per_byte(sample)

    judge = Judge(lexicon, copies, bits_per_byte, band(likely))
    counts = [len(greedy), *(len(each.samples) for each in written.values())]
    # The same for all, but not of a column that has hardly any.
    size = min([plan.openings, len(human), *(each for each in counts if each >= _LEAST_PIECES)])
    found: dict[str, Column] = {
        HUMAN: measure_column(HUMAN, human, judge, draws=plan.draws, set_size=size, is_human=True)
    }
    if greedy:
        found[SNIPPET] = replace(
            measure_column(SNIPPET, greedy, judge, draws=plan.draws, set_size=size),
            short=1 + plan.openings - len(greedy),
        )
    for name, stories in written.items():
        found[name] = measure_column(
            name,
            stories.samples,
            judge,
            draws=plan.draws,
            set_size=size,
            short=stories.short,
            failed=stories.failed,
            report=partial(report, f"{name} is measured"),
        )
    return found


def _with_mauve(columns: Mapping[str, Column], path: Path, report: Report) -> dict[str, Column]:
    features = Features(path)
    human = features.of([sample.text for sample in columns[HUMAN].samples])
    found: dict[str, Column] = {}
    for number, (name, column) in enumerate(columns.items()):
        found[name] = column
        if name != HUMAN and column.samples:
            score = mauve(human, features.of([sample.text for sample in column.samples]))
            interval = Interval(score, math.nan, math.nan, len(column.samples))
            found[name] = replace(column, figures={**column.figures, "mauve": interval})
        report("MAUVE", number + 1, len(columns))
    return found


def _first_bytes(texts: Mapping[str, str], limit: int) -> dict[str, str]:
    """Return the first texts, and of the last one its beginning, up to a size; 0 is all."""
    if not limit:
        return dict(texts)
    found: dict[str, str] = {}
    left = limit
    for name, text in texts.items():
        if left <= 0:
            break
        found[name] = text[:left]
        left -= len(text)
    return found
