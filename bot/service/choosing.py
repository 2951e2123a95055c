"""Writes several candidates for a passage at once and keeps the one that follows best from the story.

Invariants:
    - The passage that is kept is the one that its own seed alone would have given.
    - Nothing is shown before it is chosen.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.types import Chunk
from bot.errors import EngineError, ScreenedError
from bot.policy.screening import Screen
from bot.service.prompts import Prompt
from bot.service.ranking import gain
from bot.service.showing import SafePresenter
from bot.text.clean import is_visible
from bot.text.names import follow_names
from bot.text.passage import trim_passage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be kept.

    Attributes:
        text: as the engine wrote it.
        last: its last chunk.
        seed: gives it again.
    """

    text: str
    last: Chunk
    seed: int


async def write_candidates(
    backend: Backend, prompt: Prompt, seeds: Sequence[int], presenter: SafePresenter
) -> list[Candidate]:
    """Write a candidate for each seed, all at the same time.

    Raises:
        EngineError: the engine failed.
    """

    async def write(seed: int) -> Candidate:
        found = await collect(
            backend,
            replace(prompt.request, seed=seed),
            queued=presenter.queued if seed == seeds[0] else None,
        )
        return Candidate(found.text, found.last, seed)

    tasks = [asyncio.create_task(write(seed), name=f"candidate {seed}") for seed in seeds]
    try:
        return list(await asyncio.gather(*tasks))
    finally:  # where one failed, the others are of no use
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def choose(
    backend: Backend, prompt: Prompt, candidates: Sequence[Candidate], screen: Screen | None
) -> Candidate:
    """Return the candidate that gains most from the story, among those without a fault.

    Args:
        backend: wrote them.
        prompt: which they answer.
        candidates: at least one.
        screen: finds what is not allowed; None where everything is.

    Raises:
        ScreenedError: none is allowed.
    """
    allowed = [each for each in candidates if _is_allowed(each, screen)]
    if not allowed:
        raise ScreenedError
    whole = [each for each in allowed if is_visible(each.text)] or allowed
    misspelt_in = follow_names(prompt.before)
    kept = [each for each in whole if not misspelt_in(each.text)] or whole
    if len(kept) == 1 or not is_visible(kept[0].text):
        return kept[0]
    request = prompt.request

    async def gain_of(each: Candidate) -> float:
        return await gain(
            backend.score,
            request,
            each.text,
            known=(request.prompt, f"{request.cache_key}"),
            blind=(prompt.blind, f"{request.cache_key} blind"),
        )

    try:
        gains = await asyncio.gather(*map(gain_of, kept))
    except EngineError as error:
        log.warning("candidates for a passage could not be ranked: %s", error)
        return kept[0]
    return max(zip(gains, kept, strict=True), key=lambda one: one[0])[1]


def _is_allowed(candidate: Candidate, screen: Screen | None) -> bool:
    if screen is None:
        return True
    try:
        screen.check_input(trim_passage(candidate.text))
    except ScreenedError:
        return False
    return True
