"""Load a model that writes, and find out what it needs.

Invariants:
    - Only safetensors are read and no code of a model is run.
    - What does not fit into memory is refused before the first weight is read.
    - What ``load_model`` returns has written once: its first forward passes, which set up
      the kernels, are done, and its cache was seen to give what the whole text gives.
"""

import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.cache_utils import DynamicLayer
from transformers.utils import logging as transformers_logging

from bot import __version__
from bot.engine.local.errors import (
    ForeignTokenizerError,
    MissingWeightsError,
    TooLargeError,
    UnloadableError,
)
from bot.engine.local.resources import available_memory_bytes, usable_threads
from bot.engine.local.store.folder import look
from bot.engine.local.tokenizer import hash_tokenizer, load_tokenizer, special_ids

log = logging.getLogger(__name__)

Precision = Literal["auto", "fp32", "bf16"]

WINDOW_LIMIT_TOKENS = 2048
"""Where a model allows more, this much is used: a longer prompt takes seconds on processors,
and SmolLM2 writes worse beyond it. ``window_tokens`` overrules it."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# What a load takes beside the weights: the graph of modules, buffers, the warm-up.
_OVERHEAD_BYTES = 256 * 2**20
_WARM_UP_TOKENS = 80  # more than one chunk, so that the cache is appended to
# Names under which common models end a text, whether or not their configuration says so.
_END_NAMES = frozenset(
    {
        *("<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|end|>"),
        *("</s>", "<eos>", "<end_of_turn>", "<|return|>"),
    }
)


class CacheUse(Enum):
    """What can be done with a model's keys and values."""

    CROPPED = auto()  # kept between requests, cut back on a rewind
    APPENDED = auto()  # within one request only (sliding windows, linear attention)
    NOT_AT_ALL = auto()  # the whole text is computed for each token


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model in memory, and what the engine must know of it.

    Attributes:
        model: in evaluation mode, on the device.
        tokenizer: for the thread that owns the model.
        name: the folder's, for people.
        revision: commit or content hash.
        window_tokens: prompt and reply together.
        end_ids: every id that ends a text.
        suppressed_ids: control tokens and unused rows, which are never drawn.
        document_start: the id that begins an empty prompt.
        tokenizer_hash: SHA-256 of the files that define the tokenizer.
        precision: fp32 or bf16.
        parameters: number of weights.
        threads: with how many it computes.
        cache_use: what the probe found.
        keeps_logits: whether forward can be asked for the last logits only.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str
    window_tokens: int
    end_ids: frozenset[int]
    suppressed_ids: tuple[int, ...]
    document_start: int
    tokenizer_hash: str
    precision: str
    parameters: int
    threads: int
    cache_use: CacheUse
    keeps_logits: bool

    @property
    def engine_version(self) -> str:
        """What a passage records: the same text is promised for the same of these."""
        return (
            f"roundtale {__version__}, torch {torch.__version__}, "
            f"transformers {transformers.__version__}"
        )

    def new_cache(self) -> DynamicCache:
        """Return an empty cache of the kind that this model wants."""
        return DynamicCache(config=self.model.config)

    def forward(self, ids: Iterable[int], cache: DynamicCache | None) -> torch.Tensor:
        """Compute tokens and return the logits after the last: (V,), the model's dtype.

        Args:
            ids: tokens that follow what the cache holds; all of them where it is None.
            cache: is appended to.
        """
        return _forward(self.model, list(ids), cache, keeps_logits=self.keeps_logits)


def _forward(
    model: PreTrainedModel, ids: list[int], cache: DynamicCache | None, *, keeps_logits: bool
) -> torch.Tensor:
    options: dict[str, Any] = {"logits_to_keep": 1} if keeps_logits else {}
    with torch.inference_mode():
        output = model(
            input_ids=torch.tensor([ids], device=model.device),
            past_key_values=cache,
            use_cache=cache is not None,
            **options,
        )
    last: torch.Tensor = output.logits[0, -1].to("cpu")
    return last


def load_model(
    path: Path,
    *,
    name: str | None = None,
    revision: str | None = None,
    precision: Precision = "auto",
    device: str = "cpu",
    threads: int | None = None,
    window_tokens: int | None = None,
    on_tokenizer: Callable[[], None] | None = None,
) -> LoadedModel:
    """Load a causal language model from a folder; blocks for as long as that takes.

    Call it in the thread that will compute: torch counts threads by thread.

    Args:
        path: a folder with config.json, a tokenizer and safetensors.
        name: for people and errors; the folder's name where None.
        revision: commit or content hash; the folder's fingerprint where None.
        precision: auto is fp32, which writes what plain transformers writes; bf16 is
            faster where the processor has it.
        device: a torch device.
        threads: to compute with; affinity and quota decide where None.
        window_tokens: the window to use, if the model has it.
        on_tokenizer: called between the tokenizer and the weights.

    Raises:
        ModelUnavailableError: it is missing, broken, too large or no language model.
    """
    name = name or path.name
    facts = look(path, model=name)
    chosen = "fp32" if precision == "auto" else precision
    dtype = _DTYPES[chosen]
    _require_memory(name, facts.parameters * dtype.itemsize)
    count = usable_threads(threads)
    torch.set_num_threads(count)
    try:
        tokenizer = load_tokenizer(path)
        if on_tokenizer is not None:
            on_tokenizer()
        model, missing = _read(path, dtype, device)
    except Exception as error:  # a library that reads foreign files may raise anything
        raise UnloadableError(model=name, cause=_first_line(error)) from error
    if missing:
        # The library would fill them with random numbers and only warn.
        raise MissingWeightsError(model=name, missing=missing[0])
    rows = _rows(model)
    if len(tokenizer) > rows:
        raise ForeignTokenizerError(model=name, tokens=len(tokenizer), rows=rows)
    specials = special_ids(tokenizer)
    ends = _end_ids(model, tokenizer, specials)
    suppressed = set(range(len(tokenizer), rows)) | {
        number for number in specials.values() if number < rows
    }
    keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
    window = _window(model, facts.window_tokens, window_tokens)
    cache_use = _probe(name, model, keeps_logits=keeps_logits, window=window)
    loaded = LoadedModel(
        model=model,
        tokenizer=tokenizer,
        name=name,
        revision=revision or facts.fingerprint,
        window_tokens=window,
        end_ids=ends,
        suppressed_ids=tuple(sorted(suppressed - ends)),
        document_start=_document_start(tokenizer, ends),
        tokenizer_hash=hash_tokenizer(path),
        precision=chosen,
        parameters=int(model.num_parameters()),
        threads=count,
        cache_use=cache_use,
        keeps_logits=keeps_logits,
    )
    log.info(
        "model loaded",
        extra={
            "model": name,
            "revision": loaded.revision,
            "precision": chosen,
            "threads": count,
            "window_tokens": window,
            "cache_use": cache_use.name.lower(),
        },
    )
    return loaded


def _read(path: Path, dtype: torch.dtype, device: str) -> tuple[PreTrainedModel, list[str]]:
    """Read the weights; return the model and the names of what they lack."""
    # A bar and a list of warnings per load belong to a notebook.
    library: Any = transformers_logging
    library.disable_progress_bar()
    library.set_verbosity_error()
    # The library's stubs do not know the pair that output_loading_info gives.
    automatic: Any = AutoModelForCausalLM
    model, report = automatic.from_pretrained(
        str(path),
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    return model.to(device).eval().requires_grad_(False), sorted(report["missing_keys"])


def _rows(model: PreTrainedModel) -> int:
    """Return how many ids the model takes and scores."""
    embeddings: Any = model.get_input_embeddings()
    return int(embeddings.weight.shape[0])


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def _require_memory(name: str, weights_bytes: int) -> None:
    needed = weights_bytes + _OVERHEAD_BYTES
    available = available_memory_bytes()
    if needed > available:
        raise TooLargeError(
            model=name, needed_mib=needed // 2**20, available_mib=available // 2**20
        )


def _as_ids(value: object) -> set[int]:
    if isinstance(value, int):
        return {value}
    return {int(item) for item in value} if isinstance(value, list | tuple) else set()


def _end_ids(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, specials: dict[str, int]
) -> frozenset[int]:
    """Return every id that ends a text, wherever the model's files say so."""
    generation = getattr(model, "generation_config", None)
    ids = _as_ids(getattr(generation, "eos_token_id", None))
    ids |= _as_ids(getattr(model.config, "eos_token_id", None))
    ids |= _as_ids(tokenizer.eos_token_id)
    ids |= {number for token, number in specials.items() if token in _END_NAMES}
    rows = _rows(model)
    return frozenset(number for number in ids if 0 <= number < rows)


def _document_start(tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]) -> int:
    """Return the id after which a fresh text begins.

    Chat models keep ``<|endoftext|>`` between documents and begin a role with their BOS.
    """
    boundary = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    if isinstance(boundary, int) and boundary in ends:
        return boundary
    for candidate in (tokenizer.bos_token_id, tokenizer.eos_token_id, *sorted(ends)):
        if isinstance(candidate, int):
            return candidate
    return 0


def _window(model: PreTrainedModel, stated: int | None, wanted: int | None) -> int:
    """Return how many tokens prompt and reply may have together."""
    own = getattr(model.config, "max_position_embeddings", None) or stated
    limit = wanted if wanted is not None else WINDOW_LIMIT_TOKENS
    return min(own, limit) if isinstance(own, int) and own > 0 else limit


def _probe(name: str, model: PreTrainedModel, *, keeps_logits: bool, window: int) -> CacheUse:
    """Warm the model up and see whether its cache can be trusted."""
    rows = _rows(model)
    length = max(3, min(_WARM_UP_TOKENS, window))
    ids = [(7 * at + 3) % rows for at in range(length)]
    try:
        whole = _forward(model, ids, None, keeps_logits=keeps_logits).float()
    except Exception as error:  # foreign code, and without it nothing can be written
        raise UnloadableError(model=name, cause=_first_line(error)) from error
    try:
        cache = DynamicCache(config=model.config)
        for part in (ids[: length // 2], ids[length // 2 : -1], ids[-1:]):
            last = _forward(model, part, cache, keeps_logits=keeps_logits)
        # bf16 keeps 8 bits; a wrong cache is off by far more than rounding.
        scale = float(whole.abs().max()) or 1.0
        gap = float((last.float() - whole).abs().max()) / scale
        agrees = gap < (1e-3 if model.dtype == torch.float32 else 0.1)
        holds = cache.get_seq_length() == length
    except Exception:
        log.warning("the model's cache cannot be used", exc_info=True, extra={"model": name})
        return CacheUse.NOT_AT_ALL
    if not (agrees and holds):
        log.warning("the model's cache gives other logits", extra={"model": name, "gap": gap})
        return CacheUse.NOT_AT_ALL
    is_plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    return CacheUse.CROPPED if is_plain else CacheUse.APPENDED
