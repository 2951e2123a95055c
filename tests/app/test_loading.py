"""The model's loading: when it is over with what stops the event loop."""

from pathlib import Path
from typing import Any

import pytest

from bot.engine.local.store import SILENT, Sentence
from bot.engine.scripted import ScriptedBackend
from bot.errors import ModelUnavailableError
from bot.loading import Model, _is_here
from bot.settings import Settings


class Found:
    name, revision, style, window_tokens = "scripted", "0", None, 1024
    path = Path()
    why = Sentence("It was there.", {})


class Loading:
    """Stands where the engine does, and notes whether all was calm at its steps."""

    def __init__(self, *, is_here: bool, error: Exception | None = None) -> None:
        self.is_here = is_here
        self.error = error
        self.calm: list[bool] = []
        self.model: Model | None = None

    def note(self) -> None:
        assert self.model is not None
        self.calm.append(self.model.is_calm.is_set())

    async def resolve(self, *_: object, **__: object) -> Found:
        self.note()
        if self.error is not None:
            raise self.error
        return Found()

    async def open(self, *_: object, on_calm: Any, **__: object) -> ScriptedBackend:
        self.note()
        on_calm()
        self.note()
        return ScriptedBackend(["A word."])


@pytest.fixture
def settings(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # Freezing all of pytest's objects would only make it larger.
    monkeypatch.setattr("gc.freeze", lambda: None)
    return Settings.load(None)


def model_of(loading: Loading, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr("bot.loading._import_engine", lambda: (loading.resolve, loading))
    monkeypatch.setattr("bot.loading._is_here", lambda _: loading.is_here)
    loading.model = Model(settings, SILENT)
    return loading.model


async def test_a_model_that_is_here_is_calm_once_only_weights_are_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = Loading(is_here=True)
    model = model_of(loading, settings, monkeypatch)
    await model.load()
    assert loading.calm == [False, False, True]
    await model.until_calm()


async def test_nobody_waits_for_a_model_that_must_be_fetched(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = Loading(is_here=False)
    await model_of(loading, settings, monkeypatch).load()
    assert loading.calm[0]


async def test_nobody_waits_for_a_model_that_cannot_be_loaded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ModelUnavailableError(model="x", reason="it is missing")
    loading = Loading(is_here=True, error=error)
    model = model_of(loading, settings, monkeypatch)
    with pytest.raises(ModelUnavailableError):
        await model.load()
    assert loading.calm == [False]
    assert model.is_calm.is_set()


async def test_libraries_that_take_for_ever_keep_nobody_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.loading.CALM_LIMIT_S", 0.0)
    await Model(settings, SILENT).until_calm()
    assert "slow to load" in caplog.text


@pytest.mark.parametrize(
    ("name", "is_here"), [("smollm2", False), ("no such folder/", False), ("./model", True)]
)
def test_whether_a_model_is_here_is_known_without_the_network(
    bare: Path, name: str, is_here: bool
) -> None:
    from tests.support.tiny_model import write_tiny_model  # noqa: PLC0415 -- loads torch

    if is_here:
        write_tiny_model(bare / "model")
    assert _is_here(Settings.load(None, model=name)) is is_here
