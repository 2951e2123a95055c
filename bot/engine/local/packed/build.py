"""Choose how a model is computed, and see that it computes right.

Invariant: what ``build`` returns gave the logits of plain transformers, at the precision it
was built for, for two texts in common steps, in pieces and token by token; what did not is
computed by plain transformers itself.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 -- the name that torch's own documentation uses
from transformers import PreTrainedModel

from bot.engine.local.budget import Budget, choose_budget, measure
from bot.engine.local.kv_cache import CacheUse
from bot.engine.local.packed.batch import Layout
from bot.engine.local.packed.generic import GenericForward
from bot.engine.local.packed.int8 import smooth
from bot.engine.local.packed.lean import STEADY_ROPES, Forward, has_lean_forward, lean_forward
from bot.engine.local.packed.precision import TOLERANCE, dtype_of, linear_maker
from bot.engine.local.packed.steps import PackedModel
from bot.engine.local.runner import Row, StepModel
from bot.engine.local.serial import SerialModel, find_cache_use, relative_gap

log = logging.getLogger(__name__)

Read = Callable[[torch.dtype], PreTrainedModel]


class Way(StrEnum):
    """How steps are computed."""

    LEAN = "lean"  # our own forward, packed
    GENERIC = "generic"  # transformers' forward, packed
    SERIAL = "serial"  # plain transformers, one text after the other


ALL_WAYS: Final = (Way.LEAN, Way.GENERIC, Way.SERIAL)

_PROBE_TOKENS: Final = 90  # more than one chunk
_OTHER_TOKENS: Final = 23
_PROBE_KEYS: Final = (7, 40, 131, 300)  # how many keys a token attends to
_PACKABLE_ROPES: Final = STEADY_ROPES | {"proportional"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A model that is ready to compute.

    Attributes:
        model: computes steps.
        way: how.
        precision: fp32, bf16, fp16 or int8.
        budget: how much its steps may compute.
        is_alike_on_one_thread: whether its logits are bitwise the same on one thread.
    """

    model: StepModel[Any]
    way: Way
    precision: str
    budget: Budget
    is_alike_on_one_thread: bool


def build(
    read: Read,
    *,
    tried: Sequence[str],
    ways: Sequence[Way] = ALL_WAYS,
    window_tokens: int,
    encode: Callable[[str], list[int]] | None = None,
) -> Built:
    """Make a model ready to compute; blocks for seconds.

    Args:
        read: gives the model with fresh weights of a type.
        tried: precisions, in order.
        ways: in order.
        window_tokens: the longest text.
        encode: turns text into ids, for what int8 is calibrated on.

    Raises:
        Exception: what plain transformers raises where even it cannot compute.
    """
    readers: dict[torch.dtype, _Reader] = {}

    def reader(precision: str) -> _Reader:
        dtype = dtype_of(precision)
        if dtype not in readers:
            readers.clear()  # one model in memory at a time
            readers[dtype] = _Reader(read, dtype, window_tokens)
        return readers[dtype]

    packed = [way for way in ways if way is not Way.SERIAL]
    if packed and _is_packable(reader(tried[0]).fresh(), window_tokens):
        for precision in tried:
            for way in packed:
                built = _try(reader(precision), way, precision, encode)
                if built is not None:
                    return built
    log.warning("texts are computed one after the other by plain transformers")
    plain = next(precision for precision in tried if precision != "int8")
    return _serial(reader(plain), plain)


class _Reader:
    """Keeps a model until somebody has used it up, and what plain transformers makes of it."""

    def __init__(self, read: Read, dtype: torch.dtype, window_tokens: int) -> None:
        self._read = read
        self.dtype = dtype
        self._model: PreTrainedModel | None = read(dtype)
        self.texts = _texts(self._model, window_tokens)
        plain = SerialModel(self._model, CacheUse.NOT_AT_ALL)
        with _one_thread():
            self.expected = [plain.last_logits(text, None) for text in self.texts]

    def fresh(self) -> PreTrainedModel:
        """Return the model with all its weights."""
        if self._model is None:
            self._model = self._read(self.dtype)
        return self._model

    def take(self) -> PreTrainedModel:
        """Return the model for good."""
        model = self.fresh()
        self._model = None
        return model


def _texts(model: PreTrainedModel, window_tokens: int) -> list[list[int]]:
    """Return two texts, the first longer than any window of attention that may be met."""
    embeddings: Any = model.get_input_embeddings()
    rows = int(embeddings.weight.shape[0])
    window = _sliding_window(model.config) or 0
    lengths = (max(_PROBE_TOKENS, window + 2), _OTHER_TOKENS)
    return [
        [(step * at + step) % rows for at in range(max(3, min(length, window_tokens)))]
        for step, length in zip((7, 11), lengths, strict=True)
    ]


def _sliding_window(config: Any) -> int | None:
    if getattr(config, "use_sliding_window", True) is False:
        return None
    window = getattr(config, "sliding_window", None)
    return window if isinstance(window, int) else None


def _is_packable(model: PreTrainedModel, window_tokens: int) -> bool:
    """Whether a model's configuration has nothing that packed steps are known to get wrong."""
    config: Any = model.config
    window = _sliding_window(config)
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        not config.is_encoder_decoder
        and (window is None or window >= window_tokens)
        and (not kinds or (kinds == {"sliding_attention"} and window is not None))
        and rope.get("rope_type", "default") in _PACKABLE_ROPES
    )


def _try(
    reader: _Reader, way: Way, precision: str, encode: Callable[[str], list[int]] | None
) -> Built | None:
    """Build a packed model; None where it cannot be built, or computes something else."""
    model = reader.fresh()
    if way is Way.LEAN and not has_lean_forward(model):
        return None
    if way is Way.GENERIC and not getattr(model, "_supports_attention_backend", False):
        return None
    model = reader.take()
    try:
        make = linear_maker(precision, model.device)
        if way is Way.LEAN:
            if precision == "int8" and encode is not None:
                smooth(model, encode)
            forward: Forward = lean_forward(model, make)
        else:
            forward = GenericForward(model, make)
        del model
        packed = PackedModel(forward)
        with _one_thread():
            logits = _probe(packed, reader)
        is_alike = torch.equal(logits, _probe(packed, reader)) and attends_alike(forward.layout)
    except Exception:  # foreign code, in a form that it was not made for
        log.warning("a model cannot be packed", exc_info=True, extra={"way": way.value})
        return None
    gap = max(
        relative_gap(found, expected)
        for found, expected in zip(logits, reader.expected, strict=True)
    )
    if not gap < TOLERANCE[precision]:  # not-a-number fails here too
        log.warning("a packed model computes amiss", extra={"way": way.value, "gap": gap})
        return None
    budget = _measured(packed, may_choose=is_alike)
    return Built(
        model=packed,
        way=way,
        precision=precision,
        budget=budget,
        is_alike_on_one_thread=is_alike,
    )


def _measured(model: StepModel[Any], *, may_choose: bool) -> Budget:
    """Return the budget of the quicker number of threads, all or one, and leave that set."""
    threads = torch.get_num_threads()
    cost = measure(model)
    if may_choose and threads > 1:
        torch.set_num_threads(1)
        alone = measure(model)
        if alone.token_s < cost.token_s:
            return choose_budget(alone)
        torch.set_num_threads(threads)
    return choose_budget(cost)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: others may want the processors, and the rest are in no hurry."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def attends_alike(layout: Layout) -> bool:
    """Whether attention is bitwise the same on one thread and on all.

    What differs in its last bits is often rounded away before it reaches a model's logits, and
    then, once in some hundred tokens, is not.
    """
    generator = torch.Generator().manual_seed(0)
    for count in _PROBE_KEYS:
        query, keys, values = (
            torch.randn(
                (layout.heads, 1, length, layout.head_size), dtype=layout.dtype, generator=generator
            ).to(layout.device)
            for length in (1, count, count)
        )
        on_all = F.scaled_dot_product_attention(query, keys, values)
        with _one_thread():
            on_one = F.scaled_dot_product_attention(query, keys, values)
        if not torch.equal(on_all, on_one):
            return False
    return True


def _probe(packed: PackedModel, reader: _Reader) -> torch.Tensor:
    """Return the packed model's logits after each of the reader's texts.

    Both texts are computed in common steps: the first in two pieces, then the rest of it
    with the beginning of the second, then the last token of each.
    """
    caches = [packed.new_cache() for _ in reader.texts]
    edges = [(len(text) // 2, len(text) - 1) for text in reader.texts]
    steps = (
        ((0, 0, edges[0][0], False),),
        ((0, *edges[0], False), (1, 0, edges[1][1], False)),
        tuple((number, edges[number][1], edges[number][1] + 1, True) for number in (0, 1)),
    )
    logits = torch.empty(0)
    for step in steps:
        rows = [
            Row(reader.texts[number][start:stop], start, caches[number], int(is_last))
            for number, start, stop, is_last in step
        ]
        logits = packed.forward(rows)
    return logits


def _serial(reader: _Reader, precision: str) -> Built:
    model = reader.take()
    cache_use = find_cache_use(model, reader.texts[0], reader.expected[0], TOLERANCE[precision])
    serial = SerialModel(model, cache_use)
    budget = _measured(serial, may_choose=False)
    return Built(
        model=serial,
        way=Way.SERIAL,
        precision=precision,
        budget=budget,
        is_alike_on_one_thread=False,
    )
