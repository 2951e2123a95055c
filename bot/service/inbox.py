"""Words that arrived while a passage was written, and how they join the story.

Invariant: words leave the inbox in the commit that puts them into the story, so that
a crash at any point neither loses nor doubles them. A story that has ended keeps its
waiting words until it takes words again.
"""

from dataclasses import dataclass

from bot.errors import InboxFullError
from bot.policy.rights import Actor, Place
from bot.service.api import Origin
from bot.service.desk import Desk
from bot.service.places import channel_of
from bot.story import actions, tree
from bot.story.actions import Stamp
from bot.story.ids import encode_id
from bot.story.model import EntryId, PassageId, Story, StoryId, StoryStatus
from bot.story.ports import (
    InboxItem,
    Job,
    JobKind,
    OutboxItem,
    OutboxStatus,
    UnitOfWork,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of the waiting words.

    Attributes:
        story: the state with them.
        passage_ids: the passages they became.
        job: the joint answer to them, where one was asked for.
        is_blocked: the story has ended, so they go on waiting.
    """

    story: Story
    passage_ids: tuple[PassageId, ...] = ()
    job: Job | None = None
    is_blocked: bool = False


async def enqueue(
    unit: UnitOfWork,
    desk: Desk,
    actor: Actor,
    story_id: StoryId,
    text: str,
    *,
    key: str,
    wants_answer: bool,
    origin: Origin | None,
    limit: int,
) -> int | None:
    """Keep words for after the passage under way.

    Returns:
        How many wait now; None where the key was known already.

    Raises:
        InboxFullError: too many wait.
    """
    waiting = await unit.inbox.waiting(story_id)
    if any(item.key == key for item in waiting):
        return None
    if len(waiting) >= limit:
        raise InboxFullError(waiting=len(waiting))
    item = InboxItem(
        id=desk.new_id(),
        story_id=story_id,
        author=await unit.stories.author(desk.author_of(actor)),
        text=text,
        key=key,
        wants_answer=wants_answer,
        arrived_at=desk.clock.now(),
        origin_channel_id=origin.channel_id if origin else None,
        origin_message_id=origin.message_id if origin else None,
    )
    return len(waiting) + 1 if await unit.inbox.add(item) else None


async def settle(
    unit: UnitOfWork, desk: Desk, story: Story, place: Place, *, locale: str = "en"
) -> Settled:
    """Append all waiting words, each as its own turn, with one joint answer; the caller commits."""
    items = await unit.inbox.waiting(story.id)
    if not items:
        return Settled(story=story)
    if story.status is not StoryStatus.WRITING:
        return Settled(story=story, is_blocked=True)
    passage_ids: list[PassageId] = []
    turn_id: EntryId = 0
    author_id = items[-1].author.id
    for item in items:
        author = await unit.stories.author(item.author)
        stamp = Stamp(author, desk.clock.now(), desk.new_id, item.key)
        step = actions.add(story, stamp, item.text)
        await unit.stories.save(step, story.version)
        story, turn_id, author_id = step.story, step.entries[0].turn_id, author.id
        passage_id = step.passages[0].id
        origin = (
            Origin(channel_id=item.origin_channel_id, message_id=item.origin_message_id)
            if item.origin_channel_id is not None and item.origin_message_id is not None
            else None
        )
        await announce(unit, desk, story.id, passage_id, place=place, origin=origin)
        passage_ids.append(passage_id)
    await unit.inbox.remove([item.id for item in items])
    job = None
    if any(item.wants_answer for item in items):
        job = new_job(
            desk,
            story,
            JobKind.ANSWER,
            turn_id=turn_id,
            parent_id=tree.head_id(story),
            author_id=author_id,
            locale=locale,
        )
        await unit.jobs.add(job)
    return Settled(story=story, passage_ids=tuple(passage_ids), job=job)


def new_job(
    desk: Desk,
    story: Story,
    kind: JobKind,
    *,
    turn_id: EntryId,
    parent_id: PassageId | None,
    author_id: int,
    locale: str,
    length: str = "",
) -> Job:
    """Return a job that this process holds from its first moment."""
    now = desk.clock.now()
    return Job(
        id=desk.new_id(),
        story_id=story.id,
        kind=kind,
        turn_id=turn_id,
        parent_id=parent_id,
        author_id=author_id,
        seed=desk.new_seed(),
        length=length,
        owner=desk.owner,
        epoch=desk.epoch,
        expires_at=desk.lease_end(),
        attempts=1,
        created_at=now,
        locale=locale,
    )


async def announce(
    unit: UnitOfWork,
    desk: Desk,
    story_id: StoryId,
    passage_id: PassageId,
    *,
    place: Place,
    origin: Origin | None = None,
) -> None:
    """Note in the outbox that a passage is to be shown, in the commit that makes it.

    A member's own message shows it already; otherwise the row stays PENDING until the
    stage has sent it, so that a crash in between is healed at the next start.
    """
    if origin is not None:
        await unit.outbox.put(
            OutboxItem(
                id=desk.new_id(),
                story_id=story_id,
                passage_id=passage_id,
                part=0,
                channel_id=origin.channel_id,
                nonce="",
                status=OutboxStatus.SETTLED,
                message_id=origin.message_id,
                is_own=False,
                created_at=desk.clock.now(),
            )
        )
        return
    channel_id = channel_of(place)
    if channel_id is None or await unit.outbox.for_passage(passage_id):
        return
    await unit.outbox.put(
        OutboxItem(
            id=desk.new_id(),
            story_id=story_id,
            passage_id=passage_id,
            part=0,
            channel_id=channel_id,
            nonce=f"{encode_id(passage_id)}.0",
            status=OutboxStatus.PENDING,
            created_at=desk.clock.now(),
        )
    )
