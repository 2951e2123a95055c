"""Models that are kept as a difference from another: LoRA adapters.

Invariant: what comes out is a plain model with the difference added to its weights; an adapter
that does not fit the whole of its base is refused.
"""

import warnings
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel

from bot.engine.local.errors import AdapterLibraryError
from bot.engine.local.store.errors import ForeignAdapterError


def merge(model: PreTrainedModel, path: Path, *, name: str, tokens: int) -> PreTrainedModel:
    """Add an adapter to its base.

    Args:
        model: the base.
        path: the adapter's folder.
        name: the adapter's, for people.
        tokens: in the adapter's vocabulary; the base gets rows for those that it lacks.

    Raises:
        AdapterLibraryError: peft is not installed.
        ForeignAdapterError: the adapter belongs to another model.
    """
    try:
        from peft import PeftModel  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise AdapterLibraryError(model=name) from error
    embeddings: Any = model.get_input_embeddings()
    if tokens > embeddings.weight.shape[0]:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft calls what transformers will rename
            # Weights that are missing would stay as they are, which is another model.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            adapted: Any = PeftModel.from_pretrained(model, str(path))
        merged: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)
    except (KeyError, RuntimeError, ValueError, IndexError, UserWarning, SafetensorError) as error:
        base = getattr(model.config, "name_or_path", "")
        raise ForeignAdapterError(model=name, base=base) from error
    return merged
