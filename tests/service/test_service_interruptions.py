import asyncio

import pytest

from bot.errors import (
    BusyError,
    InboxFullError,
    InvalidInputError,
    NotFoundError,
    NothingToRedoError,
    NothingToRetryError,
    NothingToUndoError,
    StaleError,
)
from bot.service.api import Receipt, ReceiptKind
from bot.story import tree
from bot.story.ports import JobStatus
from tests.service.service_fakes import FakePresenter
from tests.service.service_world import World, channel


async def writing(world: World, *before: str, text: str | None = "Go.") -> Receipt:
    """Begin a story and hold its next passage at a gate that never opens."""
    await world.begin()
    world.backend.play(*before, asyncio.Event(), " never seen.")
    receipt = await world.say(text)
    await world.backend.until_gate()
    return receipt


def last(world: World) -> FakePresenter:
    return world.stage.presenters[-1]


async def test_undo_while_writing_cancels_and_takes_the_words_back(world: World) -> None:
    receipt = await writing(world, " Half a")
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert undone.cancelled_job
    assert undone.turns == 1
    assert undone.withdrawn == (receipt.passage_id,)
    assert "Go." not in await world.told()
    assert (await world.job(receipt.job_id)).status is JobStatus.CANCELLED
    assert last(world).calls[-1] == "cancel"
    assert world.backend.closed_early == 1
    assert world.stage.shown[-1].is_withdrawn
    assert not await world.stories.is_writing(world.place)


async def test_undo_of_a_bare_continue_takes_only_the_passage_under_way(world: World) -> None:
    await writing(world, text=None)
    before = await world.told()
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert (undone.turns, undone.withdrawn, undone.cancelled_job) == (1, (), True)
    assert await world.told() == before


async def test_undo_of_more_turns_counts_the_passage_under_way(world: World) -> None:
    await writing(world, text=None)
    undone = await world.stories.undo(world.ada, world.place, 2, key=world.key())
    assert undone.turns == 2
    assert await world.told() == []


async def test_undo_while_writing_reaches_the_words_behind_an_edit(world: World) -> None:
    await writing(world)
    first = tree.path(await world.story())[0]
    await world.stories.edit(world.ada, world.place, first.id, "Long ago.", key=world.key())
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert undone.turns == 2
    assert "Go." not in await world.told()


async def test_undo_of_a_retry_keeps_the_old_alternate(world: World) -> None:
    await world.begin()
    before = await world.told()
    world.backend.play(asyncio.Event())
    await world.stories.retry(world.ada, world.place, key=world.key())
    await world.backend.until_gate()
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert (undone.turns, undone.withdrawn) == (1, ())
    assert await world.told() == before


async def test_a_redelivered_undo_takes_nothing_more_back(world: World) -> None:
    await world.begin()
    await world.finished(await world.say("Two."))
    first = await world.stories.undo(world.ada, world.place, key="m:u")
    again = await world.stories.undo(world.ada, world.place, key="m:u")
    assert again.turns == first.turns
    assert len(await world.told()) == 2
    await world.stories.redo(world.ada, world.place, key="m:r")
    await world.stories.redo(world.ada, world.place, key="m:r")
    assert len(await world.told()) == 4


async def test_undo_and_redo_are_exact_and_shown(world: World) -> None:
    await world.begin()
    receipt = await world.say("Two.")
    await world.finished(receipt)
    before = await world.told()
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert undone.withdrawn == (receipt.passage_id, receipt.job_id)
    assert [view.is_withdrawn for view in world.stage.shown[-2:]] == [True, True]
    redone = await world.stories.redo(world.ada, world.place, key=world.key())
    assert redone.restored == (receipt.passage_id, receipt.job_id)
    assert [view.is_withdrawn for view in world.stage.shown[-2:]] == [False, False]
    assert await world.told() == before


async def test_nothing_to_undo_or_redo_is_said(world: World) -> None:
    await world.begin(None, wants_answer=False)
    with pytest.raises(NothingToUndoError):
        await world.stories.undo(world.ada, world.place, key=world.key())
    with pytest.raises(NothingToRedoError):
        await world.stories.redo(world.ada, world.place, key=world.key())
    with pytest.raises(InvalidInputError):
        await world.stories.undo(world.ada, world.place, 0, key=world.key())


async def test_undo_by_an_old_button_is_stale(world: World) -> None:
    await world.begin()
    head = tree.head_id(await world.story())
    await world.finished(await world.say("Two."))
    with pytest.raises(StaleError):
        await world.stories.undo(world.ada, world.place, key=world.key(), expected_head=head)


async def test_stop_keeps_what_is_whole(world: World) -> None:
    receipt = await writing(world, " One is whole.", " Two is")
    await last(world).until("grow")
    stopped = await world.stories.stop(world.ada, world.place)
    assert stopped is not None
    assert stopped.passage_id == receipt.job_id
    assert (await world.told())[-1] == "One is whole."
    story = await world.story()
    head = tree.head(story)
    assert head is not None
    assert head.provenance is not None
    assert head.provenance.finish == "cancelled"
    assert last(world).finished is not None
    assert (await world.job(receipt.job_id)).status is JobStatus.DONE


async def test_stop_before_a_whole_sentence_keeps_the_words_only(world: World) -> None:
    receipt = await writing(world, " Half a")
    stopped = await world.stories.stop(world.ada, world.place)
    assert stopped is not None
    assert stopped.passage_id is None
    assert (await world.told())[-1] == "Go."
    assert (await world.job(receipt.job_id)).status is JobStatus.CANCELLED
    assert last(world).calls[-1] == "cancel"


async def test_stop_without_anything_under_way_does_nothing(world: World) -> None:
    await world.begin()
    assert await world.stories.stop(world.ada, world.place) is None


async def test_delete_while_writing_cancels_and_blanks(world: World) -> None:
    receipt = await writing(world, " Half a")
    await world.say("Waiting words.", world.bob)
    gone = await world.stories.delete(world.mod, world.place, receipt.story.id)
    assert all(not text.body for text in gone.texts.values())
    assert await world.stories.current_or_none(world.place) is None
    with pytest.raises(NotFoundError):
        await world.stories.story(world.mod, world.place, receipt.story.id)
    assert last(world).calls[-1] == "cancel"
    async with world.store.read() as unit:
        assert not await unit.inbox.waiting(receipt.story.id)
    assert all(view.is_withdrawn for view in world.stage.shown[-1:])


async def test_words_that_arrive_meanwhile_get_one_joint_answer(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " First answer.")
    world.backend.play(" Joint answer.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    two = await world.say("Two.", world.bob)
    three = await world.say("Three.", wants_answer=False)
    assert (two.kind, two.waiting) == (ReceiptKind.WAITING, 1)
    assert (three.kind, three.waiting) == (ReceiptKind.WAITING, 2)
    assert "Two." not in await world.told()
    gate.set()
    await world.finished(receipt)
    assert (await world.told())[-5:] == ["One.", "First answer.", "Two.", "Three.", "Joint answer."]
    acts = [what for what, _ in world.stage.log]
    assert acts == ["show", "begin", "show", "begin", "show", "show", "begin"]
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert undone.turns == 1
    assert (await world.told())[-1] == "Two."


async def test_waiting_words_that_want_no_answer_get_none(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " Answer.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.say("Two.", wants_answer=False)
    gate.set()
    await world.finished(receipt)
    assert (await world.told())[-1] == "Two."
    view = world.stage.shown[-1]
    assert tree.text_of(view.story, view.passage) == "Two."


async def test_a_redelivered_waiting_message_waits_once(world: World) -> None:
    await writing(world)
    for _ in range(2):
        receipt = await world.stories.take_turn(world.bob, world.place, "Two.", key="m:9")
    assert receipt.kind is ReceiptKind.DUPLICATE


async def test_the_inbox_is_bounded(small_world: World) -> None:
    world = small_world
    await writing(world)
    for number in range(20):
        await world.say(f"Word {number}.")
    with pytest.raises(InboxFullError) as caught:
        await world.say("One too many.")
    assert str(caught.value.data["waiting"]) in str(caught.value)


async def test_waiting_words_survive_an_undo(world: World) -> None:
    await writing(world)
    await world.say("Two.", world.bob)
    world.backend.play(" Answer.")
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    assert undone.cancelled_job
    async with asyncio.timeout(5):
        while await world.stories.is_writing(world.place):
            async with world.store.read() as unit:
                job = await unit.jobs.open_for(undone.story.id)
            if job is not None:
                await world.stories.wait(job.id)
    assert (await world.told())[-2:] == ["Two.", "Answer."]


async def test_waiting_words_survive_a_failure(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, RuntimeError("broken"))
    world.backend.play(" Joint answer.")
    receipt = await world.say("One.")
    await world.backend.until_gate()
    await world.say("Two.")
    gate.set()
    await world.finished(receipt)
    assert (await world.told())[-3:] == ["One.", "Two.", "Joint answer."]


async def test_words_that_wait_for_an_ending_wait_until_it_is_undone(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " all slept.")
    receipt = await world.stories.end(world.ada, world.place, key=world.key())
    await world.backend.until_gate()
    await world.say("But wait.")
    gate.set()
    await world.finished(receipt)
    assert (await world.told())[-1].endswith(" all slept.")
    assert len(world.stage.notices) == 1
    undone = await world.stories.undo(world.ada, world.place, key=world.key())
    await world.finished(Receipt(kind=ReceiptKind.WRITING, story=undone.story))
    assert "But wait." in await world.told()


async def test_structural_acts_wait_for_the_passage(world: World) -> None:
    receipt = await writing(world)
    head = tree.head_id(await world.story()) or 0
    stories, ada, place = world.stories, world.ada, world.place
    for call in (
        stories.retry(ada, place, key=world.key()),
        stories.redo(ada, place, key=world.key()),
        stories.end(ada, place, key=world.key()),
        stories.take_turn(ada, place, None, key=world.key()),
        stories.pick(ada, place, key=world.key(), expected_head=head, step=1),
    ):
        with pytest.raises(BusyError):
            await call
    assert (await world.job(receipt.job_id)).status is JobStatus.OPEN


async def test_pick_goes_round_the_alternates(world: World) -> None:
    world.backend.play(" Red.")
    await world.begin()
    for text in (" Green.", " Blue."):
        world.backend.play(text)
        await world.finished(await world.stories.retry(world.ada, world.place, key=world.key()))
    seen = []
    for step in (1, 1, 1, -1):
        head = tree.head_id(await world.story()) or 0
        view = await world.stories.pick(
            world.ada, world.place, key=world.key(), expected_head=head, step=step
        )
        assert not view.is_withdrawn
        seen.append(tree.text_of(view.story, view.passage).strip())
    assert seen == ["Red.", "Green.", "Blue.", "Green."]
    assert world.stage.shown[-1].passage.id == view.passage.id


async def test_pick_without_alternates_or_under_an_old_head_is_refused(world: World) -> None:
    await world.begin()
    head = tree.head_id(await world.story()) or 0
    with pytest.raises(NothingToRetryError):
        await world.stories.pick(
            world.ada, world.place, key=world.key(), expected_head=head, step=1
        )
    with pytest.raises(StaleError):
        await world.stories.pick(world.ada, world.place, key=world.key(), expected_head=1, step=1)


async def test_a_redelivered_pick_moves_once(world: World) -> None:
    await world.begin()
    await world.finished(await world.stories.retry(world.ada, world.place, key=world.key()))
    head = tree.head_id(await world.story()) or 0
    for _ in range(2):
        await world.stories.pick(world.ada, world.place, key="i:p", expected_head=head, step=1)
    assert tree.head_id(await world.story()) != head


async def test_edit_makes_a_revision_and_shows_it(world: World) -> None:
    await world.begin()
    first = tree.path(await world.story())[0]
    view = await world.stories.edit(world.ada, world.place, first.id, "Long ago.\u200b", key="i:e")
    assert tree.text_of(view.story, view.passage) == "Long ago."
    await world.stories.edit(world.ada, world.place, first.id, "Long ago.", key="i:e")
    story = await world.story()
    assert len(story.passages[first.id].revisions) == 2
    newest = await world.stories.edit(world.mod, world.place, None, "New end.", key=world.key())
    assert newest.passage.id == tree.head_id(story)
    with pytest.raises(NotFoundError):
        await world.stories.edit(world.ada, world.place, 4711, "Nobody.", key=world.key())


async def test_a_story_of_another_place_is_not_seen(world: World) -> None:
    receipt = await world.begin()
    elsewhere = channel(11)
    with pytest.raises(NotFoundError):
        await world.stories.story(world.ada, elsewhere, receipt.story.id)
    with pytest.raises(NotFoundError):
        await world.stories.open(world.ada, elsewhere, receipt.story.id)
    found = await world.stories.story(world.mod, elsewhere, receipt.story.id)
    assert found.id == receipt.story.id
    with pytest.raises(NotFoundError):
        await world.stories.story(world.mod, channel(12, guild_id=8), receipt.story.id)
    assert not await world.stories.summaries(world.ada, elsewhere)
    assert await world.stories.summaries(world.mod, elsewhere)


async def test_open_brings_an_archived_story_back(world: World) -> None:
    first = await world.begin("One.")
    second = await world.begin("Two.")
    await world.stories.open(world.ada, world.place, first.story.id)
    assert (await world.story()).id == first.story.id
    await world.stories.open(world.ada, world.place, first.story.id)
    titles = await world.stories.summaries(world.ada, world.place, "well")
    assert {one.id for one in titles} == {first.story.id, second.story.id}


async def test_rename_cleans_and_bounds_the_title(world: World) -> None:
    receipt = await world.begin()
    story = await world.stories.rename(
        world.ada, world.place, receipt.story.id, "  The\nHill ", key="i:n"
    )
    assert tree.title(story) == "The Hill"
    await world.stories.rename(world.ada, world.place, None, "The Hill", key="i:n")
    with pytest.raises(InvalidInputError):
        await world.stories.rename(world.ada, world.place, None, "x" * 500, key=world.key())
