"""Windows: each token once, with what stands before it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from bot.training.evaluation.samples import Sample
from bot.training.evaluation.scoring import Scorer
from bot.training.evaluation.windows import TextScore, losses, windows


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


@pytest.fixture(scope="module")
def scorer(tiny_folder: Path) -> Scorer:
    return Scorer(tiny_folder, name="tiny", precision="fp32", threads=1, size=64, context=16)


def test_a_text_is_as_likely_as_to_plain_transformers(scorer: Scorer, tiny_folder: Path) -> None:
    text = "The old woman sang. The wolf looked at the moon."
    automatic: Any = AutoModelForCausalLM
    plain = automatic.from_pretrained(str(tiny_folder)).eval()
    ids = [0, *scorer.encode(text)]
    with torch.inference_mode():
        logits = plain(input_ids=torch.tensor([ids])).logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum")
    found = scorer.score(text)
    assert found.nats == pytest.approx(float(expected), rel=1e-4)
    assert (found.tokens, found.words, found.size_bytes) == (len(ids) - 1, 10, len(text))


def test_what_stands_before_is_read_and_not_scored(scorer: Scorer) -> None:
    sample = Sample(source="a", seed=1, before="", text="the wolf sang", whole="")
    alone = scorer.bits_per_byte(sample)
    before = scorer.encode("The old woman.")
    nats = 0.0
    for token in scorer.encode(" the wolf sang"):
        nats -= float(torch.log_softmax(scorer.next_logits(before), dim=-1)[token])
        before.append(token)
    after = scorer.bits_per_byte(
        Sample(source="a", seed=1, before="The old woman.", text="the wolf sang", whole="")
    )
    assert after == pytest.approx(nats / math.log(2) / 14, rel=1e-4)
    assert after != pytest.approx(alone, rel=1e-4)
