"""Writes one passage: asks the engine, watches and screens what comes, and tries again.

Invariants:
    - What a presenter is given is screened and ends at a word's end.
    - The text and its record follow from the job alone (its seed, the story, the
      place's settings), so that a repeated job gives the same text.
    - No unit of work is open here.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.engine.backend import Backend
from bot.engine.types import Chunk, FinishReason, ModelInfo, Usage
from bot.errors import EngineError, ScreenedError
from bot.locales import N_
from bot.policy.settings import Settings
from bot.service.choosing import choose, write_candidates
from bot.service.desk import Desk, follow_output
from bot.service.morals import settle_form
from bot.service.prompts import Prompt, compose, sampling_record
from bot.service.screenwriting import Screenwriter
from bot.service.showing import SafePresenter
from bot.story.model import PassageId, Provenance, Story
from bot.story.narrative import is_cjk
from bot.story.ports import Job
from bot.text.clean import is_visible
from bot.text.forms import screenplay
from bot.text.passage import trim_passage
from bot.text.sentences import last_sentence_end

if TYPE_CHECKING:
    from bot.service.generation import Run

log = logging.getLogger(__name__)

_SEED_STEP = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: spreads the seeds of repeated attempts (Knuth, TAOCP 6.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A passage that is ready to be committed."""

    text: str
    provenance: Provenance
    anchor: PassageId | None


@dataclass(slots=True)
class _Progress:
    """What stands there so far."""

    text: str = ""
    prompt: Prompt | None = None
    seed: int = 0
    info: ModelInfo | None = None
    last: Chunk = field(default_factory=Chunk)
    began_s: float = 0.0
    form: str = ""


def seed_of_attempt(seed: int, attempt: int) -> int:
    """Return the seed of the n-th attempt; the first one has the job's own."""
    return (seed + attempt * _SEED_STEP) % 2**63


async def write_passage(
    desk: Desk, run: "Run", story: Story, settings: Settings, presenter: SafePresenter
) -> Written | None:
    """Have the passage of a job written.

    Returns:
        None where the run was interrupted before anything worth keeping stood there.

    Raises:
        ModelUnavailableError: there is no model.
        EngineError: it failed, or wrote nothing that could be used.
        PinnedTooLargeError: the concept has outgrown the model's window.
    """
    progress = _Progress()
    work = asyncio.create_task(
        _attempts(desk, run.job, story, settings, presenter=presenter, progress=progress),
        name="generate",
    )
    interruption = asyncio.create_task(run.interrupted.wait(), name="interruption")
    try:
        await asyncio.wait({work, interruption}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, interruption):
            task.cancel()
        await asyncio.wait({work, interruption})
    if not work.cancelled():
        return work.result()
    with contextlib.suppress(ScreenedError):
        return _kept(desk, settings, progress)
    return None


def _kept(desk: Desk, settings: Settings, progress: _Progress) -> Written | None:
    """Return what is whole of an interrupted passage."""
    progress.last = replace(progress.last, finish=FinishReason.CANCELLED)
    if last_sentence_end(progress.text) == 0:
        return None
    text = _whole(progress)
    _screen(desk, text, settings)
    return _written(desk, text, progress)


async def _attempts(
    desk: Desk,
    job: Job,
    story: Story,
    settings: Settings,
    *,
    presenter: SafePresenter,
    progress: _Progress,
) -> Written:
    """Write until something can be used, or patience ends."""
    if not desk.engine.ready:
        await presenter.queued(1)
    backend = await desk.engine.get(desk.limits.load_s)
    progress.prompt = await compose(desk, backend, job, story, settings)
    progress.info = backend.info
    empty = screened = 0
    attempt = 0
    while True:
        progress.began_s = desk.clock.monotonic()
        first = attempt * settings.candidates
        seeds = [seed_of_attempt(job.seed, first + n) for n in range(settings.candidates)]
        try:
            await _sample(desk, backend, settings, presenter, progress, seeds=seeds)
            text = _whole(progress)
            if is_visible(text) and text.strip() != progress.prompt.opening.strip():
                text, progress.form = await settle_form(
                    backend, progress.prompt, story, text, progress.form
                )
                _screen(desk, text, settings)
                return _written(desk, text, progress)
        except ScreenedError:
            screened += 1
            log.info("a passage was screened", extra={"job": job.id, "attempt": attempt})
            if screened > desk.limits.screened_retries:
                raise EngineError(
                    reason=N_("what it wrote was not allowed here. Change the words before it.")
                ) from None
        else:
            empty += 1
            if progress.last.finish is FinishReason.DEADLINE:
                raise EngineError(reason=N_("it took too long."))
            if empty > desk.limits.empty_retries:
                raise EngineError(reason=N_("the model returned nothing."))
        attempt += 1
        await presenter.grow("")


async def _sample(
    desk: Desk,
    backend: Backend,
    settings: Settings,
    presenter: SafePresenter,
    progress: _Progress,
    *,
    seeds: Sequence[int],
) -> None:
    """Write with each seed; of several texts the best is kept.

    Raises:
        ScreenedError: what was written is not allowed here.
    """
    assert progress.prompt is not None  # noqa: S101 -- set by the caller
    progress.seed = seeds[0]
    if (
        len(seeds) == 1 or progress.prompt.scene is not None
    ):  # a scene's elements are chosen one by one
        await _stream(desk, backend, settings, presenter, progress)
        return
    progress.text, progress.last = progress.prompt.opening, Chunk()
    candidates = await write_candidates(backend, progress.prompt, seeds, presenter)
    screen = desk.output_screen(settings)
    chosen = await choose(backend, progress.prompt, candidates, screen)
    progress.text += chosen.text
    progress.last, progress.seed = chosen.last, chosen.seed


async def _stream(
    desk: Desk,
    backend: Backend,
    settings: Settings,
    presenter: SafePresenter,
    progress: _Progress,
) -> None:
    """Take one generation's chunks.

    Raises:
        ScreenedError: the text holds what is not allowed here.
    """
    assert progress.prompt is not None  # noqa: S101 -- set by the caller
    progress.text, progress.last = progress.prompt.opening, Chunk()
    screen = desk.output_screen(settings)
    follow = None if screen is None else follow_output(screen, progress.prompt.before)
    shown = ""
    request = replace(progress.prompt.request, seed=progress.seed)
    scene = progress.prompt.scene
    writer = None if scene is None else Screenwriter(backend, request, scene)
    stream = backend.stream(request) if writer is None else writer.stream()
    async with contextlib.aclosing(stream) as chunks:
        async for chunk in chunks:
            if chunk.queue_place is not None:
                await presenter.queued(chunk.queue_place)
            progress.text = chunk.change(progress.text)
            if chunk.finish is not None:
                progress.last = chunk
            if not chunk.text and not chunk.retract:
                continue
            visible, is_clean = (progress.text, True) if follow is None else follow(progress.text)
            if not is_clean:
                raise ScreenedError
            visible = _whole_words(visible).strip()
            if visible != shown:
                shown = visible
                await presenter.grow(visible)
    if writer is not None:
        progress.form = writer.outcome.value


def _whole(progress: _Progress) -> str:
    """Return what is whole of a text under way, in its form."""
    if progress.prompt is None:
        return trim_passage(progress.text)
    if progress.prompt.scene is None:
        return trim_passage(progress.text, progress.prompt.before)
    text = progress.text
    front = text[: len(text) - len(text.lstrip())]
    return front + screenplay.repair(text.strip())


def _screen(desk: Desk, text: str, settings: Settings) -> None:
    screen = desk.output_screen(settings)
    if screen is not None:
        screen.check_input(text)


def _whole_words(text: str) -> str:
    """Leave out the last word while it may still grow; Chinese has no spaces to wait for."""
    if not text or text[-1].isspace() or is_cjk(text[-1]):
        return text
    at = max(text.rfind(" "), text.rfind("\n"))
    return text[: at + 1]


def _written(desk: Desk, text: str, progress: _Progress) -> Written:
    prompt, info, last = progress.prompt, progress.info, progress.last
    assert prompt is not None  # noqa: S101 -- only called once a stream has begun
    assert info is not None  # noqa: S101 -- the same
    usage = last.usage or Usage(
        prompt_tokens=0,
        cached_tokens=0,
        completion_tokens=0,
        sampled_tokens=0,
        rewinds=0,
        queued_s=0,
        prefill_s=0,
        decode_s=0,
    )
    # Ids that say more than the text would put back what was trimmed from it.
    has_ids = bool(last.token_ids) and text == progress.text and not prompt.opening
    return Written(
        text=text,
        anchor=prompt.anchor,
        provenance=Provenance(
            model=info.name,
            model_revision=info.revision,
            engine_version=info.engine_version,
            precision=info.precision,
            seed=progress.seed,
            sampling=sampling_record(prompt.request.sampling),
            finish=(last.finish or FinishReason.CANCELLED).value,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            rewinds=usage.rewinds,
            duration_s=round(desk.clock.monotonic() - progress.began_s, 3),
            form=progress.form,
            tokenizer_hash=info.tokenizer_hash if has_ids else "",
            token_ids=last.token_ids if has_ids else (),
        ),
    )
