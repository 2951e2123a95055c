from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.repetition import DRY_REACH_TOKENS, PENALTY_REACH_TOKENS
from bot.engine.types import SamplingParams
from tests.engine.plain_sampling import Row, plainly_lowered, row_of


def lowered(*scores: float, **options: Any) -> list[float]:
    adjusted = np.array(scores, dtype=np.float32)
    row = row_of(**options)
    row.repetition(len(scores)).lower(adjusted, row.generated)
    return [float(score) for score in adjusted]


def test_repetition_control_lowers_recent_tokens_on_both_sides_of_zero() -> None:
    change = lowered(3.0, -2.0, 3.0, generated=(0, 1, 0), repetition_penalty=1.5)
    assert change == [2.0, -3.0, 3.0]


def test_repetition_control_forgets_what_is_outside_its_window() -> None:
    recent = {"generated": (0, 2, 2), "repetition_penalty": 2.0}
    assert lowered(2.0, 2.0, 2.0, **recent, repetition_window=2) == [2.0, 2.0, 1.0]
    assert lowered(2.0, 2.0, 2.0, **recent, repetition_window=0) == [2.0, 2.0, 2.0]


def test_exempt_tokens_may_repeat() -> None:
    change = lowered(2.0, 2.0, generated=(0, 1), repetition_penalty=2.0, exempt=frozenset({0}))
    assert change == [2.0, 1.0]


@pytest.mark.parametrize(
    ("said", "size", "ruled_out"),
    [
        ((1, 0, 2, 1), 2, {0}),
        ((2,), 2, set()),
        ((), 2, set()),
        ((), 1, set()),
        ((2, 0), 1, {0, 2}),
        ((0, 1, 2, 0, 1), 3, {2}),
        ((0, 1, 2, 1, 1), 3, set()),
    ],
)
def test_no_ngram_comes_twice(said: tuple[int, ...], size: int, ruled_out: set[int]) -> None:
    every = frozenset(range(3))
    change = lowered(0.0, 0.0, 0.0, generated=said, no_repeat_ngram=size, exempt=every)
    assert {token for token, score in enumerate(change) if score == -np.inf} == ruled_out


def test_content_words_cost_once_for_being_there_and_again_each_time() -> None:
    change = lowered(
        *[0.0] * 5,
        generated=(0, 1, 1, 3),
        context=(1, 2),
        presence_penalty=0.5,
        frequency_penalty=0.25,
        function=frozenset({3}),
        exempt=frozenset({2}),
    )
    assert change == [-0.75, -1.25, 0.0, 0.0, 0.0]


def test_penalties_look_back_so_far_and_no_further() -> None:
    filler = (4,) * (PENALTY_REACH_TOKENS - 1)
    near = lowered(*[0.0] * 5, generated=(1, *filler), presence_penalty=0.5)
    far = lowered(*[0.0] * 5, generated=(1, *filler, 4), presence_penalty=0.5)
    assert (near[1], far[1]) == (-0.5, 0.0)


def test_going_on_with_a_phrase_costs_more_the_longer_it_is() -> None:
    # "1 2 3" and "7 1 2 5" were said; "7 1 2" now.
    said = (1, 2, 3, 7, 1, 2, 5, 6, 7, 1, 2)
    change = lowered(*[0.0] * 8, generated=said, dry_multiplier=0.4)
    assert change == pytest.approx([0, 0, 0, -0.4, 0, -0.4 * 1.75, 0, 0])


def test_of_two_phrases_the_longer_counts() -> None:
    said = (7, 1, 2, 3, 6, 1, 2, 3, 7, 1, 2)
    change = lowered(*[0.0] * 8, generated=said, dry_multiplier=0.4)
    assert change == pytest.approx([0, 0, 0, -0.4 * 1.75, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "options",
    [
        {"generated": (1, 3, 0, 1)},  # one token in a row is no phrase
        {"context": (1, 2), "generated": (3, 2, 1)},
        {"context": (1, 2, 3), "generated": (1, 2), "exempt": frozenset({3})},
        {"context": (1, 2, 3), "generated": (1, 2), "border": frozenset({1})},
        {"context": (1, 2, 3), "generated": (1, 2), "border": frozenset({2})},
        {},
    ],
)
def test_what_is_no_phrase_costs_nothing(options: dict[str, Any]) -> None:
    assert lowered(*[0.0] * 5, **options, dry_multiplier=0.4) == [0.0] * 5


def test_a_phrase_of_the_prompt_counts_too() -> None:
    change = lowered(*[0.0] * 5, context=(1, 2, 3), generated=(1, 2), dry_multiplier=0.4)
    assert change == pytest.approx([0, 0, 0, -0.4, 0])


def test_phrases_are_looked_for_so_far_back_and_no_further() -> None:
    filler = (4,) * (DRY_REACH_TOKENS - 5)
    near = lowered(*[0.0] * 5, generated=(1, 2, 3, *filler, 1, 2), dry_multiplier=0.4)
    far = lowered(*[0.0] * 5, generated=(1, 2, 3, 4, *filler, 1, 2), dry_multiplier=0.4)
    assert near[3] == pytest.approx(-0.4)
    assert far[3] == 0.0


SIZE = 6
ids = st.integers(0, SIZE - 1)
few = st.frozensets(ids, max_size=2)


@st.composite
def texts(draw: st.DrawFn) -> tuple[int, ...]:
    """A text that says some of its phrases again."""
    phrases = draw(st.lists(st.lists(ids, min_size=1, max_size=30), min_size=1, max_size=3))
    order = draw(st.lists(st.sampled_from(phrases), max_size=8))
    return tuple(token for phrase in order for token in phrase)


@given(
    scores=st.lists(st.floats(-20, 20, width=32), min_size=SIZE, max_size=SIZE),
    row=st.builds(
        Row,
        params=st.builds(
            SamplingParams,
            repetition_penalty=st.floats(1.0, 2.0),
            repetition_window=st.integers(0, 80),
            no_repeat_ngram=st.integers(0, 6),
            presence_penalty=st.floats(0.0, 2.0),
            frequency_penalty=st.floats(0.0, 2.0),
            dry_multiplier=st.floats(0.0, 5.0),
        ),
        exempt=few,
        function=few,
        border=few,
        context=texts(),
        generated=texts(),
    ),
)
def test_scores_are_lowered_as_plain_loops_would(scores: list[float], row: Row) -> None:
    plain = np.array(scores, dtype=np.float32)
    plainly_lowered(plain, row)
    quick = np.array(scores, dtype=np.float32)
    row.repetition(SIZE).lower(quick, row.generated)
    assert quick.tolist() == plain.tolist()
