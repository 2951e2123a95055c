import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local import sampling
from bot.engine.local.errors import BrokenLogitsError, NothingToDrawError
from bot.engine.local.sampling import uniform
from bot.engine.types import SamplingParams
from bot.errors import EngineError
from tests.engine.plain_sampling import Row, drawn, plainly_drawn, row_of


def logits(*shares: float) -> torch.Tensor:
    return torch.tensor([[math.log(share) if share else -math.inf for share in shares]])


def shares_of(scores: torch.Tensor, draws: int = 2000, **options: Any) -> list[float]:
    rows = [row_of(seed=seed, **options) for seed in range(draws)]
    tokens = drawn(scores.expand(draws, -1), *rows)
    return [tokens.count(token) / draws for token in range(scores.numel())]


def test_the_uniform_number_depends_on_seed_position_and_attempt_alone() -> None:
    first = uniform(1, 2, 3)
    assert first == uniform(1, 2, 3)
    others = {uniform(2, 2, 3), uniform(1, 3, 3), uniform(1, 2, 4), uniform(2**63 - 1, 0, 0)}
    assert first not in others
    assert len(others) == 4


def test_the_uniform_numbers_are_uniform() -> None:
    numbers = sorted(uniform(7, position, 0) for position in range(4000))
    assert numbers[0] >= 0
    assert numbers[-1] < 1
    assert max(abs(value - at / 4000) for at, value in enumerate(numbers)) < 0.03


def test_temperature_zero_takes_the_likeliest() -> None:
    assert drawn(logits(0.2, 0.5, 0.3), row_of(temperature=0.0)) == [1]


def test_a_temperature_next_to_zero_takes_the_likeliest_too() -> None:
    assert drawn(logits(0.2, 0.5, 0.3), row_of(temperature=5e-324)) == [1]


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.9999}])
def test_draws_follow_the_distribution(options: dict[str, Any]) -> None:
    shares = shares_of(logits(0.5, 0.3, 0.2), **options)
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.04)


def test_top_k_comes_before_top_p() -> None:
    # Of the first three (0.4, 0.3, 0.2 of 0.9) two hold 0.75; of all, three would.
    shares = shares_of(logits(0.4, 0.3, 0.2, 0.1), 400, top_k=3, top_p=0.75)
    assert shares[2:] == [0, 0]
    assert shares[1] > 0


def test_top_p_keeps_the_token_that_carries_the_sum_over_p() -> None:
    shares = shares_of(logits(0.6, 0.3, 0.1), 400, top_p=0.61)
    assert shares[1] > 0
    assert shares[2] == 0


def test_top_p_drops_what_comes_after_p_is_reached() -> None:
    shares = shares_of(torch.zeros(1, 4), 400, top_p=0.5)
    assert shares[0] > 0
    assert shares[1] > 0
    assert shares[2:] == [0, 0]


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.99}])
def test_a_point_that_rounding_carries_over_the_sum_is_the_last_that_is_possible(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "uniform", lambda *_: 1.0)
    assert drawn(logits(0.6, 0.38, 0.01, 0.01), row_of(min_p=0.1, **options)) == [1]


def test_a_flat_vocabulary_larger_than_the_first_look_is_sampled_whole() -> None:
    rows = [row_of(seed=seed, top_p=0.99) for seed in range(300)]
    tokens = [token for token in drawn(torch.zeros(300, 5000), *rows) if isinstance(token, int)]
    assert len(tokens) == 300
    assert 4500 < max(tokens) < 4950


def test_min_p_drops_what_is_far_below_the_likeliest() -> None:
    shares = shares_of(logits(0.7, 0.25, 0.05), 400, min_p=0.1)
    assert shares[1] > 0
    assert shares[2] == 0
    shares = shares_of(logits(0.7, 0.25, 0.05), 400, min_p=0.1, top_k=3)
    assert shares[2] == 0


def test_repeating_is_held_against_a_token() -> None:
    row = row_of(temperature=0.0, repetition_penalty=1.5, generated=(0,))
    assert drawn(torch.tensor([[3.0, 2.5]]), row) == [1]


def test_suppressed_forbidden_and_early_end_tokens_are_not_drawn() -> None:
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0]] * 3)
    rows = [
        row_of(temperature=0.0),
        row_of(temperature=0.0, may_end=False),
        row_of(temperature=0.0, may_end=False, forbidden=frozenset({2})),
    ]
    assert drawn(scores, *rows, suppressed=(0,), ends=(1,)) == [1, 2, 3]


def test_of_equals_the_lowest_id_is_taken() -> None:
    scores = torch.zeros(4, 3000, dtype=torch.bfloat16)
    scores[:, 1000:] = 1.0
    rows = [row_of(temperature=0.0), row_of(top_k=1)]
    assert drawn(scores[:2], *rows) == [1000, 1000]
    some = [row_of(top_k=3, seed=seed) for seed in range(200)]
    assert set(drawn(scores[:1].expand(200, -1), *some)) == {1000, 1001, 1002}


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_fail_alone(broken: float, temperature: float) -> None:
    scores = torch.tensor([[0.0, 1.0], [0.0, broken], [broken, 0.0], [1.0, 0.0]])
    rows = [row_of(temperature=temperature, top_p=0.5, generated=(0,))] * 4
    # What is wrong is seen where it would never be drawn, too.
    tokens = drawn(torch.cat([scores, torch.full((4, 1), -9.0)], 1), *rows, suppressed=(0,))
    assert tokens == [1, BrokenLogitsError, BrokenLogitsError, 1]


def test_nothing_left_to_draw_fails_alone() -> None:
    rows = [row_of(), row_of(forbidden=frozenset({2})), row_of()]
    scores = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [-math.inf] * 3])
    tokens = drawn(scores, *rows, suppressed=(0, 1))
    assert tokens == [2, NothingToDrawError, NothingToDrawError]


def test_the_logits_are_left_as_they_were() -> None:
    for dtype in (torch.bfloat16, torch.float32):
        scores = torch.tensor([[3.0, 2.5, 2.0]], dtype=dtype)
        drawn(scores, row_of(repetition_penalty=1.5, generated=(0,)), suppressed=(1,))
        assert scores.tolist() == [[3.0, 2.5, 2.0]]


@st.composite
def vocabularies(draw: st.DrawFn, rows: int) -> torch.Tensor:
    """Logits (rows, V), some with many equal ones, some with what is no number."""
    size = draw(st.sampled_from((5, 40, 1500, 5000)))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    width = draw(st.sampled_from((0.1, 3.0, 30.0)))
    scores = torch.from_numpy(numbers.normal(0, width, (rows, size)).astype(np.float32))
    form = draw(st.sampled_from(("fine", "bfloat16", "whole")))
    if form == "bfloat16":
        scores = scores.bfloat16()
    if form == "whole":
        scores = scores.round()
    holes = st.tuples(
        st.integers(0, rows - 1),
        st.integers(0, size - 1),
        st.sampled_from((-math.inf, -math.inf, math.nan, math.inf)),
    )
    for row, token, value in draw(st.lists(holes, max_size=2)):
        scores[row, token] = value
    return scores


ids = st.integers(0, 4)
few = st.frozensets(ids, max_size=2)
texts = st.lists(ids, max_size=30).map(tuple)
requests = st.builds(
    Row,
    params=st.builds(
        SamplingParams,
        temperature=st.one_of(st.just(0.0), st.floats(0.05, 2.0)),
        top_k=st.sampled_from((0, 0, 1, 2, 3, 10, 50, 1000)),
        top_p=st.one_of(st.just(1.0), st.floats(0.05, 1.0)),
        min_p=st.one_of(st.just(0.0), st.floats(0.0, 1.0)),
        repetition_penalty=st.sampled_from((1.0, 1.05, 1.5)),
        no_repeat_ngram=st.sampled_from((0, 1, 3)),
        presence_penalty=st.sampled_from((0.0, 0.3)),
        frequency_penalty=st.sampled_from((0.0, 0.15)),
        dry_multiplier=st.sampled_from((0.0, 0.4)),
    ),
    seed=st.integers(0, 2**63 - 1),
    exempt=few,
    function=few,
    border=few,
    context=texts,
    generated=texts,
    attempt=st.integers(0, 5),
    forbidden=few,
    may_end=st.booleans(),
)


@given(scores=vocabularies(1), row=requests, suppressed=few, ends=few)
def test_a_draw_is_what_plain_loops_and_a_whole_sort_would_give(
    scores: torch.Tensor, row: Row, suppressed: frozenset[int], ends: frozenset[int]
) -> None:
    token = drawn(scores, row, suppressed=suppressed, ends=ends)
    assert token == [plainly_drawn(scores[0], row, suppressed=suppressed, ends=ends)]


@given(
    scores=vocabularies(5),
    rows=st.lists(requests, min_size=5, max_size=5),
    others=st.lists(requests, min_size=5, max_size=5),
    order=st.permutations(range(5)),
    suppressed=few,
)
def test_a_request_draws_the_same_in_any_company(
    scores: torch.Tensor,
    rows: list[Row],
    others: list[Row],
    order: Sequence[int],
    suppressed: frozenset[int],
) -> None:
    def draw(*chosen: int, by: Sequence[Row] = rows) -> list[int | type[EngineError]]:
        return drawn(scores[list(chosen)], *(by[row] for row in chosen), suppressed=suppressed)

    together = draw(*range(5))
    assert [draw(row)[0] for row in range(5)] == together
    assert draw(*order) == [together[row] for row in order]
    assert draw(0, 1) + draw(3, 2) == [together[row] for row in (0, 1, 3, 2)]
    for row in range(5):
        company = [*others[:row], rows[row], *others[row + 1 :]]
        assert draw(*range(5), by=company)[row] == together[row]
