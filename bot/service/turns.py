"""The use cases that add to a story: start, take a turn, retry, end, stop.

Invariant: words, key and job are committed together before a model writes; what is
given back says what became of them, at once.
"""

from bot.errors import EmptyTextError, NotFoundError, NothingToRetryError, StoryEndedError
from bot.locales import N_
from bot.policy.rights import Actor, Place, Right
from bot.service.api import Origin, Receipt, ReceiptKind
from bot.service.desk import Charge
from bot.service.generation import Interruption
from bot.service.inbox import announce, enqueue, new_job
from bot.service.places import place_key, remember_place
from bot.service.usecases import Deed, Outcome, UseCases, require_head
from bot.story import actions, tree
from bot.story.model import AuthorKind, Concept, PassageId, Story, StoryStatus
from bot.story.ports import Job, JobKind, UnitOfWork


class Turns(UseCases):
    """What makes a story longer."""

    async def start(
        self,
        actor: Actor,
        place: Place,
        concept: Concept,
        opening: str | None,
        *,
        key: str,
        wants_answer: bool = True,
        origin: Origin | None = None,
        draft_id: int | None = None,
    ) -> Receipt:
        """Begin a story, with its first words if there are any; archives the place's current one.

        Args:
            actor: who starts it.
            place: where it lives.
            concept: what it is about.
            opening: the first words; None or "" lets the model begin.
            key: of the interaction or message.
            wants_answer: whether the model writes at once.
            origin: the member's own message that shows the opening.
            draft_id: the concept card that it was begun from, deleted in the same commit.

        Raises:
            BusyError: the place's current story is being written.
            NotAllowedError: the concept's format or genre cannot be started here.
            PinnedTooLargeError: the concept would crowd out the story.
            NotFoundError: the card is gone.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.START)
        words = desk.take_words(opening, settings) if opening else None
        concept = desk.take_new_concept(concept, settings)
        desk.check_pinned(concept)
        charge = Charge(desk, actor, place, settings, cost=1.0 if wants_answer else 0.0)

        async def act(unit: UnitOfWork) -> Outcome:
            receipt = await self._duplicate(unit, place, key)
            if receipt is not None:
                return Outcome(receipt=receipt)
            if draft_id is not None:
                if await unit.drafts.get(draft_id) is None:
                    raise NotFoundError(what=N_("That card"))
                await unit.drafts.delete(draft_id)
            archived = await unit.stories.current(place_key(place))
            if archived is not None:
                await self._require_idle(unit, archived, place)
            charge()
            stamp = await self._stamp(unit, actor, key)
            step = actions.start(
                stamp, place=place_key(place), guild_id=place.guild_id, concept=concept
            )
            await unit.stories.add(step)
            await remember_place(unit, place)
            return await self._grow(
                unit, actor, place, step.story, words, wants_answer=wants_answer, origin=origin
            )

        return await self._proceed(place, await self._commit(place, act), charge)

    async def take_turn(
        self,
        actor: Actor,
        place: Place,
        text: str | None,
        *,
        key: str,
        length: str = "",
        wants_answer: bool = True,
        origin: Origin | None = None,
        expected_head: PassageId | None = None,
    ) -> Receipt:
        """Add a member's words, if any, and let the model go on, if it is asked to.

        While a passage is written the words wait, whatever button they came by.

        Args:
            actor: whose turn it is.
            place: where.
            text: the words; None lets the model go on.
            key: of the interaction or message.
            length: the passage length asked for; "" is the place's setting.
            wants_answer: whether the model answers.
            origin: the member's own message that shows the words.
            expected_head: the passage under which a button was pressed; it counts only
                without text, so that no words are lost to it.

        Raises:
            EmptyTextError: there is nothing readable in the text.
            NoStoryError: nothing is open here.
            StoryEndedError: the story has ended.
            BusyError: a passage is being written and there are no words to keep.
            StaleError: the story has moved on since the button was drawn.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.WRITE)
        words = None if text is None else desk.take_words(text, settings)
        if words is None and not wants_answer:
            raise EmptyTextError
        settings.bounds(length)  # refuses a length that does not exist
        charge = Charge(desk, actor, place, settings, cost=1.0 if wants_answer else 0.0)

        async def act(unit: UnitOfWork) -> Outcome:
            receipt = await self._duplicate(unit, place, key)
            if receipt is not None:
                return Outcome(receipt=receipt)
            story = await self._current(unit, place)
            job = await unit.jobs.open_for(story.id)
            if job is not None and words is not None:
                self._revive(job, place)
                waiting = await enqueue(
                    unit,
                    desk,
                    actor,
                    story.id,
                    words,
                    key=key,
                    wants_answer=wants_answer,
                    origin=origin,
                    limit=settings.max_waiting,
                )
                if waiting is not None:
                    charge()
                return Outcome(receipt=_waiting(story, job, waiting))
            await self._require_idle(unit, story, place)
            if words is None:
                require_head(story, expected_head)
            if story.status is StoryStatus.ENDED:
                raise StoryEndedError(title=tree.title(story))
            charge()
            return await self._grow(
                unit,
                actor,
                place,
                story,
                words,
                key=key,
                length=length,
                wants_answer=wants_answer,
                origin=origin,
            )

        return self._remember(
            key, await self._proceed(place, await self._commit(place, act), charge)
        )

    async def _grow(
        self,
        unit: UnitOfWork,
        actor: Actor,
        place: Place,
        story: Story,
        words: str | None,
        *,
        wants_answer: bool,
        origin: Origin | None,
        key: str | None = None,
        length: str = "",
    ) -> Outcome:
        """Append words and ask for an answer, in the caller's unit of work."""
        desk = self._desk
        stamp = await self._stamp(unit, actor, key)
        passage_id: PassageId | None = None
        turn_id = 0  # of no entry: the answer becomes a turn of its own
        if words is not None:
            step = actions.add(story, stamp, words)
            await unit.stories.save(step, story.version)
            story, turn_id = step.story, step.entries[0].turn_id
            passage_id = step.passages[0].id
            await announce(unit, desk, story.id, passage_id, place=place, origin=origin)
        job: Job | None = None
        if wants_answer:
            job = new_job(
                desk,
                story,
                JobKind.ANSWER,
                turn_id=turn_id,
                parent_id=tree.head_id(story),
                author_id=stamp.author.id,
                locale=actor.locale,
                length=length,
            )
            await unit.jobs.add(job)
        receipt = Receipt(
            kind=ReceiptKind.KEPT if job is None else ReceiptKind.WRITING,
            story=story,
            passage_id=passage_id,
            job_id=None if job is None else job.id,
        )
        return Outcome(
            receipt=receipt,
            job=job,
            show=() if passage_id is None else (passage_id,),
            job_key=key if words is None else None,
        )

    async def retry(
        self, actor: Actor, place: Place, *, key: str, expected_head: PassageId | None = None
    ) -> Receipt:
        """Have the model write the newest passage anew, beside the old one.

        Raises:
            NothingToRetryError: the newest passage is not the model's.
            BusyError: a passage is being written.
            StaleError: the story has moved on since the button was drawn.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.STEER)
        charge = Charge(desk, actor, place, settings)

        async def act(unit: UnitOfWork) -> Outcome:
            receipt = await self._duplicate(unit, place, key)
            if receipt is not None:
                return Outcome(receipt=receipt)
            story = await self._current(unit, place)
            await self._require_idle(unit, story, place)
            require_head(story, expected_head)
            head = tree.head(story)
            if head is None or head.kind is not AuthorKind.MODEL:
                raise NothingToRetryError
            charge()
            return await self._ask(unit, actor, story, JobKind.RETRY, key=key)

        return self._remember(
            key, await self._proceed(place, await self._commit(place, act), charge)
        )

    async def end(self, actor: Actor, place: Place, *, key: str, by_model: bool = True) -> Receipt:
        """End the story, with an ending by the model or as it stands.

        Raises:
            StoryEndedError: it has ended already.
            BusyError: a passage is being written.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.END)
        charge = Charge(desk, actor, place, settings)

        async def act(unit: UnitOfWork) -> Outcome:
            receipt = await self._duplicate(unit, place, key)
            if receipt is not None:
                return Outcome(receipt=receipt)
            story = await self._current(unit, place)
            await self._require_idle(unit, story, place)
            if story.status is StoryStatus.ENDED:
                raise StoryEndedError(title=tree.title(story))
            if by_model:
                charge()
                return await self._ask(unit, actor, story, JobKind.END, key=key)
            step = actions.end(story, await self._stamp(unit, actor, key))
            await unit.stories.save(step, story.version)
            head_id = tree.head_id(step.story)
            return Outcome(
                receipt=Receipt(kind=ReceiptKind.KEPT, story=step.story),
                show=() if head_id is None else (head_id,),
            )

        return self._remember(
            key, await self._proceed(place, await self._commit(place, act), charge)
        )

    async def _ask(
        self,
        unit: UnitOfWork,
        actor: Actor,
        story: Story,
        kind: JobKind,
        *,
        key: str,
    ) -> Outcome:
        """Ask the model for a passage that is a turn of its own."""
        stamp = await self._stamp(unit, actor, key)
        head = tree.head(story)
        parent_id = None if head is None else head.id
        if head is not None and kind is JobKind.RETRY:
            parent_id = head.parent_id
        job = new_job(
            self._desk,
            story,
            kind,
            turn_id=0,
            parent_id=parent_id,
            author_id=stamp.author.id,
            locale=actor.locale,
        )
        await unit.jobs.add(job)
        receipt = Receipt(kind=ReceiptKind.WRITING, story=story, job_id=job.id)
        return Outcome(receipt=receipt, job=job, job_key=key)

    def _remember(self, key: str, receipt: Receipt) -> Receipt:
        """Keep what a key did, for acts whose key reaches the journal only later."""
        if receipt.kind is not ReceiptKind.DUPLICATE:
            self._recent.put(key, Deed(story_id=receipt.story.id))
        return receipt

    async def stop(self, actor: Actor, place: Place) -> Receipt | None:
        """End the passage under way and keep what is whole of it.

        Returns:
            None where nothing was being written; else the story, and the passage if
            anything was kept.
        """
        desk = self._desk
        await desk.admit(actor, place, Right.UNDO)
        async with desk.store.read() as unit:
            story = await self._current(unit, place)
            job = await unit.jobs.open_for(story.id)
        if job is None:
            return None
        run = self._runner.run_of(job.id)
        kept: PassageId | None = None
        if run is None:  # another process is at it, or none
            async with desk.store.write() as unit:
                await unit.jobs.cancel(job.id)
                await unit.commit()
        else:
            await self._interrupt(job.id, Interruption.STOP)
            kept = run.kept_passage_id
        async with desk.store.read() as unit:
            newest = await unit.stories.load(story.id)
        return Receipt(kind=ReceiptKind.KEPT, story=newest or story, passage_id=kept, job_id=job.id)


def _waiting(story: Story, job: Job, waiting: int | None) -> Receipt:
    if waiting is None:
        return Receipt(kind=ReceiptKind.DUPLICATE, story=story, job_id=job.id)
    return Receipt(kind=ReceiptKind.WAITING, story=story, job_id=job.id, waiting=waiting)
