"""Windows: each token once, with what stands before it."""

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bot.training.scores import TextScore
from bot.training.windows import losses, windows


@given(length=st.integers(2, 60), size=st.integers(2, 20), context=st.integers(1, 19))
def test_every_token_but_the_mark_is_scored_once(length: int, size: int, context: int) -> None:
    if context >= size:
        return
    ids = list(range(length))
    scored: list[int] = []
    for window in windows(ids, size=size, context=context):
        assert len(window.ids) <= size
        first = window.ids[-window.scored]
        assert window.scored < len(window.ids)
        assert first <= context or len(window.ids) - window.scored == context
        scored += window.ids[-window.scored :]
    assert scored == ids[1:]


def test_a_context_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="context must be between 1 and 7"):
        next(windows([1, 2], size=8, context=8))


def test_losses_are_those_of_the_model() -> None:
    def uniform(ids: Sequence[int]) -> torch.Tensor:
        return torch.zeros(len(ids), 8)

    assert losses(uniform, [1, 2, 3, 4], size=3, context=1) == pytest.approx([math.log(8)] * 3)


def test_bits_per_byte_does_not_ask_how_many_tokens_there_are() -> None:
    score = TextScore(nats=8 * math.log(2), tokens=3, words=2, size_bytes=16)
    assert score.bits_per_byte == pytest.approx(0.5)
