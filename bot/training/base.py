"""The model that training starts from.

Invariant: what is opened here has an end of text, a window and weights in fp32; nothing in its
folder is changed or run.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bot.engine.local.loader import document_start, end_ids, read_weights, require_memory
from bot.engine.local.packed.precision import Device, choose_device
from bot.engine.local.store.folder import FolderFacts, look
from bot.engine.local.tokenizer import load_tokenizer, special_ids
from bot.training.errors import NoEndTokenError
from bot.training.recipe import Method, Recipe

_FP32_BYTES = 4
_ADAM_COPIES = 4  # weights, gradients, two moments
_STEP_BYTES = 2**30  # activations and logits of a step, as measured with a window of 512


@dataclass(frozen=True, slots=True)
class Base:
    """A model to train.

    Attributes:
        name: for people.
        path: its folder.
        facts: what its files say.
        model: in fp32, where it will be trained.
        tokenizer: its own, to which tags may be added.
        start_id: what a text begins after; in many models the end of the one before.
        end_id: the end of a text.
        pad_id: for padding; the end of the text where the model has none of its own.
        stored_dtype: torch's name of what its weights are stored in.
        licence: as its folder states it.
    """

    name: str
    path: Path
    facts: FolderFacts
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    start_id: int
    end_id: int
    pad_id: int
    stored_dtype: str
    licence: str

    @property
    def window_tokens(self) -> int:
        """The longest row that the model takes."""
        return self.facts.window_tokens or 1 << 30


def open_base(
    path: Path, name: str, recipe: Recipe, *, device: Device = "auto", licence: str = ""
) -> Base:
    """Open the model of a folder for training.

    Args:
        path: the folder.
        name: for people.
        recipe: the settings.
        device: where to compute; auto is a graphics card if there is one.
        licence: of the model.

    Raises:
        ModelUnavailableError: it is missing, broken or too large.
        NoEndTokenError: it has no way to end a text.
    """
    facts = look(path, model=name)
    copies = _ADAM_COPIES if recipe.method is Method.FULL else 1
    require_memory(name, facts.parameters * _FP32_BYTES * copies + _STEP_BYTES)
    tokenizer = load_tokenizer(path)
    model = read_weights(name, path, torch.float32, choose_device(device), tokens=len(tokenizer))
    ends = end_ids(model, tokenizer, special_ids(tokenizer))
    if not ends:
        raise NoEndTokenError(model=name)
    start_id = document_start(tokenizer, ends)
    own_end = tokenizer.eos_token_id if isinstance(tokenizer.eos_token_id, int) else min(ends)
    pad_id = tokenizer.pad_token_id
    return Base(
        name=name,
        path=path,
        facts=facts,
        model=model,
        tokenizer=tokenizer,
        start_id=start_id,
        end_id=start_id if start_id in ends else own_end,
        pad_id=pad_id if isinstance(pad_id, int) else own_end,
        stored_dtype=_stored_dtype(facts.base or path),
        licence=licence,
    )


def add_lora(model: PreTrainedModel, recipe: Recipe, tag_ids: list[int], base: Path) -> Any:
    """Put low-rank matrices beside every linear layer; of the embedding only the tags learn.

    Returns:
        peft's model around this one.
    """
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 -- an extra

    whole: Any = model  # the library's own methods have no types
    tables = [whole.get_input_embeddings()]
    head = whole.get_output_embeddings()
    if head is not None and head.weight is not tables[0].weight:
        tables.append(head)  # a tied one follows by itself
    names = [
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if any(module is table for table in tables)
    ]
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=round(recipe.rank * recipe.alpha_ratio),
        lora_dropout=0.0,
        target_modules="all-linear",
        trainable_token_indices=dict.fromkeys(names, tag_ids) if tag_ids else None,
        fan_in_fan_out=_is_conv1d(model),
        base_model_name_or_path=str(base),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls what transformers will rename
        return get_peft_model(model, config)


def _is_conv1d(model: PreTrainedModel) -> bool:
    """Tell whether linear layers keep their weights transposed, as GPT-2's do."""
    return any(type(module).__name__ == "Conv1D" for module in model.modules())


def _stored_dtype(path: Path) -> str:
    stated = json.loads((path / "config.json").read_text(encoding="utf-8"))
    return str(stated.get("dtype") or stated.get("torch_dtype") or "float32")
