import asyncio
import itertools

import pytest

from bot.discord_app.editor import EDIT_INTERVAL_S, GRANT_S, Editors, Pace, Priority


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_interval_is_the_larger_of_its_least_and_the_share_of_all_streams() -> None:
    pace = Pace()
    assert pace.interval_s == pytest.approx(EDIT_INTERVAL_S)
    for _ in range(50):
        pace.open_stream()
    assert pace.interval_s == pytest.approx(2.0)
    assert pace.least_s == pytest.approx(EDIT_INTERVAL_S)
    for _ in range(50):
        pace.close_stream()
    assert pace.interval_s == pytest.approx(EDIT_INTERVAL_S)


def test_an_edit_waits_for_the_rest_of_its_interval() -> None:
    clock = Clock()
    editor = Editors(Pace(1.2, monotonic=clock)).of(1)
    assert editor.wait_s(7, 1.2) <= 0
    editor.note(7)
    clock.now_s += 0.5
    assert editor.wait_s(7, 1.2) == pytest.approx(0.7)
    assert editor.wait_s(8, 1.2) <= 0
    for message_id in range(100):
        editor.note(message_id)
    assert editor.wait_s(7, 1.2) <= 0  # forgotten


async def test_two_edits_of_one_message_that_wait_together_keep_their_distance() -> None:
    clock = Clock()
    edited_at: list[float] = []

    async def wait(delay_s: float) -> None:
        await asyncio.sleep(0)
        clock.now_s += delay_s

    editor = Editors(Pace(1.0, monotonic=clock, wait=wait)).of(1)
    editor.note(7)

    async def edit(priority: Priority) -> None:
        async with editor.turn_to_edit(7, priority):
            edited_at.append(clock.now_s)

    await asyncio.gather(edit(Priority.TIDY), edit(Priority.FINAL), edit(Priority.FINAL))
    assert [after - before >= 1.0 for before, after in itertools.pairwise(edited_at)] == [
        True,
        True,
    ]


async def test_what_can_wait_keeps_its_distance_from_every_edit_in_the_channel() -> None:
    clock = Clock()
    editor = Editors(Pace(1.0, monotonic=clock)).of(1)
    editor.note(7)
    clock.now_s += 0.25
    assert editor.wait_s(8, 1.0) <= 0
    assert editor.calm_s(1.0) == pytest.approx(0.75)


async def test_no_burst_of_writing_uses_up_what_discord_grants_a_channel() -> None:
    clock = Clock()
    edited: list[tuple[float, Priority]] = []

    async def wait(delay_s: float) -> None:
        until_s = clock.now_s + delay_s
        await asyncio.sleep(0)  # others may wait at the same time
        clock.now_s = max(clock.now_s, until_s)

    editor = Editors(Pace(monotonic=clock, wait=wait)).of(1)

    async def edit(message_id: int, priority: Priority) -> None:
        async with editor.turn_to_edit(message_id, priority):
            edited.append((clock.now_s, priority))

    # Short passages one after the other, each of which takes the buttons of the one before away.
    finals = [edit(message_id, Priority.FINAL) for message_id in range(12)]
    tidies = [edit(100 + message_id, Priority.TIDY) for message_id in range(3)]
    await asyncio.gather(*finals, *tidies)
    assert len(edited) == 15
    times = [at_s for at_s, _ in edited]
    for index, at_s in enumerate(times):
        assert sum(at_s - GRANT_S < other <= at_s for other in times[: index + 1]) <= 4
    # Four at once, not four at a distance: whoever asked for an edit does not wait without need.
    assert times[3] == times[0]
    for at_s, priority in edited:
        if priority is Priority.TIDY:
            assert sum(at_s - GRANT_S < other <= at_s for other in times) <= 3


async def test_an_edit_counts_though_it_is_refused_and_a_message_that_is_sent_does_not() -> None:
    editor = Editors(Pace(1.0, monotonic=Clock())).of(1)
    for message_id in range(9):
        editor.note(message_id)
    assert editor.calm_s(1.0) == pytest.approx(1.0)
    for message_id in range(100, 104):
        with pytest.raises(LookupError):
            async with editor.turn_to_edit(message_id, Priority.FINAL):
                raise LookupError
    assert editor.calm_s(1.0) == pytest.approx(GRANT_S)


async def test_one_writes_at_a_time_and_the_important_goes_first() -> None:
    editor = Editors(Pace()).of(1)
    order: list[str] = []
    begun = asyncio.Event()
    gate = asyncio.Event()

    async def first() -> None:
        async with editor.turn(Priority.GROWTH):
            begun.set()
            await gate.wait()
            order.append("first")

    async def write(name: str, priority: Priority) -> None:
        async with editor.turn(priority):
            order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await begun.wait()
        for name, priority in (
            ("tidy", Priority.TIDY),
            ("growth", Priority.GROWTH),
            ("final", Priority.FINAL),
            ("final too", Priority.FINAL),
        ):
            group.create_task(write(name, priority))
        await asyncio.sleep(0)
        gate.set()
    assert order == ["first", "final", "final too", "growth", "tidy"]


async def test_whoever_gives_up_waiting_passes_the_turn_on() -> None:
    editor = Editors(Pace()).of(1)
    async with editor.turn(Priority.FINAL):
        waiting = asyncio.create_task(editor._take(Priority.FINAL))
        late = asyncio.create_task(editor._take(Priority.TIDY))
        await asyncio.sleep(0)
        editor._pass_on()  # the first one's turn comes …
        waiting.cancel()  # … at the moment of its cancellation
        await asyncio.wait({waiting, late})
    assert waiting.cancelled()
    assert late.done()
    assert not late.cancelled()


def test_each_channel_has_one_editor() -> None:
    editors = Editors(Pace())
    one = editors.of(1)
    assert editors.of(1) is one
    assert editors.of(2) is not one


def test_a_channels_last_write_is_remembered_when_nobody_holds_its_editor() -> None:
    editors = Editors(Pace(1.2, monotonic=Clock()))
    editors.of(1).note(7)
    assert editors.of(1).wait_s(7, 1.2) == pytest.approx(1.2)
