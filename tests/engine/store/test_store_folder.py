import json
import shutil
import struct
from pathlib import Path

import pytest

from bot.engine.local.store.errors import (
    BrokenFileError,
    FolderMissingError,
    NotALanguageModelError,
    NotAModelFolderError,
    PickleOnlyError,
)
from bot.engine.local.store.folder import look, wanted_files

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = "model-00001-of-00001.safetensors"


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_whole_model_is_described(model_folder: Path) -> None:
    facts = look(model_folder)
    assert facts.model_type == "gpt2"
    assert facts.window_tokens == 128
    assert facts.weight_files == (WEIGHTS,)
    assert facts.parameters > 100_000
    assert facts.size_bytes > facts.parameters * 4


def test_the_fingerprint_tells_copies_from_other_models(
    model_folder: Path, tiny_gpt2: Path
) -> None:
    assert look(model_folder).fingerprint == look(tiny_gpt2).fingerprint
    weights = bytearray((model_folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (model_folder / WEIGHTS).write_bytes(weights)
    assert look(model_folder).fingerprint != look(tiny_gpt2).fingerprint


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FolderMissingError, match="nowhere"):
        look(tmp_path / "nowhere")


def test_an_empty_folder_lacks_its_configuration(tmp_path: Path) -> None:
    with pytest.raises(NotAModelFolderError, match=r"config\.json is missing"):
        look(tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", "{", "{}", '{"model_type": 7}', "\x00"])
def test_a_configuration_that_is_none(model_folder: Path, content: str) -> None:
    (model_folder / "config.json").write_text(content)
    with pytest.raises(BrokenFileError, match=r"config\.json"):
        look(model_folder)


def test_weights_that_are_missing(model_folder: Path) -> None:
    (model_folder / WEIGHTS).unlink()
    with pytest.raises(NotAModelFolderError, match=WEIGHTS):
        look(model_folder)


def test_weights_that_are_pickled(model_folder: Path) -> None:
    (model_folder / WEIGHTS).rename(model_folder / "pytorch_model.bin")
    with pytest.raises(PickleOnlyError, match="can run code"):
        look(model_folder)


def test_a_tokenizer_that_is_missing(model_folder: Path) -> None:
    (model_folder / "tokenizer.json").unlink()
    with pytest.raises(NotAModelFolderError, match=r"tokenizer\.json"):
        look(model_folder)


def test_the_two_files_of_gpt2s_own_tokenizer_are_enough(model_folder: Path) -> None:
    (model_folder / "tokenizer.json").unlink()
    (model_folder / "vocab.json").write_text("{}")
    (model_folder / "merges.txt").write_text("")
    look(model_folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 12) + b'{"a": {"b":1',
        struct.pack("<Q", 9) + b'{"a": {} }',
    ],
)
def test_weights_that_are_not_safetensors(model_folder: Path, content: bytes) -> None:
    (model_folder / WEIGHTS).write_bytes(content)
    with pytest.raises(BrokenFileError, match=WEIGHTS):
        look(model_folder)


def test_weights_that_are_cut_short(model_folder: Path) -> None:
    weights = (model_folder / WEIGHTS).read_bytes()
    (model_folder / WEIGHTS).write_bytes(weights[:-100])
    with pytest.raises(BrokenFileError, match="cut short"):
        look(model_folder)


def shard(folder: Path, names: list[str]) -> None:
    (folder / WEIGHTS).rename(folder / SHARD)
    mapping = {str(number): name for number, name in enumerate(names)}
    (folder / INDEX).write_text(json.dumps({"weight_map": mapping}))


def test_sharded_weights_are_a_model(model_folder: Path) -> None:
    shard(model_folder, [SHARD, SHARD])
    assert look(model_folder).weight_files == (SHARD,)


def test_a_shard_that_is_missing(model_folder: Path) -> None:
    shard(model_folder, [SHARD, "model-00002-of-00002.safetensors"])
    with pytest.raises(NotAModelFolderError, match="model-00002"):
        look(model_folder)


def test_shards_without_their_index(model_folder: Path) -> None:
    shard(model_folder, [SHARD])
    (model_folder / INDEX).unlink()
    with pytest.raises(NotAModelFolderError, match=INDEX):
        look(model_folder)


@pytest.mark.parametrize("names", [[], ["../../elsewhere.safetensors"]])
def test_an_index_that_leads_elsewhere(model_folder: Path, names: list[str]) -> None:
    shard(model_folder, names)
    with pytest.raises(BrokenFileError, match="index"):
        look(model_folder)


def test_a_model_that_does_not_continue_text(model_folder: Path) -> None:
    change_config(model_folder, architectures=["BertForSequenceClassification"])
    with pytest.raises(NotALanguageModelError, match="BertForSequenceClassification"):
        look(model_folder, model="a/b")


def test_a_configuration_that_names_no_window_or_architecture(model_folder: Path) -> None:
    change_config(model_folder, architectures=None, n_positions=None)
    assert look(model_folder).window_tokens is None


def test_a_subfolder_with_a_models_name_is_no_file(model_folder: Path) -> None:
    (model_folder / "vocab.json").mkdir()
    shutil.rmtree(model_folder / "vocab.json")
    look(model_folder)


def test_one_file_of_weights_is_preferred_to_shards() -> None:
    offered = [WEIGHTS, SHARD, INDEX, "config.json", "adapter_model.safetensors", "x/config.json"]
    assert wanted_files(offered) == ["config.json", WEIGHTS]
    assert wanted_files(offered[1:]) == ["config.json", SHARD, INDEX]
