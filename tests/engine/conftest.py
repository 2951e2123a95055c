from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from bot.engine.local.backend import LocalBackend
from bot.engine.local.loader import LoadedModel, load_model
from tests.engine.engine_reading import Opened
from tests.support.tiny_model import write_tiny_model


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-gpt2", n_positions=512)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    return write_tiny_model(folder, arch="llama", n_positions=512)


@pytest.fixture(scope="session")
def loaded(tiny_gpt2: Path) -> LoadedModel:
    return load_model(tiny_gpt2, precision="fp32", threads=1)


@pytest.fixture
def opened(tiny_gpt2: Path) -> Opened:
    @asynccontextmanager
    async def open_backend(path: Path = tiny_gpt2, **options: Any) -> AsyncIterator[LocalBackend]:
        backend = await LocalBackend.open(path, **{"precision": "fp32", "threads": 1, **options})
        try:
            yield backend
        finally:
            await backend.aclose()

    return open_backend
