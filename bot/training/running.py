"""``roundtale train``: from files and a base model to a folder with a trained one.

Invariants:
    - What is wrong with tales, model, folder or disk is said before anything is trained.
    - Nothing is written but the model's folder and, until that is there, the run's beside it,
      which a killed run goes on from; both belong to this command alone.
"""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bot.engine.local.packed.precision import Device
from bot.engine.local.resources import usable_threads
from bot.engine.local.store import resolve
from bot.engine.local.store.cache import read_manifest, write_json
from bot.engine.local.store.progress import SILENT
from bot.locales import N_, Words
from bot.training.base import Base, add_lora, open_base
from bot.training.card import CURVES, Training, describe
from bot.training.curves import draw_curves
from bot.training.data import Split, Tale, clean, deduplicate, read_tales, split
from bot.training.errors import (
    ADAPTER_OF_ADAPTER,
    ADAPTER_OF_ALL,
    NoAdapterError,
    NoRoomError,
    OtherRunError,
    OutputExistsError,
    UnwritableError,
    WindowTooLongError,
)
from bot.training.extras import require_libraries
from bot.training.heldout import compare, score
from bot.training.loop import Watcher, is_disk_full, train_model
from bot.training.packing import Packing, Rows, pack
from bot.training.recipe import Method, Recipe
from bot.training.record import FIGURES
from bot.training.saving import require_room, save_model
from bot.training.scores import TextScore
from bot.training.tags import Tags, add_tags
from bot.training.timing import Schedule, plan

READ = N_("Reading tales")
SCORE_BEFORE = N_("Scoring the held-out tales before")
SCORE_AFTER = N_("Scoring the held-out tales after")
SETS = N_("{train} tales to train with, {validation} to stop by, {test} held out.")

_RUN = "run.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where tales and model come from.

    Attributes:
        tales: files and folders.
        model: a folder, a known name, a hub id, or auto.
        cache_dir: where models are kept.
        hub_timeout_s: how long the hub may take to answer.
        threads: to compute with; affinity and quota decide where None.
        device: where to compute; auto is a graphics card if there is one.
    """

    tales: Sequence[Path]
    model: str
    cache_dir: Path
    hub_timeout_s: float = 5.0
    threads: int | None = None
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model and its rows, ready to be trained."""

    model: Any
    tags: Tags
    rows: Rows
    validation: Rows
    trained: int


def gather(paths: Sequence[Path], watcher: Watcher) -> list[Tale]:
    """Read tales, clean them and keep each once.

    Raises:
        TrainingError: they cannot be read, or there are none.
    """
    watcher.report(READ, None, None)
    return list(deduplicate(clean(read_tales(paths))))


def open_model(sources: Sources, recipe: Recipe) -> Base:
    """Find and open the model to start from.

    Raises:
        ModelUnavailableError: it cannot be had.
        NoEndTokenError: it cannot end a text.
        WindowTooLongError: rows would be longer than it takes.
    """
    torch.set_num_threads(usable_threads(sources.threads))
    found = asyncio.run(
        resolve(
            sources.model,
            cache_dir=sources.cache_dir,
            hub_timeout_s=sources.hub_timeout_s,
            report=SILENT,
        )
    )
    manifest = read_manifest(found.path)
    licence = manifest.licence if manifest else ""
    base = open_base(found.path, found.name, recipe, device=sources.device, licence=licence)
    if recipe.window_tokens > base.window_tokens:
        raise WindowTooLongError(
            model=base.name, window=base.window_tokens, wanted=recipe.window_tokens
        )
    return base


def prepare(base: Base, parts: Sequence[Sequence[Tale]], recipe: Recipe) -> Prepared:
    """Give the model its tags and matrices, and pack the tales for it.

    Args:
        base: the model, which is changed.
        parts: tales to train with, and tales to stop by.
        recipe: the settings.
    """
    train, validation = parts
    tags = add_tags(base.tokenizer, base.model, train)
    packing = Packing(
        window_tokens=recipe.window_tokens,
        start_id=base.start_id,
        end_id=base.end_id,
        pad_id=base.pad_id,
        tagged_share=recipe.tagged_share,
        genre_share=recipe.genre_share,
        seed=recipe.seed,
    )
    plain = replace(packing, tagged_share=0.0)
    model: Any = base.model
    torch.manual_seed(recipe.seed)  # the matrices begin by chance
    if recipe.method is Method.LORA:
        model = add_lora(base.model, recipe, [tags.ids[tag] for tag in tags.added], base.path)
    else:
        model.requires_grad_(True)
    return Prepared(
        model=model,
        tags=tags,
        rows=pack(train, base.tokenizer, tags, packing),
        validation=pack(validation, base.tokenizer, tags, plain),
        trained=sum(each.numel() for each in model.parameters() if each.requires_grad),
    )


def run_training(
    sources: Sources,
    into: Path,
    recipe: Recipe,
    watcher: Watcher,
    words: Words,
    *,
    as_adapter: bool = False,
) -> Training:
    """Train a model and write its folder; goes on where a killed run of the same settings was.

    Args:
        sources: tales and model.
        into: the folder to write; nothing may be there.
        recipe: the settings.
        watcher: shows progress.
        words: for the picture.
        as_adapter: write the difference from the base, not the whole model.

    Raises:
        TrainingError: tales, folder or disk are not fit for it.
        ModelUnavailableError: the base cannot be had.
    """
    require_libraries()
    if as_adapter and recipe.method is Method.FULL:
        raise NoAdapterError(reason=ADAPTER_OF_ALL)
    if into.exists():
        raise OutputExistsError(path=into)
    parts = split(gather(sources.tales, watcher), recipe.seed)
    watcher.say(
        SETS, train=len(parts.train), validation=len(parts.validation), test=len(parts.test)
    )
    base = open_model(sources, recipe)
    if as_adapter and base.facts.base is not None:
        raise NoAdapterError(reason=ADAPTER_OF_ADAPTER)
    run = _Run(into.with_name(f"{into.name}.training"), identity(base, parts, recipe))
    known = run.begin()
    before = known.get("before")
    scores = (
        [TextScore(**each) for each in before]
        if before
        else _score(base.model, base, parts.test, recipe, watcher, SCORE_BEFORE)
    )
    ready = prepare(base, (parts.train, parts.validation), recipe)
    merges = not as_adapter
    require_room(into, base, recipe, ready.trained, merges=merges)
    schedule = (
        Schedule(**known["schedule"])
        if "schedule" in known
        else plan(ready.model, ready.rows, ready.validation, recipe)
    )
    run.keep(schedule=asdict(schedule), before=[asdict(each) for each in scores])
    course = train_model(
        ready.model, ready.rows, ready.validation, recipe, schedule, run.folder, watcher
    )
    after = _score(ready.model, base, parts.test, recipe, watcher, SCORE_AFTER)
    training = Training(
        name=into.name,
        base=base,
        recipe=recipe,
        split=parts,
        tags=tuple(ready.tags.ids),
        rows=len(ready.rows),
        trained=ready.trained,
        course=course,
        comparison=compare(scores, after),
        is_adapter=as_adapter,
    )

    def add(folder: Path) -> None:
        title = f"{training.name}: {recipe.method.value}, {recipe.learning_rate:g}"
        draw_curves(course, folder / CURVES, words, title=title)
        (folder / "README.md").write_text(describe(training), encoding="utf-8")
        write_json(folder / FIGURES, training.as_json())

    save_model(ready.model, base, into, merges=merges, add=add)
    shutil.rmtree(run.folder, ignore_errors=True)
    return training


def _score(  # noqa: PLR0917 -- each is another thing
    model: Any,
    base: Base,
    tales: Sequence[Tale],
    recipe: Recipe,
    watcher: Watcher,
    stage: str,
) -> list[TextScore]:
    return score(
        model,
        base.tokenizer,
        base.start_id,
        tales,
        window_tokens=recipe.window_tokens,
        report=lambda done, total: watcher.report(stage, done, total),
    )


def identity(base: Base, parts: Split, recipe: Recipe) -> dict[str, object]:
    """Return what tells a run from others: base, tales and settings."""
    digest = hashlib.sha256()
    for part in parts:
        for tale in part:
            digest.update(json.dumps(asdict(tale)).encode())
    return {
        "format": _FORMAT,
        "base": base.facts.fingerprint,
        "tales": digest.hexdigest(),
        "recipe": recipe.identity(),
    }


class _Run:
    """The folder of a run under way.

    Args:
        folder: where checkpoints go.
        identity: what must be the same for the run to go on.
    """

    def __init__(self, folder: Path, identity: dict[str, object]) -> None:
        self.folder = folder
        self._identity = identity

    def begin(self) -> dict[str, Any]:
        """Make the folder, or return what an earlier process kept in it.

        Raises:
            OtherRunError: it belongs to another run.
            UnwritableError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = sorted(self.folder.iterdir())
        except OSError as error:
            raise UnwritableError(path=self.folder, cause=error.strerror or str(error)) from error
        if not found:
            return {}
        try:
            known = json.loads((self.folder / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OtherRunError(path=self.folder) from error
        if not isinstance(known, dict) or known.get("identity") != self._identity:
            raise OtherRunError(path=self.folder)
        return known

    def keep(self, **values: object) -> None:
        """Write down what the next process must know.

        Raises:
            NoRoomError: the disk is full.
            UnwritableError: the folder cannot be written.
        """
        try:
            write_json(self.folder / _RUN, {"identity": self._identity, **values})
        except OSError as error:
            if is_disk_full(error):
                raise NoRoomError(folder=self.folder) from error
            raise UnwritableError(path=self.folder, cause=error.strerror or str(error)) from error
