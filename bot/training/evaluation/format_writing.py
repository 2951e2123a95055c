"""Writes stories in each format as members get them, and tells which have its form.

Invariant: the concepts are the worked examples of the concept card, so that every run and every
model writes of the same; each story is one passage and an ending.
"""

import asyncio
from collections.abc import Callable, Mapping

from bot.engine.backend import Backend
from bot.policy.settings import resolve
from bot.service.places import place_key
from bot.service.stories import StoryService
from bot.storage import SqlStore
from bot.story import tree
from bot.story.concept_examples import EXAMPLES, Example
from bot.story.formats import FABLE, FORMATS, LESSON, SCREENPLAY
from bot.story.model import CastMember, Concept, FormOutcome
from bot.story.narrative import narrative
from bot.text.forms import fable, lesson, prose, screenplay
from bot.training.evaluation.ablations import find_ablation
from bot.training.evaluation.forms import Checker, Formed, FormFigures, judge_forms
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.watching import WatchedBackend
from bot.training.evaluation.writing import AUTHOR, open_services, place_of

READER_AGE = 8


def lesson_stands(text: str) -> bool:
    """Tell whether a text is whole prose of which a lesson can be made that holds."""
    return not prose.check(text) and not lesson.check(lesson.derive(text, age=READER_AGE), text)


CHECKERS: Mapping[str, Checker] = {
    FABLE: lambda text: not fable.check(text),
    SCREENPLAY: lambda text: not screenplay.check(text),
    LESSON: lesson_stands,
}
"""For every format that asks for more than prose."""


async def write_formats(
    backend: Backend, plan: Plan, *, report: Callable[[int, int], None]
) -> dict[str, FormFigures]:
    """Write ``plan.formats`` stories in each format; {} where that is 0.

    Args:
        backend: writes; stays open.
        plan: the sizes.
        report: hears how many stories of how many are there.
    """
    wanted = [
        (form, number) for form in FORMATS if form in CHECKERS for number in range(plan.formats)
    ]
    if not wanted:
        return {}
    watched = WatchedBackend(backend, find_ablation(""), resolve({}))
    limit = asyncio.Semaphore(2 * plan.max_active)
    done = 0
    async with open_services(watched, {}) as (service, store):

        async def write(form: str, number: int) -> Formed | None:
            nonlocal done
            async with limit:
                found = await _write(service, store, watched, form, number)
            done += 1
            report(done, len(wanted))
            return found

        stories = await asyncio.gather(*(write(form, number) for form, number in wanted))
    by_form: dict[str, list[Formed]] = {form: [] for form in CHECKERS}
    for (form, _), story in zip(wanted, stories, strict=True):
        if story is not None:
            by_form[form].append(story)
    return {
        form: judge_forms(found, CHECKERS[form], wanted=plan.formats, draws=plan.draws)
        for form, found in by_form.items()
    }


async def _write(
    service: StoryService, store: SqlStore, watched: WatchedBackend, form: str, number: int
) -> Formed | None:
    """Write one story; None where a passage failed."""
    place = place_of(f"{form}/{number}")
    concept = _concept(EXAMPLES[number % len(EXAMPLES)], form)
    watched.begin(place_key(place), 0)
    receipt = await service.start(AUTHOR, place, concept, None, key=f"{place.name}/0")
    if receipt.job_id is None:
        return None
    await service.wait(receipt.job_id)
    watched.begin(place_key(place), 1)
    ending = await service.end(AUTHOR, place, key=f"{place.name}/1")
    if ending.job_id is not None:
        await service.wait(ending.job_id)
    async with store.read() as unit:
        story = await unit.stories.load(receipt.story.id)
    if story is None or ending.job_id not in story.passages:
        return None
    outcomes = [one.provenance.form for one in tree.path(story) if one.provenance is not None]
    return Formed(narrative(story), tuple(FormOutcome(each) for each in outcomes if each))


def _concept(example: Example, form: str) -> Concept:
    return Concept(
        title=example.title,
        genre=example.genre,
        format=form,
        reader_age=READER_AGE if form == LESSON else 0,
        theme=example.theme,
        setting=example.setting,
        premise=example.premise,
        cast=tuple(CastMember(name=name, line=line) for name, line in example.cast),
        plot=example.plot,
    )
