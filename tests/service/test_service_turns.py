import asyncio

import pytest

from bot.engine.types import Chunk, FinishReason
from bot.errors import (
    BusyError,
    EmptyTextError,
    EngineError,
    NoStoryError,
    NothingToRetryError,
    PinnedTooLargeError,
    QueueFullError,
    StaleError,
    StoryEndedError,
    TextTooLongError,
)
from bot.service.api import Origin, ReceiptKind
from bot.story import tree
from bot.story.front import ENGLISH
from bot.story.model import AuthorKind, Concept, EntryKind, StoryStatus
from bot.story.ports import JobStatus
from tests.service.service_fakes import Script
from tests.service.service_world import World, channel, member


async def test_start_writes_the_opening_and_the_answer(world: World) -> None:
    world.backend.play(" A girl", " lived", " by a well.")
    receipt = await world.begin("Once upon a time.")
    assert receipt.kind is ReceiptKind.WRITING
    assert await world.told() == ["Once upon a time.", "A girl lived by a well."]
    story = await world.story()
    assert tree.title(story) == "The Well"
    head = tree.head(story)
    assert head is not None
    assert head.id == receipt.job_id
    assert head.kind is AuthorKind.MODEL
    assert head.provenance is not None
    assert head.provenance.model == "tiny"
    assert head.provenance.seed == (await world.job(receipt.job_id)).seed
    assert (await world.job(receipt.job_id)).status is JobStatus.DONE
    assert world.stage.presenters[0].finished is not None
    assert world.stage.presenters[0].finished.passage.id == head.id


async def test_the_words_are_committed_before_the_model_starts(world: World) -> None:
    gate = asyncio.Event()
    await world.begin()
    world.backend.play(gate, " It sang.")
    receipt = await world.say("She looked down.")
    await world.backend.until_gate()
    assert (await world.told())[-1] == "She looked down."
    assert (await world.job(receipt.job_id)).status is JobStatus.OPEN
    gate.set()
    await world.finished(receipt)
    assert (await world.told())[-2:] == ["She looked down.", "It sang."]


async def test_words_and_answer_are_one_turn(world: World) -> None:
    await world.begin()
    await world.finished(await world.say("She looked down."))
    story = await world.story()
    last = tree.last_turn(story)
    assert [entry.kind for entry in last] == [EntryKind.ADD, EntryKind.ANSWER]


async def test_continue_without_words_is_a_turn_of_its_own(world: World) -> None:
    await world.begin()
    receipt = await world.say(None)
    await world.finished(receipt)
    story = await world.story()
    assert [entry.kind for entry in tree.last_turn(story)] == [EntryKind.ANSWER]
    assert receipt.passage_id is None


async def test_add_keeps_the_words_without_an_answer(world: World) -> None:
    await world.begin()
    receipt = await world.say("She looked down.", wants_answer=False)
    assert receipt.kind is ReceiptKind.KEPT
    assert receipt.job_id is None
    assert world.stage.shown[-1].passage.id == receipt.passage_id
    assert (await world.told())[-1] == "She looked down."


async def test_a_redelivered_key_adds_nothing(world: World) -> None:
    await world.begin()
    first = await world.stories.take_turn(world.ada, world.place, "She sang.", key="m:5")
    again = await world.stories.take_turn(world.ada, world.place, "She sang.", key="m:5")
    assert again.kind is ReceiptKind.DUPLICATE
    await world.finished(first)
    third = await world.stories.take_turn(world.ada, world.place, "She sang.", key="m:5")
    assert third.kind is ReceiptKind.DUPLICATE
    assert (await world.told()).count("She sang.") == 1


@pytest.mark.parametrize("act", ["continue", "retry", "end"])
async def test_a_redelivered_button_press_adds_nothing(world: World, act: str) -> None:
    await world.begin()
    calls = {
        "continue": lambda: world.stories.take_turn(world.ada, world.place, None, key="i:b"),
        "retry": lambda: world.stories.retry(world.ada, world.place, key="i:b"),
        "end": lambda: world.stories.end(world.ada, world.place, key="i:b"),
    }
    receipt = await calls[act]()
    assert (await calls[act]()).kind is ReceiptKind.DUPLICATE
    await world.finished(receipt)
    assert (await calls[act]()).kind is ReceiptKind.DUPLICATE
    assert len(world.backend.requests) == 2


async def test_start_is_idempotent_by_key(world: World) -> None:
    for _ in range(2):
        receipt = await world.stories.start(
            world.ada, world.place, Concept(title="Twice"), None, key="i:s", wants_answer=False
        )
    assert receipt.kind is ReceiptKind.DUPLICATE
    assert len(await world.stories.summaries(world.ada, world.place)) == 1


async def test_two_presses_at_once_make_one_passage(world: World) -> None:
    await world.begin()
    head = tree.head_id(await world.story())
    presses = [
        world.stories.take_turn(actor, world.place, None, key=world.key(), expected_head=head)
        for actor in (world.ada, world.bob)
    ]
    results = await asyncio.gather(*presses, return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["BusyError", "Receipt"]
    await world.finished(next(one for one in results if not isinstance(one, BaseException)))
    assert len(await world.told()) == 3


async def test_a_press_under_an_old_passage_is_stale(world: World) -> None:
    await world.begin()
    head = tree.head_id(await world.story())
    await world.finished(await world.say("More."))
    with pytest.raises(StaleError):
        await world.stories.take_turn(
            world.ada, world.place, None, key=world.key(), expected_head=head
        )
    with pytest.raises(StaleError):
        await world.stories.retry(world.ada, world.place, key=world.key(), expected_head=head)


async def test_words_are_taken_even_from_an_old_passages_button(world: World) -> None:
    await world.begin()
    head = tree.head_id(await world.story())
    await world.finished(await world.say("More."))
    receipt = await world.stories.take_turn(
        world.ada, world.place, "Late words.", key=world.key(), expected_head=head
    )
    await world.finished(receipt)
    assert "Late words." in await world.told()


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200b", "\x00\x07"])
async def test_nothing_readable_is_refused(small_world: World, text: str) -> None:
    await small_world.begin()
    with pytest.raises(EmptyTextError):
        await small_world.say(text)
    with pytest.raises(EmptyTextError):
        await small_world.say(None, wants_answer=False)


async def test_text_beyond_the_limit_is_refused_and_nothing_kept(small_world: World) -> None:
    await small_world.begin()
    before = await small_world.told()
    with pytest.raises(TextTooLongError):
        await small_world.say("word " * 10_000)
    assert await small_world.told() == before


async def test_without_a_story_there_is_a_clear_error(small_world: World) -> None:
    for call in (
        small_world.say("Hello."),
        small_world.stories.retry(small_world.ada, small_world.place, key="i:x"),
        small_world.stories.undo(small_world.ada, small_world.place, key="i:y"),
        small_world.stories.stop(small_world.ada, small_world.place),
        small_world.stories.current(small_world.ada, small_world.place),
    ):
        with pytest.raises(NoStoryError):
            await call


async def test_a_premise_larger_than_the_window_is_refused_at_entry(small_world: World) -> None:
    premise = "dragon " * 1500
    with pytest.raises((PinnedTooLargeError, TextTooLongError)):
        await small_world.stories.start(
            small_world.ada, small_world.place, Concept(premise=premise), None, key="i:p"
        )
    assert await small_world.stories.current_or_none(small_world.place) is None


async def test_start_archives_the_current_story(world: World) -> None:
    first = await world.begin()
    second = await world.begin("Another.")
    assert (await world.story()).id == second.story.id
    old = await world.stories.story(world.ada, world.place, first.story.id)
    assert not old.is_current


async def test_start_waits_for_the_passage_under_way(world: World) -> None:
    await world.begin()
    gate = asyncio.Event()
    world.backend.play(gate, " Late.")
    receipt = await world.say("Go.")
    with pytest.raises(BusyError):
        await world.stories.start(
            world.ada, world.place, Concept(), "New.", key=world.key(), wants_answer=False
        )
    gate.set()
    await world.finished(receipt)


async def test_a_members_own_message_is_noted_and_not_copied(world: World) -> None:
    await world.begin()
    receipt = await world.stories.take_turn(
        world.ada,
        world.place,
        "By reply.",
        key="m:77",
        origin=Origin(channel_id=10, message_id=77),
    )
    await world.finished(receipt)
    found = await world.stories.passage_by_message(77)
    assert found == (receipt.story.id, receipt.passage_id)
    assert await world.stories.passage_by_message(78) is None
    async with world.store.read() as unit:
        rows = await unit.outbox.for_passage(receipt.passage_id or 0)
    assert [row.is_own for row in rows] == [False]


async def test_retry_writes_an_alternate_without_the_old_passage_in_its_context(
    world: World,
) -> None:
    world.backend.play(" It was red.")
    await world.begin()
    old = tree.head_id(await world.story())
    world.backend.play(" It was blue.")
    receipt = await world.stories.retry(world.ada, world.place, key=world.key(), expected_head=old)
    await world.finished(receipt)
    assert await world.told() == ["Once upon a time.", "It was blue."]
    prompt = "".join(part.text for part in world.backend.requests[-1].prompt)
    assert "It was red" not in prompt
    assert world.backend.requests[0].seed != world.backend.requests[1].seed
    story = await world.story()
    assert tree.alternates(story, receipt.job_id or 0) == (old, receipt.job_id)


async def test_members_words_cannot_be_retried(world: World) -> None:
    await world.begin()
    await world.say("My words.", wants_answer=False)
    with pytest.raises(NothingToRetryError):
        await world.stories.retry(world.ada, world.place, key=world.key())


async def test_end_by_the_model_ends_the_story(world: World) -> None:
    await world.begin()
    world.backend.play(" the miller slept.")
    receipt = await world.stories.end(world.ada, world.place, key=world.key())
    await world.finished(receipt)
    story = await world.story()
    assert story.status is StoryStatus.ENDED
    opening = world.backend.requests[-1].prompt[-1].text.strip()
    assert opening in ENGLISH.endings
    assert (await world.told())[-1] == f"{opening} the miller slept."
    with pytest.raises(StoryEndedError):
        await world.say("But then …")
    with pytest.raises(StoryEndedError):
        await world.say(None)
    with pytest.raises(StoryEndedError):
        await world.stories.end(world.ada, world.place, key=world.key())


async def test_undo_takes_an_ending_back(world: World) -> None:
    await world.begin()
    await world.finished(await world.stories.end(world.ada, world.place, key=world.key()))
    await world.stories.undo(world.ada, world.place, key=world.key())
    assert (await world.story()).status is StoryStatus.WRITING
    await world.finished(await world.say("On we go."))


async def test_end_without_the_model_ends_at_once(world: World) -> None:
    await world.begin()
    receipt = await world.stories.end(world.ada, world.place, key=world.key(), by_model=False)
    assert receipt.kind is ReceiptKind.KEPT
    assert (await world.story()).status is StoryStatus.ENDED


async def test_an_ending_can_be_retried(world: World) -> None:
    await world.begin()
    await world.finished(await world.stories.end(world.ada, world.place, key=world.key()))
    world.backend.play(" all was better.")
    await world.finished(await world.stories.retry(world.ada, world.place, key=world.key()))
    opening = world.backend.requests[-1].prompt[-1].text.strip()
    assert opening in ENGLISH.endings
    assert (await world.told())[-1] == f"{opening} all was better."
    assert (await world.story()).status is StoryStatus.ENDED


async def test_an_ending_of_its_first_words_alone_is_sampled_again(world: World) -> None:
    await world.begin()
    world.backend.play("  ")
    world.backend.play(" all slept.")
    await world.finished(await world.stories.end(world.ada, world.place, key=world.key()))
    assert (await world.told())[-1].endswith(" all slept.")
    first, second = world.backend.requests[-2:]
    assert first.prompt == second.prompt
    assert first.seed != second.seed


async def test_empty_output_is_sampled_again_with_another_seed(world: World) -> None:
    await world.begin(wants_answer=False)
    for nothing in ("", "  ", "\u200b \u200b "):
        world.backend.play(nothing)
    world.backend.play(" At last.")
    await world.finished(await world.say(None))
    assert (await world.told())[-1] == "At last."
    assert len({request.seed for request in world.backend.requests}) == 4


async def test_a_model_that_returns_nothing_fails_the_job_and_keeps_the_words(
    world: World,
) -> None:
    await world.begin(wants_answer=False)
    for _ in range(4):
        world.backend.play("")
    receipt = await world.say("My words.")
    await world.finished(receipt)
    assert (await world.told())[-1] == "My words."
    assert (await world.job(receipt.job_id)).status is JobStatus.FAILED
    presenter = world.stage.presenters[-1]
    assert isinstance(presenter.error, EngineError)
    assert "nothing" in str(presenter.error)
    assert presenter.reference


async def test_a_failure_carries_the_reference_that_the_log_has(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.begin(wants_answer=False)
    world.backend.play(" Half a", RuntimeError("broken"))
    await world.finished(await world.say("Secret words."))
    presenter = world.stage.presenters[-1]
    assert presenter.calls[-1] == "fail"
    references = [getattr(record, "reference", None) for record in caplog.records]
    assert presenter.reference in references
    assert "Secret" not in caplog.text
    await world.finished(await world.say(None))
    assert len(await world.told()) == 3


async def test_a_full_queue_keeps_the_words(world: World) -> None:
    await world.begin(wants_answer=False)
    world.backend.play(QueueFullError(waiting=64))
    await world.finished(await world.say("My words."))
    assert isinstance(world.stage.presenters[-1].error, QueueFullError)
    assert (await world.told())[-1] == "My words."


async def test_a_deadline_keeps_what_is_whole(small_world: World) -> None:
    world = small_world
    await world.begin(wants_answer=False)
    world.backend.scripts.append(Script([" One is whole. Two is"], FinishReason.DEADLINE))
    await world.finished(await world.say(None))
    assert (await world.told())[-1] == "One is whole."
    world.backend.scripts.append(Script([""], FinishReason.DEADLINE))
    await world.finished(await world.say(None))
    assert "too long" in str(world.stage.presenters[-1].error)


async def test_growing_versions_are_whole_words_and_follow_retractions(
    small_world: World,
) -> None:
    world = small_world
    await world.begin(wants_answer=False)
    world.backend.play(
        Chunk(queue_place=2), " The ca", "t sle", "pt loo loo", Chunk(retract=8), ". The end."
    )
    await world.finished(await world.say(None))
    presenter = world.stage.presenters[-1]
    assert presenter.queue_places == [2]
    assert presenter.texts[0] == "The"
    assert all(not text.endswith(("ca", "sle")) for text in presenter.texts)
    assert (await world.told())[-1] == "The cat slept. The end."


async def test_the_stage_may_fail_without_harm(small_world: World) -> None:
    world = small_world
    world.stage.begin_error = RuntimeError("no permission")
    world.stage.show_error = RuntimeError("no permission")
    await world.begin()
    assert len(await world.told()) == 2
    await world.say("Kept.", wants_answer=False)
    assert (await world.told())[-1] == "Kept."


async def test_conflicts_are_tried_again(small_world: World) -> None:
    world = small_world
    await world.begin()
    assert hasattr(world.store, "conflicts_to_come")
    world.store.conflicts_to_come = 2
    await world.finished(await world.say("Against the odds."))
    assert (await world.told())[-2] == "Against the odds."


async def test_an_edit_while_the_model_writes_is_kept(world: World) -> None:
    await world.begin()
    first = tree.path(await world.story())[0]
    gate = asyncio.Event()
    world.backend.play(" And", gate, " on.")
    receipt = await world.say("Go.")
    await world.backend.until_gate()
    await world.stories.edit(world.ada, world.place, first.id, "Long ago.", key=world.key())
    await world.stories.rename(world.ada, world.place, None, "The Hill", key=world.key())
    gate.set()
    await world.finished(receipt)
    told = await world.told()
    assert told[0] == "Long ago."
    assert told[-1] == "And on."
    undone = await world.stories.undo(world.ada, world.place, 3, key=world.key())
    assert undone.turns == 3


async def test_places_do_not_wait_for_each_other(world: World) -> None:
    gate = asyncio.Event()
    await world.begin(wants_answer=False)
    world.backend.play(gate, " Slow.")
    slow = await world.say("Go.")
    await world.backend.until_gate()
    other = channel(11)
    fast = await world.stories.start(world.bob, other, Concept(), "Elsewhere.", key=world.key())
    await world.stories.wait(fast.job_id or 0)
    assert await world.stories.is_writing(world.place)
    gate.set()
    await world.finished(slow)


async def test_somebody_elses_name_is_kept_as_author(world: World) -> None:
    await world.begin()
    await world.finished(await world.say("Bob's words.", member(2, "Bob")))
    story = await world.story()
    passage = tree.path(story)[-2]
    assert tree.author_of(story, passage).name == "Bob"
