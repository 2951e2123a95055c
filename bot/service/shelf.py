"""The use cases that keep stories: list, open, look at, delete, import.

Invariant: a place sees its own stories; a moderator those of the whole guild. Delete
is the one act that removes words, and it keeps the structure.
"""

from collections.abc import Sequence
from dataclasses import replace

from bot.policy.rights import Actor, Place, Right, may
from bot.policy.settings import Settings
from bot.service.generation import Interruption
from bot.service.places import place_key, remember_place
from bot.service.prompts import assemble_context
from bot.service.showing import blanked
from bot.service.usecases import UseCases
from bot.story.context import Context
from bot.story.model import (
    Author,
    AuthorId,
    AuthorKind,
    Passage,
    PassageId,
    Pointer,
    Revision,
    Step,
    Story,
    StoryId,
    StorySummary,
)
from bot.story.portable_import import import_json
from bot.story.ports import Job, UnitOfWork
from bot.text.clean import clean_text, is_visible


class Shelf(UseCases):
    """What is done with stories as wholes."""

    async def _require_read(self, actor: Actor, place: Place) -> None:
        may(actor, Right.READ, place, await self._desk.settings.effective(place))

    async def current(self, actor: Actor, place: Place) -> Story:
        """Return the story that is open in a place.

        Raises:
            NoStoryError: there is none.
        """
        await self._require_read(actor, place)
        async with self._desk.store.read() as unit:
            return await self._current(unit, place)

    async def current_or_none(self, place: Place) -> Story | None:
        """Return the story that is open in a place."""
        async with self._desk.store.read() as unit:
            return await unit.stories.current(place_key(place))

    async def story(self, actor: Actor, place: Place, story_id: StoryId) -> Story:
        """Return a story of this place (for a moderator: of its guild).

        Raises:
            NotFoundError: there is none that the actor may see from here.
        """
        await self._require_read(actor, place)
        async with self._desk.store.read() as unit:
            return await self._visible(unit, actor, place, story_id)

    async def summaries(
        self, actor: Actor, place: Place, query: str = "", limit: int = 25, offset: int = 0
    ) -> Sequence[StorySummary]:
        """Return a place's stories, newest first, by the beginnings of their titles' words.

        A moderator sees those of the guild's other places too.
        """
        await self._require_read(actor, place)
        by_guild = actor.is_moderator and place.guild_id is not None
        async with self._desk.store.read() as unit:
            return await unit.stories.summaries(
                None if by_guild else place_key(place),
                guild_id=place.guild_id if by_guild else None,
                query=query,
                limit=limit,
                offset=offset,
            )

    async def passage_by_message(self, message_id: int) -> tuple[StoryId, PassageId] | None:
        """Return the passage that a message shows."""
        async with self._desk.store.read() as unit:
            item = await unit.outbox.by_message(message_id)
        return None if item is None else (item.story_id, item.passage_id)

    async def context(self, actor: Actor, place: Place) -> Context:
        """Return exactly what the model would be given now.

        Raises:
            ModelUnavailableError: no model is there to count with.
        """
        desk = self._desk
        settings = await desk.settings.effective(place)
        story = await self.current(actor, place)
        backend = await desk.engine.get(desk.limits.patience_s)
        return await assemble_context(desk, backend, story, settings)

    async def is_writing(self, place: Place) -> bool:
        """Tell whether a passage is under way in a place."""
        async with self._desk.store.read() as unit:
            story_id = await unit.stories.current_id(place_key(place))
            return story_id is not None and await unit.jobs.open_for(story_id) is not None

    async def open(self, actor: Actor, place: Place, story_id: StoryId) -> Story:
        """Open a story in a place and archive the one that was open there.

        Raises:
            NotFoundError: there is none that the actor may see from here.
            BusyError: a passage of one of the two is being written.
        """
        await self._desk.admit(actor, place, Right.OPEN)

        async def act(unit: UnitOfWork) -> Story:
            story = await self._visible(unit, actor, place, story_id)
            key = place_key(place)
            if story.is_current and story.place == key:
                return story
            archived = await unit.stories.current(key)
            for one in (story, archived):
                if one is not None:
                    await self._require_idle(unit, one, place)
            await unit.stories.set_current(story_id, key)
            await remember_place(unit, place)
            return replace(story, place=key, is_current=True)

        return await self._commit(place, act)

    async def delete(self, actor: Actor, place: Place, story_id: StoryId) -> Story:
        """Blank a story's words for good and cancel what is under way in it.

        Returns:
            The story as it is now: its structure, without a word.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.DELETE)

        async def act(unit: UnitOfWork) -> tuple[Story, Job | None, tuple[PassageId, ...]]:
            story = await self._visible(unit, actor, place, story_id)
            desk.require_delete(actor, place, settings, story)
            job = await unit.jobs.open_for(story_id)
            if job is not None:
                await unit.jobs.cancel(job.id)
            waiting = await unit.inbox.waiting(story_id)
            await unit.inbox.remove([item.id for item in waiting])
            shown = await unit.outbox.for_story(story_id, limit=desk.limits.shown_messages)
            await unit.stories.blank(story_id)
            passage_ids = tuple(dict.fromkeys(item.passage_id for item in shown if item.is_own))
            return story, job, passage_ids

        story, job, shown = await self._commit(place, act)
        if job is not None:
            await self._interrupt(job.id, Interruption.CANCEL)
        gone = blanked(story)
        await desk.showing.show_blanked(place, gone, shown)
        return gone

    async def import_(self, actor: Actor, place: Place, data: bytes, *, key: str) -> Story:
        """Read a story from its JSON file and open it here; archives the current one.

        Raises:
            InvalidInputError: the file is no sound story.
            ScreenedError: a text in it holds what is not allowed here.
            BusyError: the place's current story is being written.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.IMPORT)

        async def act(unit: UnitOfWork) -> Story:
            known = await unit.stories.find_key(key)
            if known is not None and (story := await unit.stories.load(known[0])) is not None:
                return story
            stamp = await self._stamp(unit, actor, key)
            step = import_json(data, stamp, place=place_key(place), guild_id=place.guild_id)
            step = _cleaned(step, settings)
            desk.check_words([text.body for text in step.texts], settings)
            archived = await unit.stories.current(place_key(place))
            if archived is not None:
                await self._require_idle(unit, archived, place)
            step = await _with_known_models(unit, step)
            await unit.stories.add(step)
            await remember_place(unit, place)
            return step.story

        return await self._commit(place, act)


def _cleaned(step: Step, settings: Settings) -> Step:
    """Clean the file's texts as a member's words are; concepts are data and stay as they are."""
    concepts = {step.story.concept_id}
    for entry in step.entries:
        for change in entry.changes:
            if change.pointer is Pointer.CONCEPT:
                concepts |= {change.before, change.after}
    texts = tuple(
        text
        if text.id in concepts or not is_visible(text.body)
        else replace(
            text, body=_lead(text.body) + clean_text(text.body, limit=settings.input_limit)
        )
        for text in step.texts
    )
    story = replace(step.story, texts={text.id: text for text in texts})
    return replace(step, story=story, texts=texts)


def _lead(text: str) -> str:
    """Return the white space that a model's passage begins with: it joins it to the one before."""
    lead = text[: len(text) - len(text.lstrip(" \n"))]
    return lead[:2]


async def _with_known_models(unit: UnitOfWork, step: Step) -> Step:
    """Let the file's models be the rows that the store has for their names already."""
    renamed: dict[AuthorId, Author] = {}
    for author in step.authors:
        if author.kind is AuthorKind.MODEL:
            renamed[author.id] = await unit.stories.author(author)

    def new_id(author_id: AuthorId) -> AuthorId:
        return renamed[author_id].id if author_id in renamed else author_id

    def revised(revision: Revision) -> Revision:
        return replace(revision, author_id=new_id(revision.author_id))

    def passage_of(passage: Passage) -> Passage:
        return replace(
            passage,
            author_id=new_id(passage.author_id),
            revisions=tuple(revised(revision) for revision in passage.revisions),
        )

    authors = {renamed.get(one.id, one).id: renamed.get(one.id, one) for one in step.authors}
    passages = {key: passage_of(passage) for key, passage in step.story.passages.items()}
    journal = tuple(
        replace(entry, author_id=new_id(entry.author_id)) for entry in step.story.journal
    )
    story = replace(step.story, authors=authors, passages=passages, journal=journal)
    return replace(
        step,
        story=story,
        authors=tuple(authors.values()),
        passages=tuple(passages.values()),
        entries=journal,
    )
