"""Jobs: the passages under way, and who works on each.

Invariant: only the holder of a lease (owner and epoch) renews and finishes it; a
higher epoch of the same owner takes over at once, anybody else when it expired.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.errors import BusyError
from bot.storage import tables as t
from bot.storage.session import AnyRow, Session
from bot.story.model import PassageId, StoryId
from bot.story.ports import Job, JobKind, JobRepository, JobStatus

_OPEN = JobStatus.OPEN.value


class SqlJobs(JobRepository):
    """The jobs of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, job: Job) -> None:
        """Insert an open job.

        Raises:
            BusyError: the story has one already.
        """
        if await self.open_for(job.story_id) is not None:
            raise BusyError
        await self._session.insert(t.jobs, [_row(job)])

    async def get(self, job_id: PassageId) -> Job | None:
        """Return a job."""
        return await self._one(t.jobs.c.id == job_id)

    async def open_for(self, story_id: StoryId) -> Job | None:
        """Return the story's open job."""
        return await self._one(sa.and_(t.jobs.c.story_id == story_id, t.IS_OPEN_JOB))

    async def _one(self, condition: sa.ColumnElement[bool]) -> Job | None:
        row = await self._session.row(sa.select(t.jobs).where(condition))
        return None if row is None else _job(row)

    async def lease(
        self, job_id: PassageId, *, owner: str, epoch: int, expires_at: datetime
    ) -> bool:
        """Take or renew the lease; False where somebody else holds it or the job ended.

        A renewal counts as no new attempt.
        """
        of = t.jobs.c
        is_mine = sa.and_(of.owner == owner, of.epoch == epoch)
        is_free = sa.or_(
            of.owner == "",
            sa.and_(of.owner == owner, of.epoch <= epoch),
            sa.and_(
                of.owner != owner,
                sa.or_(of.expires_at.is_(None), of.expires_at <= self._session.now()),
            ),
        )
        changed = await self._session.changed(
            sa.update(t.jobs)
            .where(of.id == job_id, t.IS_OPEN_JOB, is_free)
            .values(
                owner=owner,
                epoch=epoch,
                expires_at=expires_at,
                attempts=sa.case((is_mine, of.attempts), else_=of.attempts + 1),
            )
        )
        return changed > 0

    async def finish(self, job_id: PassageId, status: JobStatus, *, owner: str, epoch: int) -> bool:
        """End the job on condition that the lease is still held; False where it is not."""
        of = t.jobs.c
        changed = await self._session.changed(
            sa.update(t.jobs)
            .where(of.id == job_id, t.IS_OPEN_JOB, of.owner == owner, of.epoch == epoch)
            .values(status=status.value)
        )
        return changed > 0

    async def cancel(self, job_id: PassageId) -> bool:
        """End an open job as cancelled whoever holds it (undo, stop, delete)."""
        changed = await self._session.changed(
            sa.update(t.jobs)
            .where(t.jobs.c.id == job_id, t.IS_OPEN_JOB)
            .values(status=JobStatus.CANCELLED.value)
        )
        return changed > 0

    async def orphans(self, *, owner: str, epoch: int, now: datetime) -> Sequence[Job]:
        """Return open jobs of this owner's earlier epochs, and of others whose lease expired.

        A job that nobody ever leased is one: its process died between the two commits.
        """
        of = t.jobs.c
        found = await self._session.rows(
            sa.select(t.jobs)
            .where(
                t.IS_OPEN_JOB,
                sa.or_(
                    sa.and_(of.owner == owner, of.epoch < epoch),
                    sa.and_(
                        of.owner != owner, sa.or_(of.expires_at.is_(None), of.expires_at <= now)
                    ),
                ),
            )
            .order_by(of.id)
        )
        return [_job(row) for row in found]


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "story_id": job.story_id,
        "kind": job.kind.value,
        "turn_id": job.turn_id,
        "parent_id": job.parent_id,
        "author_id": job.author_id,
        "seed": job.seed,
        "length": job.length,
        "status": _OPEN,
        "owner": job.owner,
        "epoch": job.epoch,
        "expires_at": job.expires_at,
        "attempts": job.attempts,
        "created_at": job.created_at,
        "locale": job.locale,
    }


def _job(row: AnyRow) -> Job:
    fields = row._asdict()
    fields["kind"] = JobKind(fields["kind"])
    fields["status"] = JobStatus(fields["status"])
    return Job(**fields)
