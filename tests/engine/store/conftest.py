import hashlib
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter, TokenType
from huggingface_hub import close_session
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from bot.engine.local.store import catalogue
from bot.engine.local.store.catalogue import KnownModel
from tests.engine.store.model_store_kit import (
    EMBEDDED,
    GPT2,
    MEMBER,
    SPECIALS,
    WHEEL,
    Recorder,
    write_wheel,
)
from tests.support.hub_server import HubServer, Repository


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub_cache(tmp_path: Path) -> Path:
    return tmp_path / "hub-cache"


def byte_vocabulary() -> dict[str, int]:
    letters = [*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet()), "he", "Ġt"]
    return {letter: number for number, letter in enumerate(letters)}


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of a few thousand weights, as a folder."""
    import torch  # noqa: PLC0415 -- heavy: only the tests that need it wait for it
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("tiny") / "gpt2"
    vocabulary = byte_vocabulary()
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[("h", "e"), ("Ġ", "t")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast_class: Any = PreTrainedTokenizerFast
    fast = fast_class(tokenizer_object=tokenizer, eos_token=SPECIALS[0])
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=len(vocabulary), n_layer=2, n_embd=64, n_head=2, n_positions=128)
    model: Any = GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture
def model_folder(tiny_gpt2: Path, tmp_path: Path) -> Path:
    """The tiny model's folder, to be spoiled."""
    return Path(shutil.copytree(tiny_gpt2, tmp_path / "my-model"))


@pytest.fixture
def hub(tiny_gpt2: Path) -> Iterator[HubServer]:
    with HubServer() as server:
        server.repositories[GPT2] = Repository.of_folder(tiny_gpt2)
        yield server
        close_session()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
    close_session()


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of a few thousand weights with a byte-level vocabulary, as a GGUF file."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    vocabulary = list(byte_vocabulary())
    width, inner, heads = 32, 48, 2
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(vocabulary)
    kinds = [TokenType.CONTROL] * len(SPECIALS)
    kinds += [TokenType.NORMAL] * (len(vocabulary) - len(SPECIALS))
    writer.add_token_types(kinds)
    writer.add_token_merges(["h e", "Ġ t"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    rng = np.random.default_rng(1)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, rng.normal(0, 0.1, shape).astype(np.float32))

    add("token_embd.weight", len(vocabulary), width)
    add("output_norm.weight", width)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        add(f"blk.0.{part}.weight", width, width)
    add("blk.0.ffn_gate.weight", inner, width)
    add("blk.0.ffn_up.weight", inner, width)
    add("blk.0.ffn_down.weight", width, inner)
    add("blk.0.attn_norm.weight", width)
    add("blk.0.ffn_norm.weight", width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="session")
def gguf_bytes(tiny_gguf: Path) -> bytes:
    return tiny_gguf.read_bytes()


@pytest.fixture
def index(tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows of the world."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder / WHEEL, tiny_gguf.read_bytes())
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def packaged(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """The embedded default, with the tiny model in the place of SmolLM2."""
    known = catalogue.CATALOGUE[EMBEDDED]
    assert known.package is not None
    package = replace(
        known.package,
        requirement="tiny-story-model==1.0",
        wheel="tiny_story_model-1.0-",
        member=MEMBER,
        sha256=hashlib.sha256(tiny_gguf.read_bytes()).hexdigest(),
        size_bytes=tiny_gguf.stat().st_size,
        wheel_bytes=tiny_gguf.stat().st_size,
        converted_bytes=1_000_000,
        end_of_text=("<|im_end|>", "<|endoftext|>"),
    )
    tiny = replace(known, package=package)
    monkeypatch.setitem(catalogue.CATALOGUE, EMBEDDED, tiny)
    return tiny
