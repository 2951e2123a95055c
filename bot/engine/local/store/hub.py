"""The Hugging Face hub, or whatever server stands in for it.

Invariant: asking ends within the caller's limit whether the hub refuses, is not
found, or accepts and stays silent; every byte that is kept was checked against
the hash the hub gave for it (SHA-256 for large files, git's SHA-1 for small ones).

huggingface_hub speaks HTTP here, with the user's own endpoint, proxy and login.
Its ``snapshot_download`` is not used: since release 2 it begins a file anew
after an interruption, and 500 MB are too much for that.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not marked as exported

from bot.engine.local.store import progress
from bot.engine.local.store.bounded import Pulse, StalledError, while_alive, within
from bot.engine.local.store.errors import (
    DownloadBrokenError,
    HubUnreachableError,
    NoSuchRevisionError,
    NotOnHubError,
    UnknownNameError,
    WrongHashError,
)
from bot.engine.local.store.folder import require_safetensors, sha256_of, wanted_files
from bot.engine.local.store.progress import Progress

_log = logging.getLogger(__name__)
_ATTEMPTS = 3
# One beat is a block of huggingface_hub's (10 MB): slower than 35 kB/s counts as stalled.
_STALL_S = 300.0


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository, with what the hub says of its content.

    Attributes:
        size_bytes: None where the server does not say.
        sha256: for files in large file storage, else None.
        blob_id: git's SHA-1 of the blob, else None.
    """

    name: str
    size_bytes: int | None
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A model on the hub at one commit: the files that will be fetched."""

    name: str
    commit: str
    hub: str
    licence: str
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """The sum of all known sizes."""
        return sum(file.size_bytes or 0 for file in self.files)


def address(endpoint: str | None) -> str:
    """Return the hub's address, the user's own where none is given."""
    return (endpoint or constants.ENDPOINT).rstrip("/")


def _cause(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0].strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _ask(name: str, revision: str | None, endpoint: str | None, limit_s: float) -> Listing:
    info = HfApi(endpoint=endpoint).model_info(
        name, revision=revision, timeout=limit_s, files_metadata=True
    )
    if not info.sha or info.siblings is None:
        # A captive portal or a proxy's page: an answer, but not a hub's.
        msg = "the answer is not a model hub's"
        raise ValueError(msg)
    offered = {sibling.rfilename: sibling for sibling in info.siblings}
    require_safetensors(name, offered)
    files = tuple(
        HubFile(
            file,
            offered[file].size,
            offered[file].lfs.sha256 if offered[file].lfs else None,  # type: ignore[union-attr]  # tested right there
            offered[file].blob_id,
        )
        for file in wanted_files(offered)
    )
    tags = [tag for tag in info.tags or () if tag.startswith("license:")]
    licence = tags[0].removeprefix("license:") if tags else ""
    return Listing(name=name, commit=info.sha, hub=address(endpoint), licence=licence, files=files)


async def ask(name: str, *, revision: str | None, endpoint: str | None, limit_s: float) -> Listing:
    """Ask the hub what it has of a model.

    Args:
        name: hub id.
        revision: branch, tag or commit; None is the default branch.
        endpoint: the hub's address; None takes huggingface_hub's (``HF_ENDPOINT``).
        limit_s: for the whole answer, name resolution included.

    Raises:
        HubUnreachableError: no answer within the limit, or none of a hub.
        NotOnHubError: the hub has no such model for us.
        NoSuchRevisionError: the model has no such revision.
        PickleOnlyError: its weights are not safetensors.
    """
    hub = address(endpoint)
    try:
        return await within(limit_s, lambda: _ask(name, revision, endpoint, limit_s))
    except (TimeoutError, httpx2.TimeoutException) as error:
        cause = f"no answer within {limit_s:g} s"
        raise HubUnreachableError(model=name, hub=hub, cause=cause) from error
    except HFValidationError as error:
        raise UnknownNameError(model=name) from error
    except RevisionNotFoundError as error:
        raise NoSuchRevisionError(model=name, revision=revision or "main") from error
    except RepositoryNotFoundError as error:
        raise NotOnHubError(model=name, hub=hub) from error
    except OfflineModeIsEnabled as error:
        cause = "HF_HUB_OFFLINE is set"
        raise HubUnreachableError(model=name, hub=hub, cause=cause) from error
    except HfHubHTTPError as error:
        cause = f"HTTP {error.response.status_code}"
        raise HubUnreachableError(model=name, hub=hub, cause=cause) from error
    except (httpx2.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
        raise HubUnreachableError(model=name, hub=hub, cause=_cause(error)) from error


class _NoBar:
    """What http_get gets for a progress bar, so that it draws none: progress is reported here."""

    def __init__(self, **_: object) -> None:
        self.total = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, n: float | None = 1) -> None:
        return


class _Metered:
    """A file that tells how much was written to it: the part of BinaryIO that http_get uses."""

    def __init__(self, file: BinaryIO, written: Callable[[int], None]) -> None:
        self._file = file
        self._written = written

    def write(self, data: bytes) -> int:
        # Told first: it raises where nobody waits any more, and then another attempt may
        # be writing the same file.
        self._written(self._file.tell() + len(data))
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        return self._file.truncate(size)


def _is_published(path: Path, file: HubFile) -> bool:
    """Say whether a file's content is what the hub lists; True where it lists nothing to compare."""
    size = path.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        return False
    if file.sha256 is not None:
        return sha256_of(path) == file.sha256
    if file.blob_id is not None:
        # Git's object id: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        digest.update(path.read_bytes())
        return digest.hexdigest() == file.blob_id
    return True


def _transfer(url: str, part: Path, file: HubFile, written: Callable[[int], None]) -> None:
    """Fetch what is missing of a file, going on after a broken connection."""
    headers = build_hf_headers()
    headers["Accept-Encoding"] = "identity"  # a range of a compressed file is no range of the file
    failures = 0
    while True:
        resume = part.stat().st_size if part.exists() else 0
        if file.size_bytes is not None and resume > file.size_bytes:
            part.unlink()
            resume = 0
        try:
            with part.open("ab") as handle:
                http_get(
                    url,
                    cast("BinaryIO", _Metered(handle, written)),
                    resume_size=resume,
                    headers=headers,
                    expected_size=file.size_bytes,
                    tqdm_class=cast("Any", _NoBar),
                )
        except httpx2.TransportError as error:
            failures += 1
            if failures >= _ATTEMPTS:
                raise
            _log.info("download of %s interrupted, going on: %s", file.name, _cause(error))
        else:
            return


def _fetch_file(
    listing: Listing,
    file: HubFile,
    into: Path,
    endpoint: str | None,
    written: Callable[[int], None],
) -> None:
    target = into / file.name
    if target.is_file() and _is_published(target, file):
        written(target.stat().st_size)
        return
    part = into / f"{file.name}.part"
    url = hf_hub_url(listing.name, file.name, revision=listing.commit, endpoint=endpoint)
    began_whole = not part.exists()
    _transfer(url, part, file, written)
    if not _is_published(part, file):
        found = sha256_of(part)
        part.unlink()
        if began_whole:
            raise WrongHashError(model=listing.name, file=file.name, found=found)
        # What an earlier attempt had left may be at fault: once more from the start.
        _fetch_file(listing, file, into, endpoint, written)
        return
    part.replace(target)


async def fetch(
    listing: Listing,
    *,
    into: Path,
    endpoint: str | None,
    report: Progress,
    stall_s: float = _STALL_S,
) -> None:
    """Fetch a model's files into a folder, taking up what an earlier attempt left there.

    Raises:
        DownloadBrokenError: a file did not arrive; what did is kept.
        WrongHashError: a file is not the published one.
        OSError: the disk refused.
    """
    loop = asyncio.get_running_loop()
    pulse = Pulse()
    total = listing.size_bytes or None

    def run() -> None:
        before = 0
        for file in listing.files:

            def written(count: int, before: int = before) -> None:
                pulse.beat()
                loop.call_soon_threadsafe(report.report, progress.DOWNLOAD, before + count, total)

            _fetch_file(listing, file, into, endpoint, written)
            before += (into / file.name).stat().st_size

    report.report(progress.DOWNLOAD, 0, total)
    try:
        await while_alive(stall_s, pulse, run)
    except StalledError as error:
        cause = f"nothing arrived for {stall_s:g} s"
        raise DownloadBrokenError(model=listing.name, cause=cause) from error
    except HfHubHTTPError as error:
        cause = f"HTTP {error.response.status_code}"
        raise DownloadBrokenError(model=listing.name, cause=cause) from error
    except httpx2.HTTPError as error:
        raise DownloadBrokenError(model=listing.name, cause=_cause(error)) from error
    except OSError as error:
        if error.errno is None:  # huggingface_hub's own: the size is not the announced one
            raise DownloadBrokenError(model=listing.name, cause=_cause(error)) from error
        raise


def find_snapshot(
    name: str, *, revision: str | None, hub_cache: Path | None
) -> tuple[Path, str] | None:
    """Return a model's folder and commit in huggingface_hub's own cache, which other programs fill.

    Args:
        name: hub id.
        revision: branch, tag or commit; None is main.
        hub_cache: that cache's folder; None takes the user's (``HF_HUB_CACHE``).
    """
    try:
        found = try_to_load_from_cache(
            name, "config.json", cache_dir=hub_cache, revision=revision or "main"
        )
    except HFValidationError:
        return None
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    return folder, folder.name
