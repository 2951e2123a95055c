"""The cache folder: where models lie, and how they get there whole or not at all.

    models/<name>/<revision>/     a model, with its manifest roundtale.json
    staging/<name>/<revision>/    a download or conversion under way
    downloads/<name>/             a package's wheel and GGUF file until they are installed
    locks/<name>.lock             one installation of a model at a time
    chosen.json                   what ``auto`` resolved to

Invariant: a folder under ``models`` appears by one rename, after its manifest was
written and everything synced; whatever a crash leaves under ``staging`` and
``downloads`` is either taken up again or thrown away, and never used as it is.
"""

import asyncio
import errno
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from bot.engine.local.store import progress
from bot.engine.local.store.errors import CacheUnwritableError, LockedError, NoRoomError
from bot.engine.local.store.folder import sha256_of
from bot.engine.local.store.progress import Progress

MANIFEST = "roundtale.json"
_FORMAT = 1
_MB = 1_000_000
_LOCK_LIMIT_S = 3600.0
_LOCK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was installed."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is written beside an installed model.

    Attributes:
        name: hub id or a packaged model's name.
        revision: commit, or content hash of what it was made from.
        requested_revision: branch, tag or commit that was asked for, if any.
        source: "hub" or "package".
        origin: the hub's address, or the package's requirement.
        licence: as the card says; "" where unknown.
        files: every file with its size and hash.
        versions: of the libraries that made it.
        installed_at: ISO 8601, UTC.
    """

    name: str
    revision: str
    requested_revision: str | None
    source: str
    origin: str
    licence: str
    files: Mapping[str, FileRecord]
    versions: Mapping[str, str] = field(default_factory=dict)
    installed_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


def slug(name: str) -> str:
    """Return a hub id as the name of a folder."""
    return name.replace("/", "--")


def installed_folder(cache_dir: Path, name: str, revision: str) -> Path:
    """Return where a model lies once it is installed."""
    return cache_dir / "models" / slug(name) / slug(revision)


def staging_folder(cache_dir: Path, name: str, revision: str) -> Path:
    """Return where a model is put together."""
    return cache_dir / "staging" / slug(name) / slug(revision)


def downloads_folder(cache_dir: Path, name: str) -> Path:
    """Return where a package's files wait for their installation."""
    return cache_dir / "downloads" / slug(name)


def sync_file(path: Path) -> None:
    """Have a file or folder written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: object) -> None:
    """Write a small JSON file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
        sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def record_files(folder: Path, names: Iterable[str] | None = None) -> dict[str, FileRecord]:
    """Return the size and hash of a folder's files, or of the named ones."""
    chosen = (
        sorted(names)
        if names is not None
        else sorted(file.name for file in folder.iterdir() if file.name != MANIFEST)
    )
    return {
        name: FileRecord((folder / name).stat().st_size, sha256_of(folder / name))
        for name in chosen
    }


def read_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest; None where there is none that can be read."""
    try:
        data = json.loads((folder / MANIFEST).read_bytes())
        if data.pop("format") != _FORMAT:
            return None
        files = {name: FileRecord(**record) for name, record in data.pop("files").items()}
        return Manifest(files=files, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_whole(folder: Path) -> bool:
    """Say whether every installed file is there with its size (quick; ``damaged`` reads them)."""
    manifest = read_manifest(folder)
    if manifest is None:
        return False
    try:
        return all(
            (folder / name).stat().st_size == record.size_bytes
            for name, record in manifest.files.items()
        )
    except OSError:
        return False


def damaged(folder: Path) -> tuple[str, ...]:
    """Read an installed model and return the files that are not as they were installed."""
    manifest = read_manifest(folder)
    if manifest is None:
        return (MANIFEST,)
    return tuple(
        name
        for name, record in manifest.files.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != record.sha256
    )


def place(staging: Path, final: Path, manifest: Manifest) -> None:
    """Make a finished folder the installed model, replacing a broken one.

    Blocking: it syncs every file. The rename is the moment of installation.
    """
    for file in staging.iterdir():
        sync_file(file)
    write_json(staging / MANIFEST, {"format": _FORMAT, **asdict(manifest)})
    sync_file(staging)
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        discarded = staging.with_name(f"{staging.name}.{uuid.uuid4().hex}.old")
        final.rename(discarded)
        staging.rename(final)
        shutil.rmtree(discarded, ignore_errors=True)
    else:
        staging.rename(final)
    sync_file(final.parent)
    with suppress(OSError):  # the next model may be in it
        staging.parent.rmdir()


def installed(cache_dir: Path) -> list[tuple[Path, Manifest]]:
    """Return every installed model with its manifest, the newest first."""
    found = [
        (folder, manifest)
        for folder in (cache_dir / "models").glob("*/*")
        if (manifest := read_manifest(folder)) is not None
    ]
    return sorted(found, key=lambda item: item[1].installed_at, reverse=True)


def find_installed(
    cache_dir: Path, name: str, revision: str | None
) -> tuple[Path, Manifest] | None:
    """Return the newest whole installation of a model; of the revision, where one is named."""
    for folder, manifest in installed(cache_dir):
        if (
            manifest.name == name
            and revision in (None, manifest.revision, manifest.requested_revision)
            and is_whole(folder)
        ):
            return folder, manifest
    return None


def require_room(cache_dir: Path, model: str, needed_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        NoRoomError: less than ``needed_bytes`` are free.
    """
    free = shutil.disk_usage(cache_dir).free
    if free < needed_bytes:
        raise NoRoomError(
            model=model,
            folder=str(cache_dir),
            needed_mb=-(-needed_bytes // _MB),
            free_mb=free // _MB,
        )


@contextmanager
def storing(cache_dir: Path, model: str, needed_bytes: int) -> Iterator[None]:
    """Turn what the disk refuses while a model is stored into its error.

    Raises:
        NoRoomError: the disk is full.
        CacheUnwritableError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(cache_dir).free
            raise NoRoomError(
                model=model,
                folder=str(cache_dir),
                needed_mb=-(-needed_bytes // _MB),
                free_mb=free // _MB,
            ) from error
        is_refused = error.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
        )
        if is_refused or not cache_dir.is_dir():
            raise CacheUnwritableError(
                model=model, folder=str(cache_dir), cause=error.strerror
            ) from error
        raise


@asynccontextmanager
async def exclusive(
    cache_dir: Path, name: str, report: Progress, *, limit_s: float = _LOCK_LIMIT_S
) -> AsyncIterator[None]:
    """Hold the right to install one model; another process that has it is waited for.

    The system frees the lock when its holder dies.

    Raises:
        LockedError: somebody else has held it for ``limit_s`` seconds.
    """
    folder = cache_dir / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{slug(name)}.lock")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout as error:
            if loop.time() >= deadline:
                raise LockedError(model=name, limit_s=round(limit_s)) from error
        report.report(progress.WAIT, None, None)
        await asyncio.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()
