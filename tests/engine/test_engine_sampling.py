import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.sampling import PENALTY_REACH_TOKENS, Sampler, uniform
from bot.errors import EngineError
from tests.engine.engine_reading import PLAIN


def make(
    *,
    seed: int = 1,
    is_exempt: Callable[[int], bool] = lambda token: False,
    is_content: Callable[[int], bool] = lambda token: True,
    is_border: Callable[[int], bool] = lambda token: False,
    context: tuple[int, ...] = (),
    suppressed: tuple[int, ...] = (),
    ends: tuple[int, ...] = (),
    **options: Any,
) -> Sampler:
    return Sampler(
        replace(PLAIN, **options),
        seed=seed,
        is_exempt=is_exempt,
        is_content=is_content,
        is_border=is_border,
        context=context,
        suppressed_ids=torch.tensor(suppressed, dtype=torch.long),
        end_ids=torch.tensor(ends, dtype=torch.long),
    )


def logits(*shares: float) -> torch.Tensor:
    return torch.tensor([math.log(share) if share else -math.inf for share in shares])


def counts(scores: torch.Tensor, draws: int = 2000, **options: Any) -> list[float]:
    seen = [0] * scores.numel()
    for seed in range(draws):
        seen[make(seed=seed, **options).draw(scores, [])] += 1
    return [count / draws for count in seen]


def test_the_uniform_number_depends_on_seed_position_and_attempt_alone() -> None:
    first = uniform(1, 2, 3)
    assert first == uniform(1, 2, 3)
    others = {uniform(2, 2, 3), uniform(1, 3, 3), uniform(1, 2, 4), uniform(2**63 - 1, 0, 0)}
    assert first not in others
    assert len(others) == 4


def test_the_uniform_numbers_are_uniform() -> None:
    drawn = sorted(uniform(7, position, 0) for position in range(4000))
    assert drawn[0] >= 0
    assert drawn[-1] < 1
    assert max(abs(value - at / 4000) for at, value in enumerate(drawn)) < 0.03


def test_temperature_zero_takes_the_likeliest() -> None:
    assert make(temperature=0.0).draw(logits(0.2, 0.5, 0.3), []) == 1


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.9999}])
def test_draws_follow_the_distribution(options: dict[str, Any]) -> None:
    shares = counts(logits(0.5, 0.3, 0.2), **options)
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.04)


def test_top_k_comes_before_top_p() -> None:
    # Of the first three (0.4, 0.3, 0.2 of 0.9) two hold 0.75; of all, three would.
    shares = counts(logits(0.4, 0.3, 0.2, 0.1), 400, top_k=3, top_p=0.75)
    assert shares[2:] == [0, 0]
    assert shares[1] > 0


def test_top_p_keeps_the_token_that_carries_the_sum_over_p() -> None:
    shares = counts(logits(0.6, 0.3, 0.1), 400, top_p=0.61)
    assert shares[1] > 0
    assert shares[2] == 0


def test_a_flat_vocabulary_larger_than_the_first_look_is_sampled_whole() -> None:
    scores = torch.zeros(5000)
    drawn = {make(seed=seed, top_p=0.99).draw(scores, []) for seed in range(300)}
    assert len(drawn) > 250


def test_min_p_drops_what_is_far_below_the_likeliest() -> None:
    shares = counts(logits(0.7, 0.25, 0.05), 400, min_p=0.1)
    assert shares[1] > 0
    assert shares[2] == 0
    shares = counts(logits(0.7, 0.25, 0.05), 400, min_p=0.1, top_k=3)
    assert shares[2] == 0


def test_repetition_control_lowers_recent_tokens_on_both_sides_of_zero() -> None:
    greedy: dict[str, Any] = {"temperature": 0.0, "repetition_penalty": 1.5}
    assert make(**greedy).draw(torch.tensor([3.0, 2.5]), [0]) == 1
    assert make(**greedy).draw(torch.tensor([-2.0, -2.5]), [0]) == 1


def test_repetition_control_forgets_what_is_outside_its_window() -> None:
    greedy: dict[str, Any] = {"temperature": 0.0, "repetition_penalty": 1.5, "repetition_window": 2}
    assert make(**greedy).draw(torch.tensor([3.0, 2.5, 0.0]), [0, 2, 2]) == 0
    greedy["repetition_window"] = 0
    assert make(**greedy).draw(torch.tensor([3.0, 2.5, 0.0]), [0]) == 0


def test_exempt_tokens_may_repeat() -> None:
    sampler = make(temperature=0.0, repetition_penalty=2.0, is_exempt=lambda token: token == 0)
    assert sampler.draw(torch.tensor([3.0, 2.5]), [0]) == 0


def test_no_ngram_comes_twice() -> None:
    sampler = make(temperature=0.0, no_repeat_ngram=2, is_exempt=lambda token: True)
    assert sampler.draw(torch.tensor([3.0, 2.5, 2.0]), [1, 0, 2, 1]) == 1
    assert sampler.draw(torch.tensor([3.0, 2.5, 2.0]), [2]) == 0


def test_suppressed_forbidden_and_early_end_tokens_are_not_drawn() -> None:
    sampler = make(temperature=0.0, suppressed=(0,), ends=(1,))
    scores = torch.tensor([5.0, 4.0, 3.0, 2.0])
    assert sampler.draw(scores, []) == 1
    assert sampler.draw(scores, [], may_end=False) == 2
    assert sampler.draw(scores, [], may_end=False, forbidden={2}) == 3


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_logits_that_are_no_numbers_fail(broken: float) -> None:
    with pytest.raises(EngineError):
        make().draw(torch.tensor([0.0, broken]), [])


def test_nothing_left_to_draw_fails() -> None:
    with pytest.raises(EngineError):
        make(suppressed=(0, 1)).draw(torch.tensor([0.0, 1.0]), [])


def test_the_logits_are_left_as_they_were() -> None:
    scores = torch.tensor([3.0, 2.5, 2.0], dtype=torch.bfloat16)
    make(repetition_penalty=1.5, suppressed=(1,)).draw(scores, [0])
    assert scores.tolist() == [3.0, 2.5, 2.0]


@given(
    scores=st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=40),
    seed=st.integers(0, 2**63 - 1),
    position=st.integers(0, 50),
    top_k=st.integers(0, 50),
    top_p=st.floats(0.05, 1.0),
    min_p=st.floats(0.0, 1.0),
    temperature=st.floats(0.05, 2.0),
)
def test_every_draw_is_possible_and_repeatable(  # noqa: PLR0917 -- hypothesis passes them by name
    scores: list[float],
    seed: int,
    position: int,
    top_k: int,
    top_p: float,
    min_p: float,
    temperature: float,
) -> None:
    sampler = make(
        seed=seed, top_k=top_k, top_p=top_p, min_p=min_p, temperature=temperature, suppressed=(0,)
    )
    generated = [1] * position
    token = sampler.draw(torch.tensor(scores), generated, attempt=2)
    assert 1 <= token < len(scores)
    assert token == sampler.draw(torch.tensor(scores), generated, attempt=2)
    if top_k:
        better = sum(score > scores[token] for score in scores[1:])
        assert better < top_k


def drawn_over(scores: torch.Tensor, said: tuple[int, ...], **options: Any) -> list[float]:
    """Return what adjusting does to the scores."""
    adjusted = scores.clone()
    make(**options)._adjust(adjusted, said)
    return (adjusted - scores).tolist()


def test_content_words_cost_once_for_being_there_and_again_each_time() -> None:
    change = drawn_over(
        torch.zeros(5),
        (0, 1, 1, 3),
        context=(1, 2),
        presence_penalty=0.5,
        frequency_penalty=0.25,
        is_content=lambda token: token != 3,
        is_exempt=lambda token: token == 2,
    )
    assert change == [-0.75, -1.25, 0.0, 0.0, 0.0]


def test_penalties_look_back_so_far_and_no_further() -> None:
    filler = (4,) * (PENALTY_REACH_TOKENS - 1)
    near = drawn_over(torch.zeros(5), (1, *filler), presence_penalty=0.5)
    far = drawn_over(torch.zeros(5), (1, *filler, 4), presence_penalty=0.5)
    assert (near[1], far[1]) == (-0.5, 0.0)


def test_going_on_with_a_phrase_costs_more_the_longer_it_is() -> None:
    # "1 2 3" and "7 1 2 5" were said; "7 1 2" now.
    change = drawn_over(torch.zeros(8), (1, 2, 3, 7, 1, 2, 5, 6, 7, 1, 2), dry_multiplier=0.4)
    assert change == pytest.approx([0, 0, 0, -0.4, 0, -0.4 * 1.75, 0, 0])


@pytest.mark.parametrize(
    ("context", "said", "options"),
    [
        ((), (1, 3, 0, 1), {}),  # one token in a row is no phrase
        ((1, 2), (3, 2, 1), {}),
        ((1, 2, 3), (1, 2), {"is_exempt": lambda token: token == 3}),
        ((1, 2, 3), (1, 2), {"is_border": lambda token: token == 1}),
        ((1, 2, 3), (1, 2), {"is_border": lambda token: token == 2}),
        ((), (), {}),
    ],
)
def test_what_is_no_phrase_costs_nothing(
    context: tuple[int, ...], said: tuple[int, ...], options: dict[str, Any]
) -> None:
    change = drawn_over(torch.zeros(5), said, context=context, dry_multiplier=0.4, **options)
    assert change == [0.0] * 5


def test_a_phrase_of_the_prompt_counts_too() -> None:
    change = drawn_over(torch.zeros(5), (1, 2), context=(1, 2, 3), dry_multiplier=0.4)
    assert change == pytest.approx([0, 0, 0, -0.4, 0])
