"""From what the operator wants to the folder of a model that is here.

Invariant: ``resolve`` returns a whole model folder and a sentence that says why it
is this one, or raises an error that says what to do; a hub that does not answer
costs ``hub_timeout_s`` seconds, once, and nothing where the model is on this machine.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.engine.local.store import cache, catalogue, progress
from bot.engine.local.store.choice import recall, remember
from bot.engine.local.store.errors import (
    DownloadBrokenError,
    HubUnreachableError,
    ModelUnavailableError,
    NoRoomError,
    NotInstalledError,
    UnknownNameError,
)
from bot.engine.local.store.folder import look
from bot.engine.local.store.hub import address, ask
from bot.engine.local.store.installation import (
    HUB_TIMEOUT_S,
    ModelDetails,
    canonical,
    describe,
    describe_folder,
    find_local,
    install,
    install_listing,
    split_revision,
)
from bot.engine.local.store.progress import SILENT, Progress, Sentence
from bot.engine.types import PromptStyle
from bot.locales import N_

_log = logging.getLogger(__name__)

AUTO = "auto"
# huggingface_hub.utils.validate_repo_id, and a revision
_HUB_ID = re.compile(
    r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?", re.ASCII
)

FROM_FOLDER = N_("The folder {path} was named.")
IS_INSTALLED = N_("{name} was asked for, and is on this machine.")
WAS_FETCHED = N_("{name} was asked for, and was installed from {origin}.")
WAS_CHOSEN = N_("{name} was chosen at the first start. Set ROUNDTALE_MODEL to use another model.")
DEFAULT_HERE = N_("{name} is the default model, and is on this machine.")
DEFAULT_FETCHED = N_("{name} is the default model; it was installed from {origin}.")
HUB_SILENT = N_(
    "The model hub {hub} does not answer ({cause}), so {name}, which comes in a Python package, is used instead of {default}."
)
HUB_BROKE_OFF = N_(
    "The download of {default} broke off ({cause}), so {name}, which comes in a Python package, is used instead."
)
NO_ROOM_FOR_DEFAULT = N_(
    "There is no room for {default} in {folder}, so {name}, which is smaller to fetch, is used instead."
)
DEFAULT_UNUSABLE = N_(
    "{default} cannot be installed from {hub}, so {name}, which comes in a Python package, is used instead."
)
EMBEDDED_HERE = N_("{name} is the model that is on this machine.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The model that will write.

    Attributes:
        path: its folder, whole.
        name: hub id, packaged model's name, or the folder's name.
        revision: commit, content hash, or a folder's fingerprint.
        style: how a story is put to it.
        why: why it is this one.
        window_tokens: the window that serves it well, where the catalogue knows; the
            lesser of this and the model's own counts.
        source: "hub", "package", "folder" or "hub cache".
    """

    path: Path
    name: str
    revision: str
    style: PromptStyle
    why: Sentence
    window_tokens: int | None
    source: str


def _resolved(path: Path, name: str, revision: str, source: str, why: Sentence) -> Resolved:
    known = catalogue.find(name)
    return Resolved(
        path=path,
        name=name,
        revision=revision,
        style=known.style if known else PromptStyle.COMPLETION,
        why=why,
        window_tokens=known.window_tokens if known else None,
        source=source,
    )


def _names_a_folder(wanted: str) -> bool:
    return (
        wanted.startswith(("/", "./", "../", "~", ".\\")) or wanted in (".", "..") or "\\" in wanted
    )


def _parse(wanted: str) -> Path | tuple[str, str | None]:
    """Read a setting as a folder, or as a model's name and revision.

    Raises:
        UnknownNameError: it can be neither.
    """
    wanted = wanted.strip()
    plain, pinned = split_revision(wanted)
    if _names_a_folder(wanted):
        return Path(wanted)
    if wanted and catalogue.find(plain) is None and Path(wanted).is_dir():
        return Path(wanted)
    if not _HUB_ID.fullmatch(wanted):
        raise UnknownNameError(model=wanted)
    return canonical(plain), pinned


def _from_folder(wanted: Path) -> Resolved:
    path = wanted.expanduser().resolve()
    facts = look(path)
    manifest = cache.read_manifest(path)
    name = manifest.name if manifest else path.name
    revision = manifest.revision if manifest else facts.fingerprint
    return _resolved(path, name, revision, "folder", Sentence(FROM_FOLDER, {"path": str(path)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What every step of one resolution needs."""

    cache_dir: Path
    hub_cache: Path | None
    hub_timeout_s: float
    endpoint: str | None
    report: Progress
    allow_install: bool

    def local(self, name: str, revision: str | None, message: str) -> Resolved | None:
        found = find_local(
            name, cache_dir=self.cache_dir, revision=revision, hub_cache=self.hub_cache
        )
        if found is None:
            return None
        path, found_revision, source = found
        return _resolved(path, name, found_revision, source, Sentence(message, {"name": name}))

    async def fetched(
        self, name: str, revision: str | None, why: Callable[[str], Sentence]
    ) -> Resolved:
        """Install a model and say why with the manifest's origin."""
        path = await install(
            name,
            cache_dir=self.cache_dir,
            report=self.report,
            revision=revision,
            hub_timeout_s=self.hub_timeout_s,
            endpoint=self.endpoint,
        )
        manifest = cache.read_manifest(path)
        if manifest is None:
            raise AssertionError  # install has just written it
        origin = manifest.origin.split(" ", 1)[0]
        return _resolved(path, name, manifest.revision, manifest.source, why(origin))

    async def named(self, name: str, revision: str | None) -> Resolved:
        """Resolve a hub id or a packaged model's name."""
        local = self.local(name, revision, IS_INSTALLED)
        if local is not None:
            return local
        if not self.allow_install:
            raise NotInstalledError(model=name)
        return await self.fetched(
            name, revision, lambda origin: Sentence(WAS_FETCHED, {"name": name, "origin": origin})
        )

    async def chosen(self, revision: str | None) -> Resolved:
        """Resolve ``auto``: what was chosen before, else what can be had."""
        remembered = recall(self.cache_dir)
        if remembered is not None:
            local = self.local(*split_revision(remembered), WAS_CHOSEN)
            if local is not None:
                return local
        resolved = await self._chosen_anew(revision)
        if self.allow_install:
            try:
                remember(self.cache_dir, resolved.name, resolved.revision)
            except (ModelUnavailableError, OSError) as error:
                _log.warning("the choice of the model could not be remembered: %s", error)
        return resolved

    async def _chosen_anew(self, revision: str | None) -> Resolved:
        """Take the default model where it can be had, else the packaged one."""
        default, embedded = catalogue.DEFAULT_NAME, catalogue.EMBEDDED_NAME
        local = self.local(default, revision, DEFAULT_HERE)
        if local is None and not self.allow_install:
            local = self.local(embedded, None, EMBEDDED_HERE)
            if local is None:
                raise NotInstalledError(model=default)
        if local is not None:
            return local
        try:
            return await self._default_from_hub(default, revision)
        except ModelUnavailableError as error:
            why = _instead(error, default, embedded, address(self.endpoint))
        local = self.local(embedded, None, why.message)
        if local is not None:
            return _resolved(local.path, embedded, local.revision, local.source, why)
        return await self.fetched(embedded, None, lambda _: why)

    async def _default_from_hub(self, default: str, revision: str | None) -> Resolved:
        self.report.report(progress.ASK_HUB, None, None)
        known = catalogue.find(default)
        wanted = revision or (known.revision if known else None)
        listing = await ask(
            default, revision=wanted, endpoint=self.endpoint, limit_s=self.hub_timeout_s
        )
        path = await install_listing(
            listing,
            cache_dir=self.cache_dir,
            revision=wanted,
            endpoint=self.endpoint,
            report=self.report,
        )
        why = Sentence(DEFAULT_FETCHED, {"name": default, "origin": listing.hub})
        return _resolved(path, default, listing.commit, "hub", why)


def _instead(error: ModelUnavailableError, default: str, name: str, hub: str) -> Sentence:
    """Say why the packaged model is used instead of the default."""
    data = {"default": default, "name": name, "hub": hub, **error.data}
    if isinstance(error, HubUnreachableError):
        return Sentence(HUB_SILENT, data)
    if isinstance(error, DownloadBrokenError):
        return Sentence(HUB_BROKE_OFF, data)
    if isinstance(error, NoRoomError):
        return Sentence(NO_ROOM_FOR_DEFAULT, data)
    return Sentence(DEFAULT_UNUSABLE, data)


async def resolve(
    wanted: str,
    *,
    cache_dir: Path,
    revision: str | None = None,
    hub_timeout_s: float = HUB_TIMEOUT_S,
    report: Progress = SILENT,
    allow_install: bool = True,
    endpoint: str | None = None,
    hub_cache: Path | None = None,
) -> Resolved:
    """Find the model that is wanted, installing it where it is not here.

    A model that is on this machine is never looked up on the hub. What ``auto`` resolves
    to is remembered in the cache folder, and taken again as long as it is there.

    Args:
        wanted: a hub id or packaged model's name (``name@revision`` pins it), a folder, or ``auto``.
        cache_dir: where models are kept.
        revision: branch, tag or commit of a hub model.
        hub_timeout_s: how long the hub may take to answer.
        report: gets progress.
        allow_install: False only looks on this machine.
        endpoint: the hub's address; None takes huggingface_hub's own (``HF_ENDPOINT``).
        hub_cache: huggingface_hub's own cache; None takes the user's (``HF_HUB_CACHE``).

    Raises:
        ModelUnavailableError: one of ``bot.engine.local.store.errors``.
    """
    search = _Search(
        cache_dir=cache_dir,
        hub_cache=hub_cache,
        hub_timeout_s=hub_timeout_s,
        endpoint=endpoint,
        report=report,
        allow_install=allow_install,
    )
    if wanted.strip().casefold() == AUTO:
        return await search.chosen(revision)
    target = _parse(wanted)
    if isinstance(target, Path):
        return _from_folder(target)
    return await search.named(target[0], revision or target[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a setting would resolve to, as far as this machine knows.

    Attributes:
        is_installed: no network is needed for it.
    """

    name: str
    is_installed: bool


def describe_choice(
    wanted: str,
    cache_dir: Path,
    revision: str | None = None,
    *,
    hub_cache: Path | None = None,
) -> Choice:
    """Tell which model a setting means, without the network and without changing anything.

    Raises:
        ModelUnavailableError: the setting means no model, or a folder that is none.
    """
    if wanted.strip().casefold() == AUTO:
        for name, its_revision in _candidates(cache_dir, revision):
            if find_local(name, cache_dir=cache_dir, revision=its_revision, hub_cache=hub_cache):
                return Choice(name=name, is_installed=True)
        return Choice(name=catalogue.DEFAULT_NAME, is_installed=False)
    target = _parse(wanted)
    if isinstance(target, Path):
        return Choice(name=_from_folder(target).name, is_installed=True)
    found = find_local(
        target[0], cache_dir=cache_dir, revision=revision or target[1], hub_cache=hub_cache
    )
    return Choice(name=target[0], is_installed=found is not None)


def _candidates(cache_dir: Path, revision: str | None) -> list[tuple[str, str | None]]:
    remembered = recall(cache_dir)
    first = [split_revision(remembered)] if remembered else []
    return [*first, (catalogue.DEFAULT_NAME, revision), (catalogue.EMBEDDED_NAME, None)]


def info(
    name_or_path: str,
    *,
    cache_dir: Path,
    revision: str | None = None,
    hub_cache: Path | None = None,
    is_verified: bool = False,
) -> ModelDetails:
    """Tell what is known of a model; quick, and without the network.

    Args:
        name_or_path: hub id, packaged model's name, alias, folder or ``auto``.
        cache_dir: where models are kept.
        revision: branch, tag or commit of a hub model.
        hub_cache: huggingface_hub's own cache; None takes the user's.
        is_verified: read the whole model and compare its hashes (a second for each GB).

    Raises:
        UnknownNameError: it is not here, and nothing is known of it.
        ModelUnavailableError: the folder is not a model.
    """
    if name_or_path.strip().casefold() == AUTO:
        name_or_path = describe_choice(AUTO, cache_dir, revision, hub_cache=hub_cache).name
    target = _parse(name_or_path)
    if isinstance(target, Path):
        return describe_folder(target.expanduser().resolve())
    name, pinned = target
    return describe(
        name,
        revision or pinned,
        cache_dir=cache_dir,
        hub_cache=hub_cache,
        is_verified=is_verified,
    )
