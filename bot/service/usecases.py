"""What all use cases on stories share: one place at a time, once a key, conflicts repeated.

Invariant: the lock of a place is politeness within one process; what holds between
processes is the story's version, the job's lease and the key's uniqueness.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.errors import BusyError, ConflictError, NoStoryError, NotFoundError, StaleError
from bot.locales import N_
from bot.policy.rights import Actor, Place
from bot.service.api import Receipt, ReceiptKind
from bot.service.desk import Charge, Desk
from bot.service.generation import Interruption, Runner
from bot.service.places import place_key
from bot.service.showing import PlaceLocks
from bot.story import tree
from bot.story.actions import Stamp
from bot.story.model import PassageId, Story, StoryId
from bot.story.ports import Job, UnitOfWork

Result = TypeVar("Result")

RECENT_KEYS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a use case committed, and what is to be done with it now."""

    receipt: Receipt
    job: Job | None = None
    show: tuple[PassageId, ...] = ()
    job_key: str | None = None  # for the answer's entry, where no other entry has the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a key did, for acts that leave it in the journal late or never."""

    story_id: StoryId
    turns: int = 0
    withdrawn: tuple[PassageId, ...] = ()
    restored: tuple[PassageId, ...] = ()
    cancelled_job: bool = False


class Recent:
    """What the last keys did, so that a redelivery within the process's life adds nothing."""

    def __init__(self, size: int = RECENT_KEYS) -> None:
        self._deeds: OrderedDict[str, Deed] = OrderedDict()
        self._size = size

    def get(self, key: str) -> Deed | None:
        """Return what a key did."""
        return self._deeds.get(key)

    def put(self, key: str, deed: Deed) -> None:
        """Remember it; the oldest is forgotten."""
        self._deeds[key] = deed
        while len(self._deeds) > self._size:
            self._deeds.popitem(last=False)


class UseCases:
    """The ground that the use cases stand on.

    Args:
        desk: what they all need.
        runner: writes passages.
    """

    def __init__(self, desk: Desk, runner: Runner) -> None:
        self._desk = desk
        self._runner = runner
        self._locks = PlaceLocks()
        self._recent = Recent()

    async def _commit(self, place: Place, act: Callable[[UnitOfWork], Awaitable[Result]]) -> Result:
        """Do ``act`` in a unit of work and commit it; repeat it on a conflict."""
        async with self._locks.of(place):
            for _ in range(self._desk.limits.conflicts):
                try:
                    async with self._desk.store.write() as unit:
                        result = await act(unit)
                        await unit.commit()
                except ConflictError:
                    continue
                else:
                    return result
        raise ConflictError

    async def _proceed(self, place: Place, outcome: Outcome, charge: Charge) -> Receipt:
        """Begin the job, or show what stands there already."""
        if outcome.job is not None:
            self._runner.start(
                outcome.job,
                place,
                key=outcome.job_key,
                show_first=outcome.show,
                charge=charge,
            )
        else:
            await self._desk.showing.show(place, outcome.receipt.story.id, outcome.show)
        return outcome.receipt

    async def _current(self, unit: UnitOfWork, place: Place) -> Story:
        story = await unit.stories.current(place_key(place))
        if story is None:
            raise NoStoryError
        return story

    async def _visible(
        self, unit: UnitOfWork, actor: Actor, place: Place, story_id: StoryId
    ) -> Story:
        """Return a story of this place or, for a moderator, of its guild."""
        story = await unit.stories.load(story_id)
        if story is None or not (
            story.place == place_key(place)
            or (
                actor.is_moderator
                and place.guild_id is not None
                and story.guild_id == place.guild_id
            )
        ):
            raise NotFoundError(what=N_("That story"))
        return story

    async def _duplicate(self, unit: UnitOfWork, place: Place, key: str) -> Receipt | None:
        """Return the receipt for a key that was taken before; None for a new one."""
        known = await unit.stories.find_key(key)
        story: Story | None
        if known is not None:
            story = await unit.stories.load(known[0])
        else:
            deed = self._recent.get(key)
            if deed is None:
                return None
            story = await unit.stories.load(deed.story_id)
        if story is None:
            story = await self._current(unit, place)
        job = await unit.jobs.open_for(story.id)
        return Receipt(
            kind=ReceiptKind.DUPLICATE, story=story, job_id=job.id if job is not None else None
        )

    async def _require_idle(self, unit: UnitOfWork, story: Story, place: Place) -> None:
        """Refuse an act that cannot be done while a passage is written.

        Raises:
            BusyError: one is.
        """
        job = await unit.jobs.open_for(story.id)
        if job is not None:
            self._revive(job, place)
            raise BusyError

    def _revive(self, job: Job, place: Place) -> None:
        """Take up an open job that this process holds but does not run.

        So it is where a failure could not be written down, as on a full disk. A job of
        this moment is left to the act that made it and is about to start it.
        """
        desk = self._desk
        age_s = (desk.clock.now() - (job.created_at or desk.clock.now())).total_seconds()
        if age_s < desk.limits.revive_s:
            return
        is_held = (job.owner, job.epoch) == (desk.owner, desk.epoch)
        is_expired = job.expires_at is None or job.expires_at <= desk.clock.now()
        if (is_held or is_expired) and self._runner.run_of(job.id) is None:
            self._runner.start(job, place)

    async def _stamp(self, unit: UnitOfWork, actor: Actor, key: str | None) -> Stamp:
        author = await unit.stories.author(self._desk.author_of(actor))
        return Stamp(author, self._desk.clock.now(), self._desk.new_id, key)

    async def _interrupt(self, job_id: PassageId, reason: Interruption) -> bool:
        """End a run of this process; False where there is none, or it does not end in time."""
        run = self._runner.run_of(job_id)
        if run is None:
            return False
        run.interrupt(reason)
        try:
            async with asyncio.timeout(self._desk.limits.cancel_s):
                await run.ended.wait()
        except TimeoutError:
            return False
        return True


def require_head(story: Story, expected_head: PassageId | None) -> None:
    """Refuse a press of a button under a passage that is no longer the newest.

    Raises:
        StaleError: the head is another one.
    """
    if expected_head is not None and tree.head_id(story) != expected_head:
        raise StaleError
