import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bot.engine.local import loader
from bot.engine.local.kv_cache import CacheUse
from bot.engine.local.loader import LoadedModel, load_model
from bot.engine.local.packed.build import Way
from bot.engine.local.serial import SerialModel
from bot.errors import ModelUnavailableError
from tests.support.tiny_model import END, build_tokenizer, write_tiny_model


@pytest.fixture
def copy(tiny_gpt2: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_gpt2, tmp_path / "model"))


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_is_known_of_a_model_after_loading(loaded: LoadedModel, tiny_gpt2: Path) -> None:
    end = loaded.tokenizer.convert_tokens_to_ids(END)
    assert loaded.end_ids == {end}
    assert loaded.document_start == end
    assert loaded.suppressed_ids == ()
    assert loaded.window_tokens == 512
    assert loaded.way is Way.LEAN
    assert loaded.model.cache_use is CacheUse.CROPPED
    assert (loaded.precision, loaded.threads, loaded.name) == ("fp32", 1, tiny_gpt2.name)
    assert loaded.parameters > 100_000
    assert loaded.revision
    assert "transformers" in loaded.engine_version


def test_name_revision_window_and_precision_can_be_given(tiny_llama: Path) -> None:
    model = load_model(
        tiny_llama, name="n", revision="r", precision="bf16", threads=1, window_tokens=100
    )
    assert (model.name, model.revision, model.window_tokens) == ("n", "r", 100)
    assert model.precision == "bf16"


def test_a_large_window_is_limited_unless_asked_for(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    weights["transformer.wpe.weight"] = torch.zeros(4096, 64)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    change(copy / "config.json", n_positions=4096)
    assert load_model(copy, threads=1).window_tokens == 2048
    assert load_model(copy, threads=1, window_tokens=8192).window_tokens == 4096


def test_every_end_of_text_is_known_and_other_control_tokens_are_never_drawn(copy: Path) -> None:
    tokenizer = build_tokenizer()
    spare = [tokenizer.convert_ids_to_tokens(number) for number in (700, 701)]
    data = json.loads((copy / "tokenizer.json").read_text())
    for number, (name, old) in enumerate(
        zip(("<|im_end|>", "<repo_name>"), spare, strict=True), start=700
    ):
        data["model"]["vocab"].pop(old)
        data["model"]["vocab"][name] = number
        data["model"]["merges"] = [
            merge for merge in data["model"]["merges"] if old not in {*merge, "".join(merge)}
        ]
        data["added_tokens"].append({**data["added_tokens"][0], "id": number, "content": name})
    (copy / "tokenizer.json").write_text(json.dumps(data))
    change(copy / "generation_config.json", eos_token_id=[0, 5])
    model = load_model(copy, threads=1)
    assert model.end_ids == {0, 5, 700}
    assert model.suppressed_ids == (701,)


def test_rows_without_a_token_are_never_drawn(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    rows = weights["lm_head.weight"].shape[0]
    for name in ("lm_head.weight", "transformer.wte.weight"):
        weights[name] = torch.cat([weights[name], torch.zeros(8, 64)])
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    change(copy / "config.json", vocab_size=rows + 8)
    assert load_model(copy, threads=1).suppressed_ids == tuple(range(rows, rows + 8))


def test_a_sliding_window_is_kept_within_one_request(tmp_path: Path) -> None:
    loaded = load_model(write_tiny_model(tmp_path / "m", arch="mistral"), threads=1)
    assert loaded.way is Way.SERIAL
    assert loaded.model.cache_use is CacheUse.APPENDED


@pytest.mark.parametrize("failure", ["wrong", "raises"])
def test_a_cache_that_gives_something_else_is_not_used(
    tiny_gpt2: Path, failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    honest = SerialModel.last_logits

    def last_logits(self: Any, ids: Any, cache: Any, count: int = 1) -> torch.Tensor:
        if cache is not None and failure == "raises":
            raise TypeError("no cache here")
        return honest(self, ids, None, count)

    monkeypatch.setattr(SerialModel, "last_logits", last_logits)
    loaded = load_model(tiny_gpt2, ways=(Way.SERIAL,), threads=1)
    assert loaded.model.cache_use is CacheUse.NOT_AT_ALL
    assert "cache" in caplog.text


def test_too_little_memory_is_said_before_loading(
    tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "available_memory_bytes", lambda: 2**20)
    monkeypatch.setattr(loader, "read_weights", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ModelUnavailableError, match="MiB of memory"):
        load_model(tiny_gpt2)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError):
        load_model(tmp_path)
    with pytest.raises(ModelUnavailableError):
        load_model(tmp_path / "none")


def test_weights_that_lack_a_part_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailableError, match=r"h\.1\.mlp\.c_fc"):
        load_model(copy, threads=1)


def test_an_unknown_architecture_is_refused_in_one_line(copy: Path) -> None:
    change(copy / "config.json", model_type="nothing_known")
    with pytest.raises(ModelUnavailableError) as refusal:
        load_model(copy, threads=1)
    assert "\n" not in str(refusal.value)


def test_a_tokenizer_that_is_not_the_models_is_refused(copy: Path) -> None:
    data = json.loads((copy / "tokenizer.json").read_text())
    data["added_tokens"].append({**data["added_tokens"][0], "id": 5000, "content": "<extra>"})
    data["model"]["vocab"] |= {f"extra{at}": at for at in range(800, 900)}
    (copy / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(ModelUnavailableError, match="tokenizer"):
        load_model(copy, threads=1)


def test_a_model_that_cannot_compute_is_refused(
    tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError

    monkeypatch.setattr(SerialModel, "last_logits", forward)
    with pytest.raises(ModelUnavailableError, match="RuntimeError"):
        load_model(tiny_gpt2, threads=1)


def test_models_are_immutable_values(loaded: LoadedModel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.name = "other"  # type: ignore[misc]  # that is the point
