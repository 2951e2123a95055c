import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.errors import ClosingError, ConflictError, StaleError, StorageError
from bot.service.api import PassageView, ReceiptKind
from bot.service.showing import Showing
from bot.story import tree
from bot.story.model import StoryStatus
from bot.story.ports import InboxItem, JobStatus, OutboxStatus
from tests.service.service_fakes import MemoryStore
from tests.service.service_world import LIMITS, World


async def test_a_killed_passage_is_written_at_the_next_start_with_the_same_seed(
    world: World,
) -> None:
    await world.begin()
    world.backend.play(" Half a", asyncio.Event())
    receipt = await world.say("Words first.")
    await world.backend.until_gate()
    await world.kill()
    await world.boot()
    assert await world.stories.recover() >= 1
    await world.finished(receipt)
    told = await world.told()
    assert told.count("Words first.") == 1
    assert len(told) == 4
    seeds = [request.seed for request in world.backend.requests]
    assert seeds[-1] == seeds[-2]
    prompts = ["".join(p.text for p in one.prompt) for one in world.backend.requests[-2:]]
    assert prompts[0] == prompts[1]
    assert (await world.job(receipt.job_id)).attempts == 2
    head = tree.head(await world.story())
    assert head is not None
    assert head.id == receipt.job_id


async def test_what_waited_at_a_kill_gets_its_joint_answer(world: World) -> None:
    await world.begin()
    world.backend.play(asyncio.Event())
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.say("Two.", world.bob)
    await world.kill()
    await world.boot()
    await world.stories.recover()
    await world.finished(receipt)
    told = await world.told()
    assert [told.count(words) for words in ("One.", "Two.")] == [1, 1]
    assert len(told) == 6


async def test_recovering_twice_does_no_harm(world: World) -> None:
    await world.begin()
    world.backend.play(asyncio.Event())
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.kill()
    await world.boot()
    await world.stories.recover()
    await world.stories.recover()
    await world.finished(receipt)
    assert len(await world.told()) == 4


async def test_a_passage_that_ends_the_bot_again_and_again_is_given_up(world: World) -> None:
    await world.begin()
    world.backend.play(asyncio.Event())
    receipt = await world.say("Poison.")
    for attempt in range(2, 4):
        await world.backend.until_gate(attempt - 1)
        await world.kill()
        await world.boot()
        world.backend.play(asyncio.Event())
        await world.stories.recover()
    await world.backend.until_gate(3)
    await world.kill()
    await world.boot()
    await world.stories.recover()
    assert (await world.job(receipt.job_id)).status is JobStatus.FAILED
    assert world.stage.presenters[-1].calls == ["fail"]
    assert world.stage.presenters[-1].reference
    assert (await world.told())[-1] == "Poison."


async def test_drain_pauses_what_does_not_end_and_the_next_start_goes_on(world: World) -> None:
    await world.begin()
    world.backend.play(" Half a", asyncio.Event())
    receipt = await world.say("Go.")
    await world.backend.until_gate()
    await world.stories.drain(0.01)
    assert world.stage.presenters[-1].calls[-1] == "pause"
    assert (await world.job(receipt.job_id)).status is JobStatus.OPEN
    with pytest.raises(ClosingError):
        await world.say("Too late.")
    await world.boot()
    await world.stories.recover()
    await world.finished(receipt)
    assert len(await world.told()) == 4


async def test_drain_lets_a_passage_end_within_the_deadline(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " The end.")
    await world.say("Go.")
    await world.backend.until_gate()
    asyncio.get_running_loop().call_soon(gate.set)
    await world.stories.drain(5.0)
    assert (await world.told())[-1] == "The end."


async def test_words_that_waited_at_a_drain_are_answered_after_the_start(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " First.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.say("Two.")
    asyncio.get_running_loop().call_soon(gate.set)
    await world.stories.drain(5.0)
    assert (await world.told())[-1] == "Two."
    await world.boot()
    await world.stories.recover()
    await world.finished(receipt)
    assert len(await world.told()) == 6


async def test_what_was_not_shown_is_shown_at_the_next_start(world: World) -> None:
    await world.begin()
    receipt = await world.say("Unseen.", wants_answer=False)
    await world.kill()
    world.stage.shown.clear()
    await world.boot()
    await world.stories.recover()
    assert receipt.passage_id in [view.passage.id for view in world.stage.shown]


async def test_the_message_of_a_failed_passage_is_taken_back(world: World) -> None:
    await world.begin(wants_answer=False)
    world.backend.play(RuntimeError("broken"))
    receipt = await world.say("Go.")
    await world.finished(receipt)
    async with world.store.write() as unit:
        rows = await unit.outbox.for_passage(receipt.passage_id or 0)
        await unit.outbox.put(
            replace(
                rows[0],
                id=world.new_id(),
                passage_id=receipt.job_id or 0,
                nonce="n",
                status=OutboxStatus.SENT,
                message_id=99,
            )
        )
        await unit.commit()
    await world.kill()
    await world.boot()
    await world.stories.recover()
    assert world.stage.presenters[-1].view.job.id == receipt.job_id
    assert world.stage.presenters[-1].calls == ["cancel"]


async def test_a_job_that_could_not_be_ended_is_taken_up_by_the_next_act(
    small_world: World,
) -> None:
    world = small_world
    await world.begin()
    gate = asyncio.Event()
    world.backend.play(gate, " Answer.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    service = world.stories
    store = world._processes[-1][1]
    store.is_dead = True
    gate.set()
    await service.wait(receipt.job_id or 0)
    assert isinstance(world.stage.presenters[-1].error, StorageError)
    store.is_dead = False
    world.clock.advance(10)
    assert (await world.say("Two.")).kind is ReceiptKind.WAITING
    await world.finished(receipt)
    assert len(await world.told()) == 6


async def test_another_process_takes_over_only_what_has_expired(world: World) -> None:
    await world.begin()
    world.backend.play(asyncio.Event())
    await world.say("One.")
    await world.backend.until_gate()
    await world.kill()
    await world.boot(owner="second")
    await world.stories.recover()
    assert len(world.backend.requests) == 2


async def test_a_lost_lease_commits_nothing(small_world: World) -> None:
    world = small_world
    await world.boot(limits=replace(LIMITS, lease_s=0.03))
    await world.begin()
    gate = asyncio.Event()
    world.backend.play(gate, " Doubled.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    async with world.store.write() as unit:
        assert await unit.jobs.lease(
            receipt.job_id or 0, owner="main", epoch=99, expires_at=world.clock.now()
        )
        await unit.commit()
    await world.stories.wait(receipt.job_id or 0)
    assert world.stage.presenters[-1].calls[-1] == "pause"
    assert (await world.told())[-1] == "One."


async def test_waiting_words_without_a_passage_under_way_are_appended_at_the_start(
    world: World,
) -> None:
    receipt = await world.begin()
    for number, wants_answer in ((1, False), (2, True)):
        async with world.store.write() as unit:
            author = await unit.stories.author(world.stories.desk.author_of(world.bob))
            await unit.inbox.add(
                InboxItem(
                    id=world.new_id(),
                    story_id=receipt.story.id,
                    author=author,
                    text=f"Left {number}.",
                    key=f"m:{number}",
                    wants_answer=wants_answer,
                    arrived_at=world.clock.now(),
                    origin_channel_id=10,
                    origin_message_id=number,
                )
            )
            await unit.commit()
    await world.kill()
    await world.boot()
    assert await world.stories.recover() >= 1
    await world.finished(receipt)
    assert (await world.told())[2:4] == ["Left 1.", "Left 2."]
    assert len(await world.told()) == 5
    assert await world.stories.passage_by_message(2) is not None


async def test_an_orphan_of_a_deleted_story_is_closed(small_world: World) -> None:
    world = small_world
    await world.begin()
    world.backend.play(asyncio.Event())
    receipt = await world.say("Go.")
    await world.backend.until_gate()
    await world.kill()
    assert isinstance(world.store, MemoryStore)
    stories = world.store.state.stories
    stories[receipt.story.id] = replace(stories[receipt.story.id], status=StoryStatus.DELETED)
    await world.boot()
    await world.stories.recover()
    assert (await world.job(receipt.job_id)).status is JobStatus.FAILED


async def test_an_expired_job_of_another_process_is_taken_up_by_the_next_act(
    world: World,
) -> None:
    await world.begin()
    world.backend.play(asyncio.Event())
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.kill()
    await world.boot(owner="second")
    assert (await world.say("Two.")).kind is ReceiptKind.WAITING
    world.clock.advance(61)
    assert (await world.say("Three.")).kind is ReceiptKind.WAITING
    await world.finished(receipt)
    told = await world.told()
    assert [told.count(words) for words in ("One.", "Two.", "Three.")] == [1, 1, 1]
    assert len(told) == 7


async def test_stop_ends_a_job_that_runs_elsewhere(world: World) -> None:
    await world.begin()
    world.backend.play(asyncio.Event())
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.boot(owner="second")
    stopped = await world.stories.stop(world.ada, world.place)
    assert stopped is not None
    assert stopped.passage_id is None
    assert (await world.job(receipt.job_id)).status is JobStatus.CANCELLED


async def test_a_passage_that_was_cancelled_elsewhere_is_taken_back(small_world: World) -> None:
    world = small_world
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " Never kept.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    async with world.store.write() as unit:
        await unit.jobs.cancel(receipt.job_id or 0)
        await unit.commit()
    gate.set()
    await world.stories.wait(receipt.job_id or 0)
    assert world.stage.presenters[-1].calls[-1] == "cancel"
    assert (await world.told())[-1] == "One."


async def test_a_service_without_a_stage_writes_all_the_same(small_world: World) -> None:
    world = small_world
    service = world.stories
    service.desk.showing = Showing(world.store)
    await world.begin()
    assert len(await world.told()) == 2
    service.set_stage(world.stage)
    await world.finished(await world.say("Seen."))
    assert world.stage.presenters


async def test_conflicts_without_end_are_told(small_world: World) -> None:
    world = small_world
    await world.begin(wants_answer=False)
    assert isinstance(world.store, MemoryStore)
    world.store.conflicts_to_come = 99
    with pytest.raises(ConflictError):
        await world.say("Never.")
    world.store.conflicts_to_come = 0
    gate = asyncio.Event()
    world.backend.play(gate, " Text.")
    receipt = await world.say(None)
    await world.backend.until_gate()
    world.store.conflicts_to_come = 5
    gate.set()
    await world.finished(receipt)
    assert isinstance(world.stage.presenters[-1].error, ConflictError)
    assert (await world.job(receipt.job_id)).status is JobStatus.FAILED


async def test_a_joint_answer_can_be_stopped_before_it_begins(small_world: World) -> None:
    world = small_world
    gate, asked, shown = asyncio.Event(), asyncio.Event(), asyncio.Event()
    await world.begin()
    world.backend.play(gate, " First.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.say("Two.")
    finish = world.stage.presenters[-1].finish

    async def slow_finish(view: PassageView) -> None:
        asked.set()
        await shown.wait()
        await finish(view)

    world.stage.presenters[-1].finish = slow_finish  # type: ignore[method-assign]
    gate.set()
    await asked.wait()
    stopping = asyncio.create_task(world.stories.stop(world.ada, world.place))
    await asyncio.sleep(0)
    shown.set()
    stopped = await stopping
    assert stopped is not None
    assert stopped.passage_id is None
    assert stopped.job_id != receipt.job_id
    assert (await world.told())[-1] == "Two."
    assert len(world.backend.requests) == 2


async def test_drain_gives_up_waiting_for_a_stage_that_hangs(small_world: World) -> None:
    world = small_world
    await world.boot(limits=replace(LIMITS, pause_s=0.01))
    await world.begin()

    reached = asyncio.Event()

    async def hang(views: Sequence[PassageView]) -> None:
        reached.set()
        await asyncio.Event().wait()

    world.stage.show = hang  # type: ignore[method-assign]
    world.backend.play(" Never reached.")
    receipt = await world.say("Go.")
    await reached.wait()
    world.stories.desk.keep(asyncio.Event().wait(), name="hangs")  # type: ignore[arg-type]
    await world.stories.drain(0.01)
    assert (await world.job(receipt.job_id)).status is JobStatus.OPEN


async def test_a_failing_side_task_is_logged(
    small_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("broken")

    small_world.stories.desk.keep(broken(), name="breaks")
    await small_world.stories.settle()
    await asyncio.sleep(0)
    assert "a task failed" in caplog.text


async def test_a_lease_that_cannot_be_renewed_once_is_renewed_later(small_world: World) -> None:
    world = small_world
    await world.boot(limits=replace(LIMITS, lease_s=0.03))
    gate = asyncio.Event()
    await world.begin(wants_answer=False)
    world.backend.play(gate, " Still here.")
    receipt = await world.say(None)
    await world.backend.until_gate()
    store = world._processes[-1][1]
    before = (await world.job(receipt.job_id)).expires_at
    world.clock.advance(1)
    store.is_dead = True
    async with asyncio.timeout(5):
        await store.refused.wait()
    store.is_dead = False
    store.wrote.clear()
    async with asyncio.timeout(5):
        await store.wrote.wait()
    assert (await world.job(receipt.job_id)).expires_at != before
    gate.set()
    await world.finished(receipt)
    assert (await world.told())[-1] == "Still here."


async def test_a_passage_whose_place_in_the_story_is_gone_is_not_forced_in(
    small_world: World,
) -> None:
    world = small_world
    await world.begin()
    assert isinstance(world.store, MemoryStore)
    for is_retry in (False, True):
        gate = asyncio.Event()
        world.backend.gates_reached = 0
        world.backend.play(gate, " Misplaced.")
        if is_retry:
            receipt = await world.stories.retry(world.ada, world.place, key=world.key())
        else:
            receipt = await world.say(None)
        await world.backend.until_gate()
        job = await world.job(receipt.job_id)
        story = await world.story()
        branch = story.branches[story.active_branch_id]
        moved = {branch.id: replace(branch, head_id=None)}
        world.store.state.stories[story.id] = replace(story, branches=moved)
        gate.set()
        await world.finished(receipt)
        assert isinstance(world.stage.presenters[-1].error, StaleError)
        assert (await world.job(job.id)).status is JobStatus.FAILED
        world.store.state.stories[story.id] = story


async def test_the_story_is_deleted_before_its_passage_begins(small_world: World) -> None:
    world = small_world
    await world.begin(wants_answer=False)
    receipt = await world.say(None)
    assert isinstance(world.store, MemoryStore)
    stories = world.store.state.stories
    stories[receipt.story.id] = replace(stories[receipt.story.id], status=StoryStatus.DELETED)
    await world.stories.wait(receipt.job_id or 0)
    assert (await world.job(receipt.job_id)).status is JobStatus.FAILED
    assert not world.stage.presenters
