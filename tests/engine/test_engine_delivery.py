"""Events on their way to the loop: what is held back, and that nothing is lost by it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.delivery import Delivery, Event
from bot.engine.types import Chunk, FinishReason
from bot.errors import EngineStoppedError

HOLD_S = 0.04


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Loop:
    def __init__(self) -> None:
        self.clock = Clock()
        self.posted: list[Event] = []
        self.wakings = 0
        self.delivery = Delivery(self.hear, self.clock, HOLD_S)

    def hear(self, events: Sequence[Event]) -> None:
        self.wakings += 1
        self.posted += events

    def step(self, *events: Event) -> None:
        self.delivery.add(events)
        self.delivery.post_if_due()


def words(job_id: int, text: str, retract: int = 0) -> Event:
    return Event(job_id, Chunk(text=text, retract=retract))


def test_first_words_come_at_once_and_further_ones_together() -> None:
    loop = Loop()
    loop.step(words(1, "Once"))
    assert loop.posted == [words(1, "Once")]
    for word in (" upon", " a", " time"):
        loop.clock.now_s += HOLD_S / 4
        loop.step(words(1, word))
    assert loop.wakings == 1
    loop.clock.now_s += HOLD_S / 4
    loop.step(words(1, " there"))
    assert loop.posted[1:] == [words(1, " upon a time there")]
    # Another's first words do not wait for these.
    loop.step(words(1, " was"))
    loop.step(words(2, "It"))
    assert set(loop.posted[2:]) == {words(1, " was"), words(2, "It")}


def test_places_errors_and_ends_are_not_held_back() -> None:
    loop = Loop()
    for content in (Chunk(queue_place=2), EngineStoppedError(), Chunk(finish=FinishReason.LENGTH)):
        loop.step(words(1, "a"))
        loop.step(words(1, "b"))
        wakings = loop.wakings
        loop.step(Event(1, content))
        assert loop.wakings == wakings + 1
        assert loop.delivery.is_empty


def test_what_is_held_when_an_error_comes_is_told_first() -> None:
    loop = Loop()
    error = EngineStoppedError()
    loop.step(words(1, "a"))
    loop.step(words(1, "b"))
    loop.step(Event(1, error))
    assert loop.posted == [words(1, "a"), words(1, "b"), Event(1, error)]


def test_several_events_of_one_request_stay_in_order() -> None:
    loop = Loop()
    loop.step(words(1, "a"), words(1, "b"), words(1, "c", retract=1))
    assert loop.posted == [words(1, "a"), words(1, "b"), words(1, "c", retract=1)]


def apply(text: str, chunk: Chunk) -> str:
    return text[: len(text) - chunk.retract] + chunk.text


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 9), st.text("abc", max_size=4), st.booleans())
    )
)
def test_the_text_that_is_told_is_the_text_that_was_written(
    changes: list[tuple[int, int, str, bool]],
) -> None:
    loop = Loop()
    written = dict.fromkeys((1, 2, 3), "")
    for job_id, retract, text, waits in changes:
        chunk = Chunk(text=text, retract=min(retract, len(written[job_id])))
        written[job_id] = apply(written[job_id], chunk)
        loop.clock.now_s += HOLD_S if waits else 0.0
        loop.step(Event(job_id, chunk))
    last = [Event(job_id, Chunk(text="!", finish=FinishReason.LENGTH)) for job_id in written]
    loop.step(*last)
    told = dict.fromkeys(written, "")
    for event in loop.posted:
        assert isinstance(event.content, Chunk)
        assert event.content.retract <= len(told[event.id])
        told[event.id] = apply(told[event.id], event.content)
    assert told == {job_id: text + "!" for job_id, text in written.items()}
    assert loop.delivery.is_empty
