"""Events on their way to the loop: what is held back, and that nothing is lost by it."""

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.delivery import Delivery, Event
from bot.engine.types import Chunk, FinishReason
from bot.errors import EngineStoppedError


def words(job_id: int, text: str, retract: int = 0) -> Event:
    return Event(job_id, Chunk(text=text, retract=retract))


def test_first_words_wake_the_loop_and_further_ones_wait_until_it_looks() -> None:
    delivery = Delivery()
    assert delivery.add([words(1, "Once")])
    assert delivery.take() == [words(1, "Once")]
    for word in (" upon", " a", " time"):
        assert not delivery.add([words(1, word)])
    assert delivery.is_open
    assert delivery.take() == [words(1, " upon a time")]
    # Another's first words bring what waits along.
    assert not delivery.add([words(1, " there")])
    assert delivery.add([words(2, "It")])
    assert not delivery.add([words(2, " was")])  # it is on its way already
    assert delivery.take() == [words(1, " there"), words(2, "It"), words(2, " was")]
    assert delivery.take() == []


def test_places_errors_and_ends_wake_the_loop() -> None:
    for content in (Chunk(queue_place=2), EngineStoppedError(), Chunk(finish=FinishReason.LENGTH)):
        delivery = Delivery()
        delivery.add([words(1, "a")])
        delivery.take()
        assert not delivery.add([words(1, "b")])
        assert delivery.add([Event(1, content)])
        assert delivery.take() == [words(1, "b"), Event(1, content)]
        assert not delivery.is_open


def test_several_events_of_one_request_stay_in_order() -> None:
    delivery = Delivery()
    events = [words(1, "a"), words(1, "b"), words(1, "c", retract=1)]
    assert delivery.add(events)
    assert delivery.take() == events


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
    delivery = Delivery()
    posted: list[Event] = []
    written = dict.fromkeys((1, 2, 3), "")
    for job_id, retract, text, looks in changes:
        chunk = Chunk(text=text, retract=min(retract, len(written[job_id])))
        written[job_id] = apply(written[job_id], chunk)
        if delivery.add([Event(job_id, chunk)]) or looks:
            posted += delivery.take()
    last = [Event(job_id, Chunk(text="!", finish=FinishReason.LENGTH)) for job_id in written]
    assert delivery.add(last)
    posted += delivery.take()
    told = dict.fromkeys(written, "")
    for event in posted:
        assert isinstance(event.content, Chunk)
        assert event.content.retract <= len(told[event.id])
        told[event.id] = apply(told[event.id], event.content)
    assert told == {job_id: text + "!" for job_id, text in written.items()}
    assert not delivery.is_open
