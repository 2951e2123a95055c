"""Scoring: as likely as to plain transformers, and only what is asked for."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from bot.engine.local.tokenizer import load_tokenizer
from bot.training import heldout
from bot.training.data import Tale
from bot.training.evaluation.samples import Sample
from bot.training.evaluation.scoring import Scorer


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


def test_a_long_tale_is_as_likely_as_before_a_training(tiny_folder: Path) -> None:
    half = Scorer(tiny_folder, name="tiny", precision="fp32", threads=1, size=64, context=32)
    automatic: Any = AutoModelForCausalLM
    text = "The old woman sang. The wolf looked at the moon and <|endoftext|> ran. " * 12
    tale = Tale(id="a", title="", source="", genre=None, format="prose", text=text, licence="")
    (found,) = heldout.score(
        automatic.from_pretrained(str(tiny_folder)),
        load_tokenizer(tiny_folder),
        0,
        [tale],
        window_tokens=64,
        report=lambda done, total: None,
    )
    expected = half.score(text)
    assert found.tokens == expected.tokens > 128
    assert (found.words, found.size_bytes) == (expected.words, expected.size_bytes)
    assert found.nats == pytest.approx(expected.nats, rel=1e-2)  # layers in bf16, where there is it
