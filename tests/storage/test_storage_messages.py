from dataclasses import replace

from bot.storage import SqlStore
from bot.story.model import Author, AuthorKind
from bot.story.ports import InboxItem, OutboxItem, OutboxStatus
from tests.storage.storage_world import World, added, saved


def _item(world: World, story_id: int, key: str, author: Author | None = None) -> InboxItem:
    return InboxItem(
        id=world.id(),
        story_id=story_id,
        author=author or world.mira,
        text=f"words of {key}",
        key=key,
        wants_answer=key == "a",
        arrived_at=world.tick(),
        origin_channel_id=5,
        origin_message_id=2**62,
    )


def _message(world: World, story_id: int, passage_id: int, part: int = 0) -> OutboxItem:
    return OutboxItem(
        id=world.id(),
        story_id=story_id,
        passage_id=passage_id,
        part=part,
        channel_id=7,
        nonce=f"{passage_id}.{part}",
        status=OutboxStatus.PENDING,
        created_at=world.now,
    )


async def test_words_wait_in_order_and_leave_when_appended(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    jo = Author(world.id(), AuthorKind.MEMBER, "Jo", "discord", 12)
    first, second = _item(world, story.id, "a"), _item(world, story.id, "b", jo)
    async with store.write() as unit:
        assert await unit.inbox.add(second)
        assert await unit.inbox.add(first)
        await unit.commit()
    async with store.read() as unit:
        assert await unit.inbox.waiting(story.id) == [first, second]
        assert await unit.inbox.stories_waiting() == [story.id]
        assert await unit.inbox.waiting(0) == []
    async with store.write() as unit:
        await unit.inbox.remove([first.id, second.id])
        await unit.inbox.remove([])
        await unit.commit()
    async with store.read() as unit:
        assert await unit.inbox.waiting(story.id) == []
        assert await unit.inbox.stories_waiting() == []


async def test_redelivered_words_are_not_kept_twice(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    await saved(store, story, world.add(story, key="journalled"))
    item = _item(world, story.id, "waiting")
    async with store.write() as unit:
        assert await unit.inbox.add(item)
        assert not await unit.inbox.add(replace(item, id=world.id(), text="again"))
        assert not await unit.inbox.add(_item(world, story.id, "journalled"))
        assert await unit.inbox.waiting(story.id) == [item]


async def test_waiting_words_name_the_stored_author(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    item = _item(world, story.id, "a", replace(world.mira, id=999, name="Mira B."))
    async with store.write() as unit:
        assert await unit.inbox.add(item)
        (waiting,) = await unit.inbox.waiting(story.id)
    assert waiting.author == replace(world.mira, name="Mira B.")


async def test_a_message_is_put_again_in_its_place(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    item = _message(world, story.id, 70)
    sent = replace(item, status=OutboxStatus.SENT, message_id=2**62, created_at=None)
    async with store.write() as unit:
        await unit.outbox.put(item)
        await unit.outbox.put(sent)
        await unit.commit()
    kept = replace(sent, created_at=item.created_at)
    async with store.read() as unit:
        assert await unit.outbox.for_passage(70) == [kept]
        assert await unit.outbox.by_message(2**62) == kept
        assert await unit.outbox.by_message(1) is None


async def test_messages_are_found_by_passage_and_story(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    items = [_message(world, story.id, passage, part) for passage in (70, 71) for part in (0, 1)]
    async with store.write() as unit:
        for item in items:
            await unit.outbox.put(item)
        assert await unit.outbox.for_passage(70) == items[:2]
        assert await unit.outbox.for_story(story.id) == items[::-1]
        assert await unit.outbox.for_story(story.id, limit=1) == items[3:]


async def test_only_own_messages_under_way_are_unsettled(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    pending, sent, settled, gone, members = (
        _message(world, story.id, passage) for passage in range(5)
    )
    sent = replace(sent, status=OutboxStatus.SENT)
    async with store.write() as unit:
        for item in (
            pending,
            sent,
            replace(settled, status=OutboxStatus.SETTLED),
            replace(gone, status=OutboxStatus.GONE),
            replace(members, is_own=False),
        ):
            await unit.outbox.put(item)
        assert await unit.outbox.unsettled() == [pending, sent]


async def test_deleted_messages_and_channels_are_gone(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    items = [replace(_message(world, story.id, n), message_id=n, channel_id=n) for n in (1, 2, 3)]
    async with store.write() as unit:
        for item in items:
            await unit.outbox.put(item)
        await unit.outbox.mark_gone(message_ids=[1, 99])
        await unit.outbox.mark_gone(channel_id=2)
        await unit.outbox.mark_gone()
        found = await unit.outbox.for_story(story.id)
    assert [item.status for item in reversed(found)] == [
        OutboxStatus.GONE,
        OutboxStatus.GONE,
        OutboxStatus.PENDING,
    ]
