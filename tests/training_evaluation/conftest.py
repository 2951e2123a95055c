"""A tiny model, a few tales of its words, and a plan that both can take."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from bot.training.evaluation.plan import FULL, Plan
from tests.support.tiny_model import NAMES, WORDS, write_tiny_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", n_positions=512)


@pytest.fixture(scope="session")
def tales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five tales of 300 words, in files of their own."""
    folder = tmp_path_factory.mktemp("tales")
    for number in range(5):
        chance = random.Random(number)
        sentences = [
            " ".join([chance.choice(NAMES), *chance.choices(WORDS, k=9)]) + "." for _ in range(30)
        ]
        (folder / f"tale {number}.txt").write_text(" ".join(sentences), "utf-8")
    return folder


@pytest.fixture
def plan() -> Plan:
    return replace(
        FULL,
        openings=3,
        seeds=2,
        turns=4,
        words=20,
        human_passages=20,
        window_tokens=64,
        context_tokens=16,
        scored_tokens=300,
        facts=2,
        distances=(20, 40, 4000),
        draws=200,
        max_active=4,
        samples=2,
    )
