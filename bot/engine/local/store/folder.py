"""What a folder must hold to be a model, and what its files say of it.

Invariant: a folder that ``look`` accepts has a configuration, a tokenizer and
whole safetensors weights (by their headers, not by reading them all: a few
milliseconds); nothing in it is run.
"""

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.engine.local.store.errors import (
    AdapterBaseError,
    BrokenFileError,
    FolderMissingError,
    ForeignAdapterError,
    NotALanguageModelError,
    NotAModelFolderError,
    PickleOnlyError,
)

WEIGHTS = "model.safetensors"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASE_RECORD = "base.json"
"""Holds the fingerprint of the model that an adapter was trained for."""

WEIGHTS_INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_TEXT_FILES = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template"
    r"|model\.safetensors\.index)\.json|merges\.txt|vocab\.txt|chat_template\.jinja|(tokenizer|spiece|spm|sentencepiece\.bpe)\.model"
    r"|LICEN[CS]E(\.(md|txt))?"
)
_TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("tokenizer.model",),
    ("spiece.model",),
    ("vocab.txt",),
)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
# safetensors' own limit on a header, huggingface_hub.constants.SAFETENSORS_MAX_HEADER_LENGTH
_MAX_HEADER_BYTES = 25_000_000
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """What a model folder's files say.

    Attributes:
        model_type: transformers' name of the architecture family.
        parameters: number of weights stored.
        window_tokens: the configuration's longest position; None where it says none.
        weight_files: the safetensors files, sorted.
        size_bytes: everything that belongs to the model.
        fingerprint: 16 hexadecimal digits over configuration, tokenizer and weight headers
            and a sample of each weight file: it tells models apart, it proves nothing.
        base: the folder of the model that this one is an adapter for; None where it is whole.
    """

    model_type: str
    parameters: int
    window_tokens: int | None
    weight_files: tuple[str, ...]
    size_bytes: int
    fingerprint: str
    base: Path | None = None


def wanted_files(names: Iterable[str]) -> list[str]:
    """Choose, of a repository's files, those that make the model: safetensors, json, tokenizer.

    One whole file of weights is preferred to shards; other precisions, adapters and
    anything in subfolders stay out.
    """
    offered = set(names)
    chosen = {name for name in offered if _TEXT_FILES.fullmatch(name)}
    if WEIGHTS in offered:
        chosen.discard(WEIGHTS_INDEX)
        chosen.add(WEIGHTS)
    else:
        chosen |= {name for name in offered if _SHARD.fullmatch(name)}
    return sorted(chosen)


def require_safetensors(model: str, names: Iterable[str]) -> None:
    """Refuse a list of files without safetensors weights.

    Raises:
        PickleOnlyError: there are weights, but in a format that can run code.
        NotAModelFolderError: there are none at all.
    """
    offered = sorted(names)
    if any(name == WEIGHTS or _SHARD.fullmatch(name) for name in offered):
        return
    pickles = [name for name in offered if name.endswith(_PICKLES)]
    if pickles:
        raise PickleOnlyError(model=model, found=pickles[0])
    raise NotAModelFolderError(model=model, missing=WEIGHTS)


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Return a file's SHA-256 in hexadecimal; ``progress`` gets the bytes read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done)
    return digest.hexdigest()


def _read_object(path: Path, model: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BrokenFileError(model=model, file=path.name) from error
    if not isinstance(value, dict):
        raise BrokenFileError(model=model, file=path.name)
    return value


def _count(header: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of weights and the end of the last tensor."""
    weights = 0
    end = 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        size = 1
        for length in tensor["shape"]:
            size *= int(length)
        weights += size
        end = max(end, int(tensor["data_offsets"][1]))
    return weights, end


def _check_weights(path: Path, model: str, digest: "hashlib._Hash") -> int:
    """Check that a safetensors file is as long as its header says; return its number of weights."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _MAX_HEADER_BYTES):
                raise BrokenFileError(model=model, file=path.name)
            raw = file.read(length)
            weights, end = _count(json.loads(raw))
            if size != 8 + length + end:
                raise BrokenFileError(model=model, file=path.name)
            digest.update(raw)
            file.seek(8 + length + end // 2)
            digest.update(file.read(_BLOCK_BYTES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise BrokenFileError(model=model, file=path.name) from error
    return weights


def _weight_files(path: Path, model: str) -> tuple[str, ...]:
    if (path / WEIGHTS).is_file():
        return (WEIGHTS,)
    if not (path / WEIGHTS_INDEX).is_file():
        require_safetensors(model, [entry.name for entry in path.iterdir()])
        raise NotAModelFolderError(model=model, missing=WEIGHTS_INDEX)
    shards = _read_object(path / WEIGHTS_INDEX, model).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise BrokenFileError(model=model, file=WEIGHTS_INDEX)
    names = tuple(sorted({str(shard) for shard in shards.values()}))
    for name in names:
        if not _SHARD.fullmatch(name):
            raise BrokenFileError(model=model, file=WEIGHTS_INDEX)
        if not (path / name).is_file():
            raise NotAModelFolderError(model=model, missing=name)
    return names


def _window(config: Mapping[str, Any]) -> int | None:
    for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        value = config.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return None


def look(path: Path, *, model: str | None = None) -> FolderFacts:
    """Check that a folder holds a whole model, or an adapter whose base is one.

    Args:
        path: the folder.
        model: its name in errors; the path where None.

    Raises:
        FolderMissingError: there is no such folder.
        NotAModelFolderError: a part is missing; the error says which.
        PickleOnlyError: the weights are not safetensors.
        BrokenFileError: a file is cut short or unreadable.
        NotALanguageModelError: the model does not continue text.
        AdapterBaseError: the base of an adapter is not there.
        ForeignAdapterError: the base of an adapter is not the one it was trained for.
    """
    name = model if model is not None else str(path)
    if not path.is_dir():
        raise FolderMissingError(model=name)
    if (path / ADAPTER_CONFIG).is_file():
        return _look_at_adapter(path, name)
    if not (path / "config.json").is_file():
        raise NotAModelFolderError(model=name, missing="config.json")
    config = _read_object(path / "config.json", name)
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise BrokenFileError(model=name, file="config.json")
    kinds = [kind for kind in config.get("architectures") or () if isinstance(kind, str)]
    if kinds and not any(kind.endswith(_CAUSAL) for kind in kinds):
        raise NotALanguageModelError(model=name, kind=kinds[0])
    weights = _weight_files(path, name)
    if not any(all((path / file).is_file() for file in files) for files in _TOKENIZERS):
        raise NotAModelFolderError(model=name, missing="tokenizer.json")
    digest = hashlib.sha256((path / "config.json").read_bytes())
    parameters = sum(_check_weights(path / file, name, digest) for file in weights)
    text_files = [
        file
        for file in sorted(path.iterdir())
        if _TEXT_FILES.fullmatch(file.name) and file.is_file()
    ]
    for file in text_files:
        if file.name.startswith(("tokenizer", "vocab", "merges", "spiece")):
            digest.update(file.read_bytes())
    size = sum(file.stat().st_size for file in text_files)
    size += sum((path / file).stat().st_size for file in weights)
    return FolderFacts(
        model_type=model_type,
        parameters=parameters,
        window_tokens=_window(config),
        weight_files=weights,
        size_bytes=size,
        fingerprint=digest.hexdigest()[:16],
    )


def _look_at_adapter(path: Path, name: str) -> FolderFacts:
    """Check an adapter and its base; the facts are the base's but for size and fingerprint."""
    stated = _read_object(path / ADAPTER_CONFIG, name).get("base_model_name_or_path")
    base = Path(stated).expanduser() if isinstance(stated, str) and stated else path
    base = (path / base).resolve()  # a relative one is meant from the adapter's folder
    if base == path.resolve() or not base.is_dir():
        raise AdapterBaseError(model=name, base=stated)
    if not (path / ADAPTER_WEIGHTS).is_file():
        raise NotAModelFolderError(model=name, missing=ADAPTER_WEIGHTS)
    if (base / ADAPTER_CONFIG).is_file():
        raise ForeignAdapterError(model=name, base=base)
    if not any(all((path / file).is_file() for file in files) for files in _TOKENIZERS):
        raise NotAModelFolderError(model=name, missing="tokenizer.json")
    facts = look(base, model=name)
    record = path / BASE_RECORD
    if record.is_file() and _read_object(record, name).get("fingerprint") != facts.fingerprint:
        raise ForeignAdapterError(model=name, base=base)
    digest = hashlib.sha256(facts.fingerprint.encode())
    parameters = _check_weights(path / ADAPTER_WEIGHTS, name, digest)
    return replace(
        facts,
        parameters=facts.parameters + parameters,
        weight_files=(ADAPTER_WEIGHTS,),
        size_bytes=facts.size_bytes + (path / ADAPTER_WEIGHTS).stat().st_size,
        fingerprint=digest.hexdigest()[:16],
        base=base,
    )
