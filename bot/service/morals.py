"""What a format asks of a passage once its words are there: a fable's moral, a form that is kept.

Invariant: a moral is the model's and drawn for this story, never one from a table; where none of
its candidates is one, the fable goes without and its record says so.
"""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.types import GenerationRequest, PromptPart, SamplingParams
from bot.errors import EngineError
from bot.service.prompts import Prompt
from bot.service.ranking import gain
from bot.story import tree
from bot.story.fables import MoralPrompt, moral_prompt
from bot.story.formats import FABLE, LESSON, SCREENPLAY
from bot.story.model import FormOutcome, Story
from bot.story.narrative import narrative
from bot.text.forms import fable, lesson, screenplay
from bot.text.names import name_words

log = logging.getLogger(__name__)

CANDIDATES = 8
ROUNDS = 2
_SEEDS = 2**63
_TOKENS = 40
_TEMPERATURE = 0.8


async def settle_form(
    backend: Backend, prompt: Prompt, story: Story, text: str, outcome: str
) -> tuple[str, str]:
    """Return a passage in the form of its story's format, and how it came to have it.

    Args:
        backend: finds a moral.
        prompt: that the passage was written from.
        story: before the passage.
        text: the passage.
        outcome: of what was sampled so far, a ``FormOutcome`` or "".
    """
    if prompt.format == SCREENPLAY:
        if screenplay.check(text.strip(), is_whole=False):
            outcome = FormOutcome.MISSED.value
    elif prompt.format == FABLE and prompt.is_ending:
        text, outcome = await _with_moral(backend, prompt, story, text)
    elif prompt.format == LESSON and prompt.is_ending:
        outcome = _judge_lesson(story, text).value
    if outcome not in {"", FormOutcome.KEPT.value}:
        log.info("a passage's form", extra={"format": prompt.format, "outcome": outcome})
    return text, outcome


def _judge_lesson(story: Story, text: str) -> FormOutcome:
    """Tell whether a lesson can be made of the whole story."""
    told = f"{narrative(story)}\n\n{text}"
    made = lesson.derive(told, age=tree.concept(story).reader_age)
    if not lesson.check(made, told):
        return FormOutcome.KEPT
    is_good = not lesson.check(lesson.repair(made, told), told)
    return FormOutcome.REPAIRED if is_good else FormOutcome.MISSED


async def _with_moral(backend: Backend, prompt: Prompt, story: Story, text: str) -> tuple[str, str]:
    told = f"{narrative(story)}\n\n{text.strip()}"
    names = name_words(told)
    question = moral_prompt(tree.concept(story), told)
    try:
        for number in range(ROUNDS):
            found = await _morals(backend, prompt.request, question, names, number)
            if found:
                moral = await _best(backend, prompt.request, question, found)
                outcome = FormOutcome.RESAMPLED if number else FormOutcome.KEPT
                return fable.join(text, moral), outcome.value
    except EngineError as error:
        log.warning("no moral could be asked for: %s", error)
    return text, FormOutcome.MISSED.value


async def _morals(
    backend: Backend,
    request: GenerationRequest,
    question: MoralPrompt,
    names: Collection[str],
    number: int,
) -> list[str]:
    async def ask(at: int) -> str:
        asked = replace(
            request,
            prompt=[PromptPart(question.text)],
            sampling=SamplingParams(
                temperature=_TEMPERATURE,
                presence_penalty=0.0,
                frequency_penalty=0.0,
                dry_multiplier=0.0,
            ),
            seed=(request.seed + 1 + number * CANDIDATES + at) % _SEEDS,
            max_tokens=_TOKENS,
            min_tokens=0,
            stop=("\n",),
            monitor=None,
            cache_key=f"{request.cache_key} moral",
        )
        return fable.moral_in((await collect(backend, asked)).text, names)

    found = await asyncio.gather(*map(ask, range(CANDIDATES)))
    return list(dict.fromkeys(moral for moral in found if moral and moral not in question.shown))


async def _best(
    backend: Backend, request: GenerationRequest, question: MoralPrompt, found: list[str]
) -> str:
    """Return the moral that gains most from the story: the likeliest by itself fits everywhere."""
    if len(found) == 1:
        return found[0]

    async def gain_of(moral: str) -> float:
        return await gain(
            backend.score,
            request,
            f" {moral}",
            known=([PromptPart(question.text)], f"{request.cache_key} moral"),
            blind=([PromptPart(question.blind)], f"{request.cache_key} blind"),
        )

    gains = await asyncio.gather(*map(gain_of, found))
    return max(zip(gains, found, strict=True), key=lambda one: one[0])[1]
