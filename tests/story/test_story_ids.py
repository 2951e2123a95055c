import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.story.ids import EPOCH_MS, MAX_ID, IdGenerator, decode_id, encode_id


@given(st.integers(0, MAX_ID))
def test_an_id_survives_its_short_form(value: int) -> None:
    text = encode_id(value)
    assert len(text) <= 13
    assert decode_id(text) == decode_id(text.upper()) == value


@pytest.mark.parametrize("text", ["", "u", "not an id", "z" * 13, "1" * 14, "é"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        decode_id(text)


@pytest.mark.parametrize("value", [-1, MAX_ID + 1])
def test_a_number_that_is_no_id_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="63-bit"):
        encode_id(value)


@given(st.lists(st.integers(-5, 5), max_size=30))
def test_ids_only_grow_even_where_the_clock_steps_back(steps: list[int]) -> None:
    now = EPOCH_MS + 1000
    new_id = IdGenerator(1, lambda: now)
    ids = [new_id()]
    for step in steps:
        now += step
        ids.append(new_id())
    assert ids == sorted(set(ids))


def test_a_full_millisecond_goes_on_in_the_next() -> None:
    new_id = IdGenerator(0, lambda: EPOCH_MS + 5)
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(set(ids))


def test_two_nodes_never_give_the_same_id() -> None:
    one, other = (IdGenerator(node, lambda: EPOCH_MS + 5) for node in (1, 2))
    assert {one() for _ in range(100)}.isdisjoint(other() for _ in range(100))
    for node in (-1, 1024):
        with pytest.raises(ValueError, match="node"):
            IdGenerator(node)
