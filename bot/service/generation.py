"""Runs the jobs: has a passage written, shown while it grows, and committed.

Invariants:
    - Everything that a run needs was committed before it starts; a run that dies at any
      point leaves an open job, and whoever takes that up writes the same text (same seed).
    - A passage is committed only while the job is open and its lease held, and in the
      same commit the words that waited join the story.
    - Every run is a kept task that ends in exactly one of: finished, failed, cancelled,
      paused.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from bot.errors import ConflictError, RoundtaleError, StaleError, StoryEndedError
from bot.policy.rights import Place
from bot.service.api import JobView
from bot.service.desk import Charge, Desk
from bot.service.failures import is_expected, new_reference
from bot.service.inbox import Settled, announce, settle
from bot.service.prompts import save_anchor
from bot.service.showing import SafePresenter
from bot.service.writing import Written, write_passage
from bot.story import actions, tree
from bot.story.actions import Stamp
from bot.story.formats import known_format
from bot.story.model import Author, AuthorKind, PassageId, Step, Story, StoryId
from bot.story.ports import Job, JobKind, JobStatus

log = logging.getLogger(__name__)


class Interruption(StrEnum):
    """Why a passage is not written to its end."""

    STOP = "stop"  # keep what is whole of it
    CANCEL = "cancel"  # take it back; whoever interrupts has ended the job already
    PAUSE = "pause"  # the bot ends; the job stays open
    LOST = "lost"  # another process holds the lease


@dataclass(slots=True, eq=False)
class Run:
    """One job under way in this process."""

    job: Job
    place: Place
    key: str | None = None
    show_first: tuple[PassageId, ...] = ()
    after: asyncio.Event | None = None
    charge: Charge | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    reason: Interruption | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    kept_passage_id: PassageId | None = None
    task: asyncio.Task[None] | None = None

    def interrupt(self, reason: Interruption) -> None:
        """Ask the run to end; what was asked first counts, but a cancellation always."""
        if self.reason is None or reason is Interruption.CANCEL:
            self.reason = reason
        self.interrupted.set()


class Runner:
    """Keeps the runs of this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runs: dict[PassageId, Run] = {}
        self._is_closing = False

    def start(
        self,
        job: Job,
        place: Place,
        *,
        key: str | None = None,
        show_first: tuple[PassageId, ...] = (),
        after: asyncio.Event | None = None,
        charge: Charge | None = None,
    ) -> Run:
        """Begin a job, or return the run that is on it already."""
        run = self._runs.get(job.id)
        if run is not None:
            self.show_later(place, job.story_id, show_first)
            return run
        run = Run(job, place, key=key, show_first=show_first, after=after, charge=charge)
        self._runs[job.id] = run
        run.task = asyncio.create_task(self._run(run), name=f"write passage {job.id}")
        return run

    def run_of(self, job_id: PassageId) -> Run | None:
        """Return the run on a job."""
        return self._runs.get(job_id)

    async def wait(self, job_id: PassageId) -> None:
        """Wait until a job ended in whatever way; at once, where it is not under way here."""
        run = self._runs.get(job_id)
        if run is not None:
            await run.ended.wait()

    async def drain(self, deadline_s: float) -> None:
        """Begin nothing new; let runs end within the deadline, then pause them."""
        self._is_closing = True
        await self._until_idle(deadline_s)
        for run in list(self._runs.values()):
            run.interrupt(Interruption.PAUSE)
        await self._until_idle(self._desk.limits.pause_s)
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _until_idle(self, limit_s: float) -> None:
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=limit_s)

    async def _run(self, run: Run) -> None:
        """Be the root of a run's task."""
        try:
            if run.after is not None:
                await run.after.wait()
            if run.reason is Interruption.STOP:
                self._go_on(run, await self._close(run, JobStatus.CANCELLED))
            elif run.reason is None and not self._is_closing:
                await self._perform(run)
        except Exception:
            # The root of a task: _perform has handled what it could.
            log.exception("a run broke", extra={"job": run.job.id, "reference": new_reference()})
        finally:
            del self._runs[run.job.id]
            run.ended.set()

    async def _perform(self, run: Run) -> None:
        desk = self._desk
        presenter = SafePresenter(None)
        try:
            if not await self._hold(run.job):
                return
            await desk.showing.show(run.place, run.job.story_id, run.show_first)
            async with desk.store.read() as unit:
                story = await unit.stories.load(run.job.story_id)
            if story is None:
                await self._close(run, JobStatus.FAILED)
                return
            settings = await desk.settings.effective(run.place)
            presenter = await desk.showing.begin(
                JobView(place=run.place, story=story, job=run.job, streams=settings.streams)
            )
            async with self._renewed(run):
                written = await write_passage(desk, run, story, settings, presenter)
            await self._conclude(run, presenter, written)
        except asyncio.CancelledError:
            await presenter.pause()
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, the job must end and be told
            await self._fail(run, presenter, error)

    async def _hold(self, job: Job) -> bool:
        """Take the lease of a job that another process or an earlier life held."""
        desk = self._desk
        if (job.owner, job.epoch) == (desk.owner, desk.epoch):
            return True
        async with desk.store.write() as unit:
            is_held = await unit.jobs.lease(
                job.id, owner=desk.owner, epoch=desk.epoch, expires_at=desk.lease_end()
            )
            await unit.commit()
        return is_held

    async def _conclude(self, run: Run, presenter: SafePresenter, written: Written | None) -> None:
        """Commit what was written, or end as the interruption wants it."""
        match run.reason:
            case Interruption.PAUSE:
                await presenter.pause()
                return
            case Interruption.CANCEL:
                await presenter.cancel()
                return
            case Interruption.LOST:
                await self._let_go(run, presenter)
                return
            case _:
                pass
        if written is None:  # stopped before a whole sentence stood there
            self._go_on(run, await self._close(run, JobStatus.CANCELLED))
            await presenter.cancel()
            return
        settled = await self._commit(run, written)
        if settled is None:
            await self._let_go(run, presenter)
            return
        run.kept_passage_id = run.job.id
        if written.provenance.form:
            form = known_format(tree.concept(settled.story).format)
            self._desk.forms[form, written.provenance.form] += 1
        self._go_on(run, settled)
        await self._desk.showing.finish(run.place, presenter, settled.story, run.job.id)
        if settled.is_blocked:
            title = tree.title(settled.story)
            await self._desk.showing.notify(run.place, StoryEndedError(title=title))

    async def _let_go(self, run: Run, presenter: SafePresenter) -> None:
        """Leave a job that ended meanwhile, or that another process has taken over."""
        async with self._desk.store.read() as unit:
            job = await unit.jobs.get(run.job.id)
        if job is not None and job.status is JobStatus.OPEN:
            await presenter.pause()  # the messages are the other one's now
        else:
            await presenter.cancel()

    async def _commit(self, run: Run, written: Written) -> Settled | None:
        """Put the passage into the story; None where the job ended meanwhile.

        The head cannot have moved while the job is open; an edit or a new title may have
        come, so that a conflict is answered by doing it again on the newer state.
        """
        desk, job = self._desk, run.job
        for _ in range(desk.limits.conflicts):
            try:
                async with desk.store.write() as unit:
                    story = await unit.stories.load(job.story_id)
                    is_mine = await unit.jobs.finish(
                        job.id, JobStatus.DONE, owner=desk.owner, epoch=desk.epoch
                    )
                    if story is None or not is_mine:
                        return None
                    author = await unit.stories.author(
                        Author(desk.new_id(), AuthorKind.MODEL, written.provenance.model)
                    )
                    stamp = Stamp(author, desk.clock.now(), desk.new_id, run.key)
                    step = _apply(story, stamp, job, written)
                    await unit.stories.save(step, story.version)
                    await save_anchor(unit, story.id, written.anchor)
                    await announce(unit, desk, story.id, job.id, place=run.place)
                    settled = await settle(unit, desk, step.story, run.place, locale=job.locale)
                    await unit.commit()
            except ConflictError:
                continue
            else:
                return settled
        raise ConflictError

    async def _close(self, run: Run, status: JobStatus) -> Settled | None:
        """End the job without a passage; the words that waited join the story all the same."""
        desk, job = self._desk, run.job
        for _ in range(desk.limits.conflicts):
            try:
                async with desk.store.write() as unit:
                    if not await unit.jobs.finish(
                        job.id, status, owner=desk.owner, epoch=desk.epoch
                    ):
                        return None
                    story = await unit.stories.load(job.story_id)
                    settled = None
                    if story is not None:
                        settled = await settle(unit, desk, story, run.place, locale=job.locale)
                    await unit.commit()
            except ConflictError:
                continue
            else:
                return settled
        raise ConflictError

    def _go_on(self, run: Run, settled: Settled | None) -> None:
        """See to it that what waited is shown, and answered, once this run has ended."""
        if settled is not None:
            self.follow(settled, run.place, after=run.ended)

    def follow(self, settled: Settled, place: Place, *, after: asyncio.Event | None = None) -> None:
        """Show the words that joined the story, and begin the joint answer to them."""
        if settled.job is not None:
            self.start(settled.job, place, show_first=settled.passage_ids, after=after)
        else:
            self.show_later(place, settled.story.id, settled.passage_ids, after=after)

    def show_later(
        self,
        place: Place,
        story_id: StoryId,
        passage_ids: tuple[PassageId, ...],
        *,
        after: asyncio.Event | None = None,
    ) -> None:
        """Show passages in a kept task."""

        async def show() -> None:
            if after is not None:
                await after.wait()
            await self._desk.showing.show(place, story_id, passage_ids)

        if passage_ids:
            self._desk.keep(show(), name="show passages")

    async def _fail(self, run: Run, presenter: SafePresenter, error: Exception) -> None:
        """End the job as failed and say so; the members' words are kept."""
        if run.reason is Interruption.CANCEL:
            await presenter.cancel()
            return
        if run.charge is not None:
            run.charge.give_back()
        reference = new_reference()
        extra = {"job": run.job.id, "story": run.job.story_id, "reference": reference}
        if is_expected(error):
            log.warning("a passage failed: %s", error, extra=extra)
        else:
            log.error("a passage failed", extra=extra, exc_info=error)
        try:
            self._go_on(run, await self._close(run, JobStatus.FAILED))
        except RoundtaleError:
            # The database itself fails: the job stays open, and the next act in the
            # place or the next start takes it up.
            log.exception("a failed job could not be ended", extra=extra)
        await presenter.fail(error, reference)

    @asynccontextmanager
    async def _renewed(self, run: Run) -> AsyncIterator[None]:
        """Renew the lease while the context is open."""
        renewal = asyncio.create_task(self._renew(run), name=f"lease of {run.job.id}")
        try:
            yield
        finally:
            renewal.cancel()
            with suppress(asyncio.CancelledError):
                await renewal

    async def _renew(self, run: Run) -> None:
        desk = self._desk
        while True:
            await asyncio.sleep(desk.limits.lease_s / 3)
            try:
                async with desk.store.write() as unit:
                    is_held = await unit.jobs.lease(
                        run.job.id,
                        owner=desk.owner,
                        epoch=desk.epoch,
                        expires_at=desk.lease_end(),
                    )
                    await unit.commit()
            except RoundtaleError:
                # Two more renewals fit into the lease; the commit checks it anyhow.
                log.exception("a lease could not be renewed", extra={"job": run.job.id})
                continue
            if not is_held:
                run.interrupt(Interruption.LOST)
                return


def _apply(story: Story, stamp: Stamp, job: Job, written: Written) -> Step:
    """Return the step that the job was for."""
    head = tree.head(story)
    if job.kind is JobKind.RETRY:
        if head is None or head.parent_id != job.parent_id:
            raise StaleError
        return actions.retry(story, stamp, written.text, written.provenance, passage_id=job.id)
    if tree.head_id(story) != job.parent_id:
        raise StaleError
    return actions.answer(
        story,
        stamp,
        written.text,
        written.provenance,
        passage_id=job.id,
        turn_id=job.turn_id,
        is_ending=job.kind is JobKind.END,
    )
