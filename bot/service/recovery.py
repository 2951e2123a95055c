"""Takes up, at a start, what an end in the middle left behind.

Invariant: every open job of this process's earlier lives goes on with its own seed or
is ended as failed; words that wait join their story; passages that may not have been
shown are shown again. Doing it twice does no harm.
"""

import logging
from collections import defaultdict
from collections.abc import Callable

from bot.errors import ConflictError, EngineError
from bot.locales import N_
from bot.policy.rights import Place
from bot.service.api import JobView
from bot.service.desk import Desk
from bot.service.failures import new_reference
from bot.service.generation import Runner
from bot.service.inbox import Settled, settle
from bot.service.places import place_of
from bot.story.model import PassageId, Story, StoryId
from bot.story.ports import Job, JobStatus

log = logging.getLogger(__name__)


def anywhere(_place: Place) -> bool:
    """Take up what was left behind in every place."""
    return True


async def recover(desk: Desk, runner: Runner, is_ours: Callable[[Place], bool] = anywhere) -> int:
    """Take up what was left behind.

    Args:
        desk: what every use case works with.
        runner: writes the passages.
        is_ours: whether a place is shown here; what belongs to others is left to them.

    Returns:
        How many jobs, inboxes and passages were seen to.
    """
    async with desk.store.write() as unit:
        await unit.drafts.purge(desk.clock.now() - desk.limits.card_life)
        await unit.commit()
    async with desk.store.read() as unit:
        orphans = await unit.jobs.orphans(owner=desk.owner, epoch=desk.epoch, now=desk.clock.now())
    count = await _show_unsettled(desk, {job.id for job in orphans}, is_ours)
    for job in orphans:
        count += await _take_up(desk, runner, job, is_ours)
    async with desk.store.read() as unit:
        waiting = await unit.inbox.stories_waiting()
    for story_id in waiting:
        count += await _drain(desk, runner, story_id, is_ours)
    if count:
        log.info("took up what an earlier run left behind", extra={"count": count})
    return count


async def _take_up(desk: Desk, runner: Runner, job: Job, is_ours: Callable[[Place], bool]) -> bool:
    """Go on with a job, or give it up after too many attempts."""
    async with desk.store.write() as unit:
        story = await unit.stories.load(job.story_id)
        place = None
        if story is not None:
            place = await place_of(unit, story.place, story.guild_id)
            if not is_ours(place):
                return False
        is_leased = await unit.jobs.lease(
            job.id, owner=desk.owner, epoch=desk.epoch, expires_at=desk.lease_end()
        )
        if not is_leased:
            return False
        gives_up = story is None or job.attempts >= desk.limits.max_attempts
        if gives_up:
            await unit.jobs.finish(job.id, JobStatus.FAILED, owner=desk.owner, epoch=desk.epoch)
        leased = await unit.jobs.get(job.id)
        await unit.commit()
    if story is None or place is None or leased is None:
        return True
    if gives_up:
        await _give_up(desk, story, leased, place)
    else:
        runner.start(leased, place)
    return True


async def _give_up(desk: Desk, story: Story, job: Job, place: Place) -> None:
    reference = new_reference()
    log.error(
        "a passage was given up", extra={"job": job.id, "story": story.id, "reference": reference}
    )
    view = JobView(place=place, story=story, job=job, streams=False)
    presenter = await desk.showing.begin(view)
    error = EngineError(reason=N_("it was tried several times, and the bot ended each time."))
    await presenter.fail(error, reference)


async def _drain(
    desk: Desk, runner: Runner, story_id: StoryId, is_ours: Callable[[Place], bool]
) -> bool:
    """Append the words that wait for a story that nobody writes on."""
    for _ in range(desk.limits.conflicts):
        try:
            async with desk.store.write() as unit:
                if await unit.jobs.open_for(story_id) is not None:
                    return False  # that passage's commit takes them along
                story = await unit.stories.load(story_id)
                if story is None:
                    return False
                place = await place_of(unit, story.place, story.guild_id)
                if not is_ours(place):
                    return False
                settled: Settled = await settle(unit, desk, story, place)
                await unit.commit()
        except ConflictError:
            continue
        runner.follow(settled, place)
        return bool(settled.passage_ids)
    return False


async def _show_unsettled(
    desk: Desk, under_way: set[PassageId], is_ours: Callable[[Place], bool]
) -> int:
    """Show the passages whose messages may be missing or unfinished."""
    by_story: dict[StoryId, list[PassageId]] = defaultdict(list)
    async with desk.store.read() as unit:
        for item in await unit.outbox.unsettled():
            passage_ids = by_story[item.story_id]
            if item.passage_id not in under_way and item.passage_id not in passage_ids:
                passage_ids.append(item.passage_id)
    count = 0
    for story_id, passage_ids in by_story.items():
        async with desk.store.read() as unit:
            story = await unit.stories.load(story_id)
            if story is None:
                continue
            place = await place_of(unit, story.place, story.guild_id)
            if not is_ours(place):
                continue
            unwritten = [
                job
                for passage_id in passage_ids
                if passage_id not in story.passages
                and (job := await unit.jobs.get(passage_id)) is not None
                and job.status is not JobStatus.OPEN
            ]
        for job in unwritten:
            # It ended without a passage, and died before it could take its message back.
            view = JobView(place=place, story=story, job=job, streams=False)
            await (await desk.showing.begin(view)).cancel()
        await desk.showing.show(place, story_id, sorted(passage_ids))
        count += len(passage_ids)
    return count
