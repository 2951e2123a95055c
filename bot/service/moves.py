"""The use cases that move through a story: undo, redo, pick, edit, rename.

Invariant: none of them destroys a word; what leaves the path is shown as withdrawn.
"""

from bot.errors import (
    InvalidInputError,
    NotFoundError,
    NothingToRetryError,
    NothingToUndoError,
    StaleError,
)
from bot.locales import N_
from bot.policy.rights import Actor, Place, Right
from bot.service.api import PassageView, Undone
from bot.service.generation import Interruption
from bot.service.inbox import Settled, settle
from bot.service.showing import views_of
from bot.service.usecases import Deed, UseCases, require_head
from bot.story import actions, tree
from bot.story.model import PassageId, Story, StoryId
from bot.story.ports import Job, JobKind, UnitOfWork


class Moves(UseCases):
    """What changes where a story stands or how it reads."""

    async def undo(
        self,
        actor: Actor,
        place: Place,
        n: int = 1,
        *,
        key: str,
        expected_head: PassageId | None = None,
    ) -> Undone:
        """Take back the last ``n`` turns; a passage under way is cancelled with its turn.

        Raises:
            NothingToUndoError: there is none.
            StaleError: the story has moved on since the button was drawn.
        """
        desk = self._desk
        await desk.admit(actor, place, Right.UNDO)
        if n < 1:
            raise InvalidInputError(reason=N_("the number of turns must be 1 or more."))

        async def act(unit: UnitOfWork) -> tuple[Undone, Settled | None, Job | None]:
            story = await self._current(unit, place)
            deed = self._recent.get(key)
            if deed is not None:
                return _again(deed, story), None, None
            require_head(story, expected_head)
            job = await unit.jobs.open_for(story.id)
            after, turns = await self._take_back(unit, actor, story, job, n)
            settled = await settle(unit, desk, after, place, locale=actor.locale)
            withdrawn, restored = _difference(story, after)
            undone = Undone(
                story=settled.story,
                turns=turns,
                withdrawn=withdrawn,
                restored=restored,
                cancelled_job=job is not None,
            )
            return undone, settled, job

        undone, settled, job = await self._commit(place, act)
        if settled is None:
            return undone
        self._recent.put(key, _deed(undone))
        run = None if job is None else self._runner.run_of(job.id)
        self._runner.follow(settled, place, after=None if run is None else run.ended)
        if job is not None:
            await self._interrupt(job.id, Interruption.CANCEL)
        await desk.showing.show(place, undone.story.id, (*undone.withdrawn, *undone.restored))
        return undone

    async def _take_back(
        self, unit: UnitOfWork, actor: Actor, story: Story, job: Job | None, n: int
    ) -> tuple[Story, int]:
        """Undo turns, the passage under way first; return the story and how many were undone."""
        taken = 0
        if job is not None:
            await unit.jobs.cancel(job.id)
            depth = _depth(story, job)
            if depth == 0:  # a passage without a member's words is a turn by itself
                n, taken = n - 1, 1
            n = max(n, depth)
        if n == 0:
            return story, taken
        try:
            step = actions.undo(story, await self._stamp(unit, actor, None), n)
        except NothingToUndoError:
            if job is None:
                raise
            return story, taken
        await unit.stories.save(step, story.version)
        undone_ids = set(step.undone)
        turn_ids = {entry.turn_id for entry in story.journal if entry.id in undone_ids}
        return step.story, taken + len(turn_ids)

    async def redo(self, actor: Actor, place: Place, n: int = 1, *, key: str) -> Undone:
        """Bring the last ``n`` undone turns back.

        Raises:
            NothingToRedoError: nothing was undone since the last action.
            BusyError: a passage is being written.
        """
        desk = self._desk
        await desk.admit(actor, place, Right.UNDO)

        async def act(unit: UnitOfWork) -> tuple[Undone, Settled | None]:
            story = await self._current(unit, place)
            deed = self._recent.get(key)
            if deed is not None:
                return _again(deed, story), None
            await self._require_idle(unit, story, place)
            step = actions.redo(story, await self._stamp(unit, actor, None), n)
            await unit.stories.save(step, story.version)
            withdrawn, restored = _difference(story, step.story)
            redone_ids = set(step.redone)
            settled = await settle(unit, desk, step.story, place, locale=actor.locale)
            undone = Undone(
                story=settled.story,
                turns=len({e.turn_id for e in story.journal if e.id in redone_ids}),
                withdrawn=withdrawn,
                restored=restored,
            )
            return undone, settled

        undone, settled = await self._commit(place, act)
        if settled is not None:
            self._recent.put(key, _deed(undone))
            self._runner.follow(settled, place)
            await desk.showing.show(place, undone.story.id, (*undone.withdrawn, *undone.restored))
        return undone

    async def pick(
        self, actor: Actor, place: Place, *, key: str, expected_head: PassageId, step: int
    ) -> PassageView:
        """Go on from another alternate of the newest passage; round and round.

        Args:
            actor: who picks.
            place: where.
            key: of the interaction or message.
            expected_head: the passage under which the button stands.
            step: how many alternates forward (1) or back (-1).

        Raises:
            NothingToRetryError: there is no other alternate.
            StaleError: the story has moved on since the button was drawn.
            BusyError: a passage is being written.
        """
        desk = self._desk
        await desk.admit(actor, place, Right.STEER)

        async def act(unit: UnitOfWork) -> tuple[Story, PassageId]:
            story = await self._current(unit, place)
            known = await unit.stories.find_key(key)
            head_id = tree.head_id(story)
            if known is not None and head_id is not None:
                return story, head_id
            await self._require_idle(unit, story, place)
            require_head(story, expected_head)
            if expected_head not in story.passages:
                raise StaleError
            alternates = tree.alternates(story, expected_head)
            position = alternates.index(expected_head)
            chosen = alternates[(position + step) % len(alternates)]
            if chosen == expected_head:
                raise NothingToRetryError
            target = tree.last_head_under(story, chosen)
            moved = actions.pick(story, await self._stamp(unit, actor, key), target)
            await unit.stories.save(moved, story.version)
            return moved.story, chosen

        story, chosen = await self._commit(place, act)
        path = [passage.id for passage in tree.path(story)]
        newly_read = path[path.index(chosen) :] if chosen in path else [chosen]
        await desk.showing.show(place, story.id, newly_read)
        return views_of(place, story, [chosen])[0]

    async def edit(
        self,
        actor: Actor,
        place: Place,
        passage_id: PassageId | None,
        text: str,
        *,
        key: str,
    ) -> PassageView:
        """Give a passage another wording; the old one is kept.

        Args:
            actor: who edits.
            place: where.
            passage_id: which; None is the newest.
            text: the new wording.
            key: of the interaction or message.

        Raises:
            NotFoundError: there is no such passage in the place's story.
            NotAllowedError: it is another member's, and the actor may not.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.EDIT)
        words = desk.take_words(text, settings)

        async def act(unit: UnitOfWork) -> tuple[Story, PassageId]:
            story = await self._current(unit, place)
            wanted = tree.head_id(story) if passage_id is None else passage_id
            if wanted is None or wanted not in story.passages:
                raise NotFoundError(what=N_("That passage"))
            desk.require_edit(actor, place, settings, story, story.passages[wanted])
            if await unit.stories.find_key(key) is not None:
                return story, wanted
            step = actions.edit(story, await self._stamp(unit, actor, key), wanted, words)
            await unit.stories.save(step, story.version)
            return step.story, wanted

        story, edited = await self._commit(place, act)
        await desk.showing.show(place, story.id, [edited])
        return views_of(place, story, [edited])[0]

    async def rename(
        self, actor: Actor, place: Place, story_id: StoryId | None, title: str, *, key: str
    ) -> Story:
        """Give a story another title.

        Args:
            actor: who renames.
            place: where.
            story_id: which; None is the place's current one.
            title: the new title.
            key: of the interaction or message.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.STEER)
        wanted = desk.take_title(title, settings)

        async def act(unit: UnitOfWork) -> Story:
            if story_id is None:
                story = await self._current(unit, place)
            else:
                story = await self._visible(unit, actor, place, story_id)
            if await unit.stories.find_key(key) is not None:
                return story
            step = actions.rename(story, await self._stamp(unit, actor, key), wanted)
            await unit.stories.save(step, story.version)
            return step.story

        return await self._commit(place, act)


def _depth(story: Story, job: Job) -> int:
    """Return how many undos take back the turn that a job answers; 0 where it is its own."""
    if job.kind is not JobKind.ANSWER:
        return 0
    turns: list[int] = []
    for entry in reversed(story.journal):
        if not entry.is_undone and entry.turn_id not in turns:
            turns.append(entry.turn_id)
            if entry.turn_id == job.turn_id:
                return len(turns)
    return 0


def _difference(before: Story, after: Story) -> tuple[tuple[PassageId, ...], tuple[PassageId, ...]]:
    """Return what left the path, and what came back or reads otherwise."""
    old = {passage.id: passage.text_id for passage in tree.path(before)}
    new = {passage.id: passage.text_id for passage in tree.path(after)}
    withdrawn = tuple(passage_id for passage_id in old if passage_id not in new)
    restored = tuple(
        passage_id for passage_id, text_id in new.items() if old.get(passage_id) != text_id
    )
    return withdrawn, restored


def _deed(undone: Undone) -> Deed:
    return Deed(
        story_id=undone.story.id,
        turns=undone.turns,
        withdrawn=undone.withdrawn,
        restored=undone.restored,
        cancelled_job=undone.cancelled_job,
    )


def _again(deed: Deed, story: Story) -> Undone:
    return Undone(
        story=story,
        turns=deed.turns,
        withdrawn=deed.withdrawn,
        restored=deed.restored,
        cancelled_job=deed.cancelled_job,
    )
