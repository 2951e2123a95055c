"""A tiny model and tales for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bot.training.recipe import Recipe
from bot.training.running import Sources
from tests.support.tiny_model import write_tiny_model
from tests.training.training_kit import Notes, write_tales


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on a busy machine take a hundred times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(
        tmp_path_factory.mktemp("models") / "tiny", arch="llama", n_positions=256
    )


@pytest.fixture
def sources(tmp_path: Path, base_folder: Path) -> Sources:
    return Sources(
        tales=[write_tales(tmp_path / "tales.jsonl")],
        model=str(base_folder),
        cache_dir=tmp_path / "cache",
        threads=1,
    )


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(window_tokens=64, learning_rate=5e-3, epochs=1.0, validations=3, rank=4)
