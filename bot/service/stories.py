"""The use cases on stories, as Discord and the terminal call them.

Invariant: this is the one door to a story; everything behind it takes an actor, asks
policy, and commits words before a model writes.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping

from bot.engine.backend import Backend
from bot.policy.budgets import Budgets
from bot.policy.rights import Place
from bot.service.api import Receipt, Stage
from bot.service.desk import Desk, Limits
from bot.service.engine_holder import EngineHolder
from bot.service.generation import Runner
from bot.service.moves import Moves
from bot.service.places import place_key
from bot.service.recovery import anywhere, recover
from bot.service.settings import SettingsService
from bot.service.shelf import Shelf
from bot.service.showing import Showing
from bot.service.turns import Turns
from bot.service.usecases import RECENT_KEYS
from bot.story.model import PassageId
from bot.story.ports import Clock, Store

log = logging.getLogger(__name__)


class StoryService(Turns, Moves, Shelf):
    """Everything that can be done with stories.

    Args:
        store: where they are kept.
        engine: the model, or its holder while it loads.
        clock: the time.
        new_id: gives ids that only grow.
        owner: who holds leases; one name for each process that shares the store.
        epoch: a number higher than at every earlier start of this owner.
        settings: what holds where.
        budgets: cooldowns.
        stage: where passages are shown; may be set later.
        new_seed: gives each passage's seed; None draws them at random.
        limits: how long and how often.
    """

    def __init__(
        self,
        store: Store,
        engine: EngineHolder | Backend,
        *,
        clock: Clock,
        new_id: Callable[[], int],
        owner: str,
        epoch: int,
        settings: SettingsService,
        budgets: Budgets,
        stage: Stage | None = None,
        new_seed: Callable[[], int] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.desk = Desk(
            store=store,
            engine=engine if isinstance(engine, EngineHolder) else EngineHolder.of(engine),
            clock=clock,
            new_id=new_id,
            new_seed=new_seed or (lambda: secrets.randbits(62)),
            owner=owner,
            epoch=epoch,
            settings=settings,
            budgets=budgets,
            showing=Showing(store, stage),
            limits=limits or Limits(),
            tasks=set(),
        )
        super().__init__(self.desk, Runner(self.desk))
        self._drafts: OrderedDict[str, int] = OrderedDict()
        self._is_drained = False

    def set_stage(self, stage: Stage) -> None:
        """Show everything on this stage from now on."""
        self.desk.showing.set_stage(stage)

    async def wait(self, job_id: PassageId) -> None:
        """Wait until a job ended and was shown, in whatever way; at once where it is not under way here."""
        await self._runner.wait(job_id)

    async def under_way(self, place: Place) -> PassageId | None:
        """Return the job of the passage that is being written on a place's story."""
        async with self.desk.store.read() as unit:
            story = await unit.stories.current(place_key(place))
            job = None if story is None else await unit.jobs.open_for(story.id)
        return None if job is None else job.id

    async def settle(self) -> None:
        """Wait until everything that is shown beside the use cases has been."""
        while self.desk.tasks:
            await asyncio.wait(set(self.desk.tasks))

    async def recover(self, is_ours: Callable[[Place], bool] = anywhere) -> int:
        """Take up what an earlier end left behind; call it once the stage is there.

        Args:
            is_ours: whether a place is shown here; what belongs to others is left to them.

        Returns:
            How many jobs, inboxes and passages were seen to.
        """
        return await recover(self.desk, self._runner, is_ours)

    async def drain(self, deadline_s: float) -> None:
        """Take nothing new, let passages end within the deadline, pause the others.

        What is paused goes on at the next start, with the same seed and so the same text.
        """
        if self._is_drained:
            return
        self.desk.is_closing = self._is_drained = True
        await self._runner.drain(deadline_s)
        if self.desk.tasks:
            _, late = await asyncio.wait(set(self.desk.tasks), timeout=self.desk.limits.pause_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def aclose(self) -> None:
        """End at once; safe to call twice."""
        await self.drain(0.0)

    async def receipt_of(self, place: Place, key: str) -> Receipt | None:
        """Return what a key did before; None for a new one."""
        async with self.desk.store.read() as unit:
            return await self._duplicate(unit, place, key)

    @property
    def form_outcomes(self) -> Mapping[tuple[str, str], int]:
        """How many passages were written here, by format and how they came to have its form."""
        return dict(self.desk.forms)

    def draft_of(self, key: str) -> int | None:
        """Return the concept card that a key made in this process's life."""
        return self._drafts.get(key)

    def remember_draft(self, key: str, draft_id: int) -> None:
        """Keep which concept card a key made."""
        self._drafts[key] = draft_id
        while len(self._drafts) > RECENT_KEYS:
            self._drafts.popitem(last=False)
