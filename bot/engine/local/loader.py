"""Load a model that writes, and find out what it needs.

Invariants:
    - Only safetensors are read and no code of a model is run.
    - What does not fit into memory is refused before the first weight is read.
    - What ``load_model`` returns has computed: its first forward passes, which set up the
      kernels, are done, and gave what plain transformers gives.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from bot import __version__
from bot.engine.local.adapter import merge
from bot.engine.local.budget import Budget
from bot.engine.local.errors import (
    ForeignTokenizerError,
    MissingWeightsError,
    TooLargeError,
    UnloadableError,
)
from bot.engine.local.packed.build import ALL_WAYS, Way, build
from bot.engine.local.packed.precision import (
    Device,
    Precision,
    choose_device,
    dtype_of,
    precisions,
)
from bot.engine.local.resources import available_memory_bytes, usable_threads
from bot.engine.local.runner import StepModel
from bot.engine.local.store.folder import look
from bot.engine.local.tokenizer import (
    TokenKinds,
    hash_tokenizer,
    load_tokenizer,
    special_ids,
)
from bot.errors import ModelUnavailableError

log = logging.getLogger(__name__)

WINDOW_LIMIT_TOKENS = 2048
"""Where a model allows more, this much is used: a longer prompt takes seconds on processors,
and SmolLM2 writes worse beyond it. ``window_tokens`` overrules it."""

# What a load takes beside the weights: the graph of modules, buffers, the warm-up.
_OVERHEAD_BYTES = 256 * 2**20
# Names under which common models end a text, whether or not their configuration says so.
_END_NAMES = frozenset(
    {
        *("<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|end|>"),
        *("</s>", "<eos>", "<end_of_turn>", "<|return|>"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model in memory, and what the engine must know of it.

    Attributes:
        model: computes steps.
        tokenizer: for the thread that owns the model.
        kinds: what its tokens are.
        name: the folder's, for people.
        revision: commit or content hash.
        window_tokens: prompt and reply together.
        end_ids: every id that ends a text.
        suppressed_ids: control tokens and unused rows, which are never drawn.
        document_start: the id that begins an empty prompt.
        tokenizer_hash: SHA-256 of the files that define the tokenizer.
        precision: fp32, bf16, fp16 or int8.
        way: how it is computed.
        budget: how much a step may compute.
        is_alike_on_one_thread: whether the logits do not depend on the number of threads.
        parameters: number of weights.
        threads: with how many it computes.
    """

    model: StepModel[Any]
    tokenizer: PreTrainedTokenizerBase
    kinds: TokenKinds
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
    way: Way
    budget: Budget
    is_alike_on_one_thread: bool

    @property
    def engine_version(self) -> str:
        """What a passage records: the same text is promised for the same of these."""
        return (
            f"roundtale {__version__}, torch {torch.__version__}, "
            f"transformers {transformers.__version__}"
        )


def load_model(
    path: Path,
    *,
    name: str | None = None,
    revision: str | None = None,
    precision: Precision = "auto",
    ways: Sequence[Way] = ALL_WAYS,
    device: Device = "auto",
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
        precision: auto is bf16 where the processor has it, and fp32, which writes what plain
            transformers writes, where not; int8 is faster still.
        ways: of computing, to be tried in order.
        device: where to compute; auto is a graphics card if there is one.
        threads: to compute with; affinity and quota decide where None.
        window_tokens: the window to use, if the model has it.
        on_tokenizer: called between the tokenizer, with all that is looked up in it, and the
            weights.

    Raises:
        ModelUnavailableError: it is missing, broken, too large or no language model.
    """
    name = name or path.name
    facts = look(path, model=name)
    place = choose_device(device)
    tried = precisions(precision, place)
    require_memory(name, facts.parameters * dtype_of(tried[0]).itemsize + _OVERHEAD_BYTES)
    count = usable_threads(threads)
    torch.set_num_threads(count)
    try:
        tokenizer = load_tokenizer(path)
        kinds = TokenKinds(tokenizer)
        if on_tokenizer is not None:
            on_tokenizer()
        first = [read_weights(name, path, dtype_of(tried[0]), place, tokens=len(tokenizer))]
    except ModelUnavailableError:
        raise
    except Exception as error:  # a library that reads foreign files may raise anything
        raise UnloadableError(model=name, cause=_first_line(error)) from error
    model = first[0]
    rows = _rows(model)
    if len(tokenizer) > rows:
        raise ForeignTokenizerError(model=name, tokens=len(tokenizer), rows=rows)
    specials = special_ids(tokenizer)
    ends = end_ids(model, tokenizer, specials)
    suppressed = set(range(len(tokenizer), rows)) | {
        number for number in specials.values() if number < rows
    }
    window = _window(model, facts.window_tokens, window_tokens)
    parameters = int(model.num_parameters())
    del model  # whoever packs it takes its weights

    def read(dtype: torch.dtype) -> PreTrainedModel:
        if first and dtype is dtype_of(tried[0]):
            return first.pop()
        return read_weights(name, path, dtype, place, tokens=len(tokenizer))

    try:
        built = build(
            read,
            tried=tried,
            ways=ways,
            window_tokens=window,
            encode=lambda text: tokenizer.encode(text, add_special_tokens=False),
        )
    except Exception as error:  # foreign code, and without it nothing can be written
        raise UnloadableError(model=name, cause=_first_line(error)) from error
    loaded = LoadedModel(
        model=built.model,
        tokenizer=tokenizer,
        kinds=kinds,
        name=name,
        revision=revision or facts.fingerprint,
        window_tokens=window,
        end_ids=ends,
        suppressed_ids=tuple(sorted(suppressed - ends)),
        document_start=document_start(tokenizer, ends),
        tokenizer_hash=hash_tokenizer(path),
        precision=built.precision,
        parameters=parameters,
        threads=count,
        way=built.way,
        budget=built.budget,
        is_alike_on_one_thread=built.is_alike_on_one_thread,
    )
    log.info(
        "model loaded",
        extra={
            "model": name,
            "revision": loaded.revision,
            "precision": built.precision,
            "way": built.way.value,
            "threads": count,
            "window_tokens": window,
            "budget_tokens": built.budget.budget_tokens,
        },
    )
    return loaded


def read_weights(
    name: str, path: Path, dtype: torch.dtype, device: str, *, tokens: int
) -> PreTrainedModel:
    """Read the weights of a folder, all of them or none; an adapter is added to its base's.

    Args:
        name: for errors.
        path: a folder that ``look`` accepts.
        dtype: of the weights.
        device: where they go.
        tokens: in the folder's own vocabulary.

    Raises:
        MissingWeightsError: the files lack some.
        ForeignAdapterError: an adapter belongs to another model.
    """
    base = look(path, model=name).base
    # A bar and a list of warnings per load belong to a notebook.
    library: Any = transformers_logging
    library.disable_progress_bar()
    library.set_verbosity_error()
    # The library's stubs do not know the pair that output_loading_info gives.
    automatic: Any = AutoModelForCausalLM
    model, report = automatic.from_pretrained(
        str(base or path),
        dtype=torch.float32 if base else dtype,  # the sum is rounded once
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        # The library would fill them with random numbers and only warn.
        raise MissingWeightsError(model=name, missing=missing[0])
    if base is not None:
        merged: Any = merge(model, path, name=name, tokens=tokens)
        model = merged.to(dtype)
    loaded: PreTrainedModel = model.to(device).eval().requires_grad_(False)
    return loaded


def _rows(model: PreTrainedModel) -> int:
    """Return how many ids the model takes and scores."""
    embeddings: Any = model.get_input_embeddings()
    return int(embeddings.weight.shape[0])


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def require_memory(name: str, needed_bytes: int) -> None:
    """See that so much memory is free.

    Raises:
        TooLargeError: it is not.
    """
    available = available_memory_bytes()
    if needed_bytes > available:
        raise TooLargeError(
            model=name, needed_mib=needed_bytes // 2**20, available_mib=available // 2**20
        )


def _as_ids(value: object) -> set[int]:
    if isinstance(value, int):
        return {value}
    return {int(item) for item in value} if isinstance(value, list | tuple) else set()


def end_ids(
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


def document_start(tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]) -> int:
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
