"""From a story to a request: the context as the engine takes it, and how to sample.

Invariant: the same job on the same story and settings gives the same request; tokens
are counted by the model that writes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bot.engine.backend import Backend
from bot.engine.types import GenerationRequest, PromptPart, SamplingParams
from bot.policy.settings import Settings
from bot.service.places import group_key
from bot.story import tree
from bot.story.context import Context, Count, assemble
from bot.story.context_parts import ContextPart
from bot.story.model import EntryKind, PassageId, Story, StoryId, StoryStatus
from bot.story.ports import Job, JobKind, UnitOfWork
from bot.text.function_words import FUNCTION_WORDS
from bot.text.names import name_words
from bot.text.passage import PassageMonitor
from bot.text.sentences import warm_up

if TYPE_CHECKING:
    from bot.service.desk import Desk

_MIN_TOKENS = 8
"""Before so many tokens a base model may not end the text: it likes to end it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request, and what must be remembered of how it came about.

    Attributes:
        request: for the engine.
        anchor: the first passage in the context, for the next turn.
        before: the end of the text that the passage goes on from.
        opening: the passage's first words, which the engine writes on from.
        blind: the prompt without any of the story, to tell what that contributes.
    """

    request: GenerationRequest
    anchor: PassageId | None
    before: str
    opening: str
    blind: Sequence[PromptPart]


def prompt_parts(parts: Sequence[ContextPart]) -> list[PromptPart]:
    """Return a context's parts as the engine takes them."""
    return [PromptPart(part.text, part.token_ids, part.tokenizer_hash, part.role) for part in parts]


def counter(backend: Backend) -> Count:
    """Return the yardstick for contexts: the tokens that the backend's model takes."""

    def count(parts: Sequence[ContextPart]) -> int:
        return backend.count_tokens(prompt_parts(parts))

    return count


def sampling_record(sampling: SamplingParams) -> Mapping[str, float | int]:
    """Return sampling parameters by name, for a passage's record."""
    record: dict[str, float | int] = asdict(sampling)
    return record


async def assemble_context(
    desk: "Desk",
    backend: Backend,
    story: Story,
    settings: Settings,
    job: Job | None = None,
    *,
    is_blind: bool = False,
) -> Context:
    """Put a story to the model; without a job, as the next turn would.

    Args:
        desk: has the store.
        backend: counts the tokens.
        story: the story.
        settings: of its place.
        job: the passage that is to be written.
        is_blind: put what is known of the story, and none of its passages.

    Raises:
        PinnedTooLargeError: the concept crowds out the story.
        PromptTooLongError: the passage alone fills the window.
    """
    async with desk.store.read() as unit:
        anchor = await load_anchor(unit, story.id)
    is_retry = job is not None and job.kind is JobKind.RETRY
    info = backend.info
    path = [] if is_blind else tree.path(story)
    return await asyncio.to_thread(
        assemble,
        story,
        count=counter(backend),
        window_tokens=info.window_tokens,
        reply_tokens=reply_tokens(settings, info.window_tokens),
        budget_tokens=settings.context_tokens,
        style=info.style.value,
        tokenizer_hash=info.tokenizer_hash,
        anchor=anchor,
        ending=job.seed if job is not None and _ends(story, job) else None,
        passages=path[:-1] if is_retry else path,
    )


async def compose(
    desk: "Desk", backend: Backend, job: Job, story: Story, settings: Settings
) -> Prompt:
    """Return the request for a job.

    Raises:
        PinnedTooLargeError: the concept crowds out the story.
        PromptTooLongError: the passage alone fills the window.
    """
    context = await assemble_context(desk, backend, story, settings, job)
    blind: Sequence[PromptPart] = ()
    if settings.candidates > 1:
        front = await assemble_context(desk, backend, story, settings, job, is_blind=True)
        blind = prompt_parts(front.parts)
    opening = context.opening
    before = context.text.removesuffix(opening)
    concept = tree.concept(story)
    cast = " ".join(member.name for member in concept.cast)
    bounds = settings.bounds(job.length)
    await asyncio.to_thread(warm_up)
    names = await asyncio.to_thread(name_words, before)
    request = GenerationRequest(
        prompt=prompt_parts(context.parts),
        sampling=SamplingParams(**settings.sampling()),
        seed=job.seed,
        max_tokens=reply_tokens(settings, backend.info.window_tokens),
        min_tokens=_MIN_TOKENS,
        monitor=PassageMonitor(
            min_chars=bounds.min_chars,
            target_chars=bounds.target_chars,
            max_chars=bounds.max_chars,
            context_tail=before,
            opening=opening,
        ),
        exempt=names | frozenset(cast.split()),
        function_words=FUNCTION_WORDS,
        owner=story.place,
        group=group_key(story.place, story.guild_id),
        cache_key=str(story.id),
        timeout_s=desk.limits.generation_s,
    )
    return Prompt(
        request=request, anchor=context.anchor, before=before, opening=opening, blind=blind
    )


def reply_tokens(settings: Settings, window_tokens: int) -> int:
    """Return how many tokens a passage may take; never more than half of a small window."""
    return min(settings.max_passage_tokens, max(window_tokens // 2, 1))


async def load_anchor(unit: UnitOfWork, story_id: StoryId) -> PassageId | None:
    """Return the first passage that the story's last context held; None while it held all."""
    known = await unit.settings.fact(_anchor_name(story_id))
    return int(known) if known else None


async def save_anchor(unit: UnitOfWork, story_id: StoryId, anchor: PassageId | None) -> None:
    """Keep it, in the commit of the passage that the context was for."""
    if anchor != await load_anchor(unit, story_id):
        await unit.settings.put_fact(_anchor_name(story_id), "" if anchor is None else str(anchor))


def _anchor_name(story_id: StoryId) -> str:
    return f"anchor:{story_id}"


def _ends(story: Story, job: Job) -> bool:
    """Tell whether a job ends the story, or writes its ending anew."""
    return job.kind is JobKind.END or (
        job.kind is JobKind.RETRY
        and story.status is StoryStatus.ENDED
        and any(entry.kind is EntryKind.END for entry in story.journal if not entry.is_undone)
    )
