"""A tiny model, and a plan whose sizes it can take."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.bench.models import BenchModel, read_model
from bot.bench.plan import FULL, Plan
from tests.support.tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", n_positions=256)


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> BenchModel:
    return read_model(tiny_folder, "tiny")


@pytest.fixture
def plan() -> Plan:
    return replace(
        FULL,
        repeats=2,
        batches=(1, 3),
        prompt_tokens=12,
        new_tokens=8,
        first_tokens=(10, 60),
        cached_tokens=50,
        added_tokens=10,
        snippet_threads=3,
        channels=(1, 3),
        shortest_context=70,
        longest_context=120,
        turns=2,
        turn_tokens=8,
        steps=((1, 20), (3, 20)),
        step_tokens=12,
        threads=1,
    )
