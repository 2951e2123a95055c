"""Packed steps: their parts, and what is done with a model that they do not suit."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    BloomForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from bot.engine.local.kv_cache import CacheUse
from bot.engine.local.loader import load_model
from bot.engine.local.packed import precision
from bot.engine.local.packed.batch import Block, Layout, Packed
from bot.engine.local.packed.build import ALL_WAYS, Way, attends_alike, build
from bot.engine.local.packed.int8 import smooth
from bot.engine.local.packed.linears import (
    Activation,
    Int8Linear,
    Linear,
    PlainLinear,
    ReorderedLinear,
)
from bot.engine.local.packed.precision import TOLERANCE, choose_device, precisions, works
from bot.engine.local.runner import Row
from bot.engine.local.scheduler import CHUNK_TOKENS
from bot.engine.local.serial import relative_gap

LAYOUT = Layout(layers=2, heads=2, head_size=8, dtype=torch.float32, device=torch.device("cpu"))
SIZES: dict[str, Any] = {"vocab_size": 128, "hidden_size": 32, "num_hidden_layers": 2}
HEADS: dict[str, Any] = {"num_attention_heads": 4, "intermediate_size": 64}
NO_ENDS: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}


def seeded(make: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = make()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    untyped: Any = model
    untyped.eval()
    return model


FAMILIES: dict[str, tuple[Callable[[], PreTrainedModel], Way]] = {
    "llama": (
        lambda: LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, **NO_ENDS, num_key_value_heads=2)),
        Way.LEAN,
    ),
    "llama with biases": (
        lambda: LlamaForCausalLM(
            LlamaConfig(**SIZES, **HEADS, **NO_ENDS, attention_bias=True, mlp_bias=True)
        ),
        Way.LEAN,
    ),
    "mistral without a window": (
        lambda: MistralForCausalLM(
            MistralConfig(**SIZES, **HEADS, **NO_ENDS, num_key_value_heads=2, sliding_window=None)
        ),
        Way.LEAN,
    ),
    "qwen2": (
        lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, **HEADS, **NO_ENDS, num_key_value_heads=2)),
        Way.LEAN,
    ),
    "gpt_neox": (
        lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES, **HEADS, **NO_ENDS)),
        Way.GENERIC,
    ),
    "opt": (
        lambda: OPTForCausalLM(
            OPTConfig(
                **SIZES,
                **NO_ENDS,
                num_attention_heads=4,
                ffn_dim=64,
                word_embed_proj_dim=32,
                max_position_embeddings=256,
            )
        ),
        Way.GENERIC,
    ),
    "phi": (lambda: PhiForCausalLM(PhiConfig(**SIZES, **HEADS, **NO_ENDS)), Way.GENERIC),
    "bloom": (
        lambda: BloomForCausalLM(
            BloomConfig(vocab_size=128, hidden_size=32, n_layer=2, n_head=4, **NO_ENDS)
        ),
        Way.SERIAL,
    ),
    "mistral with a window": (
        lambda: MistralForCausalLM(
            MistralConfig(**SIZES, **HEADS, **NO_ENDS, num_key_value_heads=2, sliding_window=40)
        ),
        Way.SERIAL,
    ),
    "dynamic rotation": (
        lambda: LlamaForCausalLM(
            LlamaConfig(
                **SIZES,
                **HEADS,
                **NO_ENDS,
                max_position_embeddings=64,
                rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
            )
        ),
        Way.SERIAL,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_computed_in_the_best_way_that_is_right(family: str) -> None:
    make, way = FAMILIES[family]
    built = build(lambda _: seeded(make), tried=("fp32",), window_tokens=200)
    assert built.way is way
    plain = seeded(make)
    texts = [[(step * at) % 128 for at in range(length)] for step, length in ((3, 70), (5, 9))]
    is_kept = built.model.cache_use is not CacheUse.NOT_AT_ALL
    caches = [built.model.new_cache() for _ in texts]
    logits = torch.cat(
        [
            built.model.forward(
                [
                    Row(text[start:stop], start, cache, wanted=1)
                    for text, cache in zip(texts, caches, strict=True)
                    for start, stop in [(len(text) // 2 * half * is_kept, len(text) // (2 - half))]
                ]
            )
            for half in (0, 1)
        ]
    )
    for found, (text, length) in zip(
        logits, [(text, len(text) // (2 - half)) for half in (0, 1) for text in texts], strict=True
    ):
        with torch.inference_mode():
            expected = plain(input_ids=torch.tensor([text[:length]])).logits[0, -1]
        assert relative_gap(found, expected) < 1e-4


def test_a_row_is_bitwise_the_same_alone_and_in_company(tiny_llama: Path) -> None:
    model = load_model(tiny_llama, precision="fp32", ways=(Way.LEAN,), threads=1).model

    def last(texts: list[list[int]]) -> torch.Tensor:
        caches = [model.new_cache() for _ in texts]
        for at in range(0, 96, CHUNK_TOKENS):
            rows = [
                Row(text[at : at + CHUNK_TOKENS], at, cache, wanted=0)
                for text, cache in zip(texts, caches, strict=True)
                if len(text) > at + CHUNK_TOKENS
            ]
            if rows:
                model.forward(rows)
        return model.forward(
            [
                Row(text[start:], start, cache, wanted=1)
                for text, cache in zip(texts, caches, strict=True)
                for start in [(len(text) - 1) // CHUNK_TOKENS * CHUNK_TOKENS]
            ]
        )

    texts = [[(step * at + step) % 900 for at in range(step * 11)] for step in range(1, 9)]
    together = last(texts)
    for text, expected in zip(texts, together, strict=True):
        assert torch.equal(last([text])[0], expected)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def written(model: Any, threads: Callable[[int], int]) -> torch.Tensor:
    """Return the logits of a prompt, of a passage written on from it, and of the next prompt."""
    text = [(7 * at + 3) % 500 for at in range(150)]
    cache = model.new_cache()
    spans = [(0, 21), *((at, at + 1) for at in range(21, 90)), (90, 110)]
    spans += [(at, at + 1) for at in range(110, 150)]
    logits: list[torch.Tensor] = []
    for number, (start, stop) in enumerate(spans):
        torch.set_num_threads(threads(number))
        logits.append(model.forward([Row(text[start:stop], start, cache, stop - start)]).float())
    return torch.cat(logits)


@pytest.mark.skipif(
    "BLAS_INFO=mkl" not in torch.__config__.show(), reason="other libraries round otherwise"
)
@pytest.mark.usefixtures("two_threads")
def test_a_text_does_not_depend_on_the_number_of_threads(tiny_llama: Path) -> None:
    loaded = load_model(tiny_llama, precision="fp32", ways=(Way.LEAN,), threads=2)
    assert loaded.is_alike_on_one_thread
    on_two = written(loaded.model, lambda _: 2)
    assert torch.equal(written(loaded.model, lambda _: 1), on_two)
    assert torch.equal(written(loaded.model, lambda number: 1 + number % 2), on_two)


@pytest.mark.usefixtures("two_threads")
def test_attention_that_depends_on_the_number_of_threads_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = torch.nn.functional.scaled_dot_product_attention

    def attend(query: torch.Tensor, *others: Any) -> torch.Tensor:
        return honest(query, *others) + 1e-7 * torch.get_num_threads()

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    assert not attends_alike(LAYOUT)


def test_a_block_grows_and_keeps_what_it_holds() -> None:
    block = Block(LAYOUT)
    assert block.size_bytes == 0
    block.reserve(3, 0)
    for target in block.targets(0, 3):
        target.fill_(7.0)
    size = block.size_bytes
    block.reserve(3, 3)
    assert block.size_bytes == size
    block.reserve(2000, 3)
    assert block.size_bytes > size
    assert all(bool((view[:, :, :3] == 7.0).all()) for view in block.views(0, 3))
    copy = block.fork(2)
    block.targets(0, 3)[0].fill_(1.0)
    assert all(bool((view == 7.0).all()) for view in copy.views(1, 2))


def test_attention_sees_what_came_before_and_nothing_after() -> None:
    block = Block(LAYOUT)
    generator = torch.Generator().manual_seed(1)
    length = CHUNK_TOKENS + 9
    query, keys, values = torch.randn(3, length, 2, 8, generator=generator)
    packed = Packed([Row([0] * length, 0, block, wanted=1)], torch.device("cpu"))
    found = packed.attend(1, query, keys, values)
    scores = torch.einsum("qhd,khd->hqk", query, keys) / 8**0.5
    scores = scores.masked_fill(~torch.ones(length, length, dtype=torch.bool).tril(), -torch.inf)
    expected = torch.einsum("hqk,khd->qhd", scores.softmax(-1), values).reshape(length, 16)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (ReorderedLinear, torch.float32),
        (ReorderedLinear, torch.bfloat16),
        (Int8Linear, torch.float32),
    ],
)
def test_layers_for_the_processor_compute_what_the_plain_one_does(
    kind: type[Linear], dtype: torch.dtype
) -> None:
    if kind is Int8Linear and not precision.has_int8():
        pytest.skip("this processor has no int8 arithmetic")
    if dtype is torch.bfloat16 and not precision.has_bf16():
        pytest.skip("this processor has no bf16 arithmetic")
    assert works(kind, dtype, 1e-5 if dtype is torch.float32 and kind is ReorderedLinear else 0.02)


def test_a_layer_that_computes_amiss_or_is_not_there_is_not_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def wrong(weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> Linear:
        return PlainLinear(weight * 1.5, bias, activation)

    def absent(weight: torch.Tensor, bias: torch.Tensor, activation: Activation) -> Linear:
        operator: Any = torch.ops.mkldnn.nowhere_to_be_found
        made: Linear = operator(weight, bias, activation)
        return made

    with caplog.at_level(logging.WARNING):
        assert not works(wrong, torch.float32, 0.1)
        assert not works(absent, torch.float32, 0.1)
    assert len(caplog.records) == 2


def test_int8_rows_do_not_depend_on_each_other() -> None:
    if not precision.has_int8():
        pytest.skip("this processor has no int8 arithmetic")
    generator = torch.Generator().manual_seed(2)
    layer = Int8Linear(torch.randn(48, 64, generator=generator))
    rows = torch.randn(5, 64, generator=generator)
    rows[3] *= 1000.0
    rows[4] = 0.0
    together = layer(rows)
    assert all(torch.equal(layer(rows[at : at + 2])[0], together[at]) for at in range(4))
    assert torch.equal(together[4], torch.zeros(48))


def test_precisions_are_chosen_by_what_the_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda: False)
    monkeypatch.setattr(precision, "has_int8", lambda: False)
    assert precisions("auto", "cpu") == ("fp32",)
    assert precisions("int8", "cpu") == ("fp32",)
    assert precisions("bf16", "cpu") == ("bf16", "fp32")
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    assert precisions("auto", "cpu") == ("bf16", "fp32")
    assert precisions("fp32", "cpu") == ("fp32",)
    assert precisions("auto", "mps") == ("fp16",)
    assert precisions("fp32", "cuda") == ("fp32",)


def test_a_graphics_card_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("arch", ["gpt2", "llama"])
def test_smoothing_changes_no_logits(arch: str, tiny_gpt2: Path, tiny_llama: Path) -> None:
    path = tiny_gpt2 if arch == "gpt2" else tiny_llama
    untyped: Any = AutoModelForCausalLM
    model = untyped.from_pretrained(path)
    ids = torch.tensor([[(5 * at) % 900 for at in range(40)]])
    with torch.inference_mode():
        before = model(input_ids=ids).logits
    first = next(iter(model.parameters())).clone()
    smooth(model, lambda text: [ord(sign) % 900 for sign in text])
    with torch.inference_mode():
        after = model(input_ids=ids).logits
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    assert torch.equal(next(iter(model.parameters())), first)  # the embedding is left alone
    norm = model.transformer.h[0].ln_1 if arch == "gpt2" else model.model.layers[0].input_layernorm
    assert not torch.equal(norm.weight, torch.ones_like(norm.weight))


def test_a_precision_that_computes_amiss_gives_way_to_the_next(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_int8", lambda: True)
    monkeypatch.setattr(precision, "has_bf16", lambda: False)
    monkeypatch.setattr(precision, "works", lambda *_: True)
    monkeypatch.setitem(TOLERANCE, "int8", 0.0)
    loaded = load_model(tiny_llama, precision="int8", threads=1)
    assert (loaded.precision, loaded.way) == ("fp32", Way.LEAN)


def test_a_model_that_attends_elsewhere_is_not_packed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Packed.attend

    def attend(self: Packed, layer: int, *tensors: Any) -> torch.Tensor:
        if layer == 1:
            self.attended -= 1  # as if a layer went its own way
        return honest(self, layer, *tensors)

    monkeypatch.setattr(Packed, "attend", attend)
    make, _ = FAMILIES["llama"]
    assert build(lambda _: seeded(make), tried=("fp32",), window_tokens=200).way is Way.SERIAL
    assert "layers attended" in caplog.text


def test_a_way_that_raises_gives_way_to_the_next(
    tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise KeyError("h")

    monkeypatch.setattr("bot.engine.local.packed.build.lean_forward", refuse)
    loaded = load_model(tiny_gpt2, precision="fp32", ways=ALL_WAYS, threads=1)
    assert loaded.way is Way.GENERIC
    assert "cannot be packed" in caplog.text
