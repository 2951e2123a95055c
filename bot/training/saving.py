"""The trained model as a folder.

Invariants:
    - The folder appears whole, by one rename, or not at all.
    - A merged model is a model like any other; an adapter holds what was trained, the vocabulary,
      and the fingerprint of the model that it belongs to.
"""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bot.engine.local.store.cache import sync_file, write_json
from bot.engine.local.store.folder import BASE_RECORD, look
from bot.training.base import Base
from bot.training.errors import NoRoomError, NotEnoughRoomError, UnwritableError
from bot.training.loop import is_disk_full
from bot.training.recipe import Method, Recipe

_ADAM_BYTES = 12  # a weight and its two moments
_FP32_BYTES = 4
_CHECKPOINTS = 3  # two are kept while the next is written
_SPARE_BYTES = 50_000_000  # tokenizer, pictures


def require_room(folder: Path, base: Base, recipe: Recipe, trained: int, *, merges: bool) -> None:
    """See that checkpoints and the model will fit on the disk.

    Args:
        folder: the model's, which need not be there yet.
        base: the model that is trained.
        recipe: the settings.
        trained: number of weights that learn.
        merges: whether the whole model is written, not the difference.

    Raises:
        NotEnoughRoomError: they will not.
        UnwritableError: the folder cannot be made.
    """
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.absolute().parent).free
    except OSError as error:
        raise UnwritableError(path=folder, cause=error.strerror or str(error)) from error
    is_whole = merges or recipe.method is Method.FULL
    model = base.facts.parameters if is_whole else trained
    needed = _CHECKPOINTS * trained * _ADAM_BYTES + model * _FP32_BYTES + _SPARE_BYTES
    if needed > free:
        raise NotEnoughRoomError(folder=folder, needed_mb=needed // 10**6, free_mb=free // 10**6)


def save_model(
    model: Any,
    base: Base,
    into: Path,
    *,
    merges: bool,
    add: Callable[[Path], None],
) -> None:
    """Write the model's folder.

    Args:
        model: trained; peft's around it, or a plain one.
        base: what it was.
        into: the folder, which is not there yet.
        merges: whether an adapter is added to its base.
        add: writes what stands beside the model into the folder that will become it.

    Raises:
        NoRoomError: the disk is full.
        UnwritableError: the folder cannot be written.
    """
    staging = into.with_name(f".{into.name}.{uuid.uuid4().hex}")
    try:
        staging.mkdir(parents=True)
        is_adapter = hasattr(model, "peft_config") and not merges
        if is_adapter:
            model.save_pretrained(str(staging), save_embedding_layers=False)
            (staging / "README.md").unlink(missing_ok=True)  # peft's, which says nothing
            write_json(
                staging / BASE_RECORD,
                {"name": base.name, "fingerprint": base.facts.fingerprint},
            )
        else:
            whole = model.merge_and_unload() if hasattr(model, "peft_config") else model
            whole.config.use_cache = True
            whole.to(_stored_dtype(base)).save_pretrained(str(staging))
        base.tokenizer.save_pretrained(str(staging))
        for licence in base.path.glob("LICEN[CS]E*"):
            shutil.copyfile(licence, staging / licence.name)
        add(staging)
        look(staging, model=into.name)
        for file in staging.iterdir():
            sync_file(file)
        staging.rename(into)
    except Exception as error:
        if is_disk_full(error):
            raise NoRoomError(folder=into) from error
        if isinstance(error, OSError):
            raise UnwritableError(path=into, cause=error.strerror or str(error)) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _stored_dtype(base: Base) -> torch.dtype:
    """Return what the base's weights are stored in; fp32 where torch does not know it."""
    found = getattr(torch, base.stored_dtype, torch.float32)
    return found if isinstance(found, torch.dtype) and found.is_floating_point else torch.float32
