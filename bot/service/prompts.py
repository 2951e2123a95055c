"""From a story to a request: the context as the engine takes it, and how to sample.

Invariant: the same job on the same story and settings gives the same request; tokens
are counted by the model that writes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bot.engine.backend import Backend
from bot.engine.types import GenerationRequest, PromptPart, PromptStyle, SamplingParams
from bot.policy.settings import Settings
from bot.service.places import group_key
from bot.service.screenwriting import Scene
from bot.story import tree
from bot.story.concept import ConceptField, fallback
from bot.story.context import Context, Count, assemble
from bot.story.context_parts import COMPLETION, ContextPart
from bot.story.formats import PROSE, SCREENPLAY, known_format
from bot.story.model import (
    CastMember,
    EntryKind,
    Passage,
    PassageId,
    Story,
    StoryId,
    StoryStatus,
)
from bot.story.narrative import ends_sentence, narrative
from bot.story.ports import Job, JobKind, UnitOfWork
from bot.text.forms import fountain
from bot.text.forms.fountain import Kind
from bot.text.forms.screenplay import as_play, heading_of
from bot.text.function_words import FUNCTION_WORDS
from bot.text.names import name_words
from bot.text.passage import PassageMonitor
from bot.text.sentences import warm_up

if TYPE_CHECKING:
    from bot.service.desk import Desk

_SCENE_CHARS = 1800
"""After so many a passage begins a scene."""

_LATER = "LATER"
_LEAST_SPEAKERS = 2
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
        format: of the story.
        is_ending: the passage ends the story.
        scene: where a screenplay takes up.
    """

    request: GenerationRequest
    anchor: PassageId | None
    before: str
    opening: str
    blind: Sequence[PromptPart]
    format: str = PROSE
    is_ending: bool = False
    scene: Scene | None = None


def prompt_parts(parts: Sequence[ContextPart]) -> list[PromptPart]:
    """Return a context's parts as the engine takes them."""
    return [
        PromptPart("", tags=part.tags)
        if part.tags
        else PromptPart(part.text, part.token_ids, part.tokenizer_hash, part.role)
        for part in parts
    ]


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
    is_scene = tree.concept(story).format == SCREENPLAY
    # Dialogue in a model's own answer is full of empty lines; as running text it is not.
    is_plain = is_scene and info.style is PromptStyle.PREFILL
    return await asyncio.to_thread(
        assemble,
        story,
        count=counter(backend),
        window_tokens=info.window_tokens,
        reply_tokens=reply_tokens(settings, info.window_tokens),
        budget_tokens=settings.context_tokens,
        style=COMPLETION if is_plain else info.style.value,
        tokenizer_hash=info.tokenizer_hash,
        anchor=anchor,
        ending=job.seed if job is not None and _is_ending(story, job) else None,
        passages=path[:-1] if is_retry else path,
        retell=as_play if is_scene else None,
        known_tags=info.tags,
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
    before = context.prose.removesuffix(opening)
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
    is_ending = _is_ending(story, job)
    scene = None
    if concept.format == SCREENPLAY:
        path = tree.path(story)
        told = path[:-1] if job.kind is JobKind.RETRY else path
        scene = _scene_of(story, told, before, bounds.target_chars, is_ending=is_ending)
    return Prompt(
        request=request,
        anchor=context.anchor,
        before=before,
        opening=opening,
        blind=blind,
        format=known_format(concept.format),
        is_ending=is_ending,
        scene=scene,
    )


def _scene_of(
    story: Story, told: Sequence[Passage], before: str, target_chars: int, *, is_ending: bool
) -> Scene:
    """Return where a passage of a screenplay takes up; what the concept leaves open comes from tables."""
    concept = tree.concept(story)
    script = narrative(story, told)
    elements = fountain.parse(script, may_have_title_page=False).elements
    spoken = fountain.speakers(elements)
    known = {one.name: None for one in concept.cast}
    if len(known) < _LEAST_SPEAKERS:  # nobody has a dialogue alone
        drawn = fallback(ConceptField.CAST, concept, story.id)
        known |= {one.name: None for one in drawn if isinstance(one, CastMember)}
    names = tuple(known)
    setting = concept.setting or str(fallback(ConceptField.SETTING, concept, story.id))
    headings = [element.text for element in elements if element.kind is Kind.HEADING]
    since = len(script) - (script.rfind(headings[-1]) if headings else 0)
    goes_on = bool(script) and not ends_sentence(script)
    heading = ""
    if not headings:
        heading = heading_of(setting)
    elif since > _SCENE_CHARS and not goes_on:
        heading = f"{headings[-1].rpartition(' - ')[0] or headings[-1]} - {_LATER}"
    is_new = bool(heading) or not spoken
    return Scene(
        names=names,
        heading="" if goes_on else heading,
        before=before,
        goes_on=goes_on,
        speaker="" if is_new else spoken[-1],
        target_chars=target_chars,
        is_ending=is_ending,
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


def _is_ending(story: Story, job: Job) -> bool:
    """Tell whether a job ends the story, or writes its ending anew."""
    return job.kind is JobKind.END or (
        job.kind is JobKind.RETRY
        and story.status is StoryStatus.ENDED
        and any(entry.kind is EntryKind.END for entry in story.journal if not entry.is_undone)
    )
