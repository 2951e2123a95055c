"""The ways that plain transformers has: naive calls, one batch, continuous batching.

Invariant: one model in fp32 serves all three; the naive calls are what the others, and the
engine, are compared with, in speed and in tokens.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    ContinuousBatchingConfig,
    GenerationConfig,
)
from transformers.utils import logging as transformers_logging

from bot.bench.models import BenchModel
from bot.bench.plan import Plan
from bot.bench.ways import Ids, Way
from bot.engine.local.resources import usable_threads

SNIPPET = "snippet"
BATCHED = "batched generate"
CONTINUOUS = "continuous batching"

_PAGE_TOKENS = 32
_SPARE_PAGES = 8
_STEP_TOKENS = 2048  # what a step may take: the prompts of a whole batch


class Snippet:
    """``model.generate`` for one request; several at once are as many threads that call it."""

    name = SNIPPET
    keeps_stories = False

    def __init__(self, model: Any, bench_model: BenchModel, threads: int) -> None:
        self._model = model
        self._bench_model = bench_model
        self._threads = threads

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """One call, and so many threads."""
        return (1, plan.snippet_threads)

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after each prompt; each by itself."""
        if len(prompts) == 1:
            return _generate(self._model, self._bench_model, prompts, new_tokens)

        def call(prompt: Ids) -> list[int]:
            torch.set_num_threads(self._threads)  # torch counts threads by thread
            return _generate(self._model, self._bench_model, [prompt], new_tokens)[0]

        with ThreadPoolExecutor(len(prompts)) as pool:
            return list(pool.map(call, prompts))


class Batched:
    """One ``model.generate`` for all requests, padded on the left."""

    name = BATCHED
    keeps_stories = False

    def __init__(self, model: Any, bench_model: BenchModel) -> None:
        self._model = model
        self._bench_model = bench_model

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """All; one text at once is what the snippet does."""
        return tuple(batch for batch in plan.batches if batch > 1)

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after all prompts together."""
        return _generate(self._model, self._bench_model, prompts, new_tokens)


class Continuous:
    """transformers' continuous batching, with attention by SDPA."""

    name = CONTINUOUS
    keeps_stories = False

    def __init__(self, model: Any) -> None:
        self._model = model

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """All."""
        return plan.batches

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after all prompts, in steps that transformers puts together."""
        pages = -(-(max(map(len, prompts)) + new_tokens) // _PAGE_TOKENS)
        outputs = self._model.generate_batch(
            [list(prompt) for prompt in prompts],
            # No id is -1: the end of a text is written past.
            generation_config=_greedy(max_new_tokens=new_tokens, eos_token_id=-1, pad_token_id=0),
            # The defaults take nine tenths of the memory that is free.
            continuous_batching_config=ContinuousBatchingConfig(
                num_blocks=len(prompts) * pages + _SPARE_PAGES,
                page_size=_PAGE_TOKENS,
                max_batch_tokens=_STEP_TOKENS,
            ),
            warmup=False,
        )
        return [list(output.generated_tokens) for output in outputs.values()]


def _greedy(**options: Any) -> GenerationConfig:
    return GenerationConfig(do_sample=False, **options)  # type: ignore[no-untyped-call]  # the library's


def _generate(
    model: Any,
    bench_model: BenchModel,
    prompts: Sequence[Ids],
    new_tokens: int,
) -> list[list[int]]:
    """Call ``generate`` with prompts (B, T) and return what is new, (B, new_tokens)."""
    width = max(map(len, prompts))
    pad = bench_model.end_ids[0] if bench_model.end_ids else 0
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor(
        [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], dtype=torch.long
    )
    output = model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=pad,
    )
    new: list[list[int]] = output[:, width:].tolist()
    return new


@contextmanager
def open_plain(bench_model: BenchModel, plan: Plan) -> Iterator[Sequence[Way]]:
    """Load the model as transformers does, and give its three ways."""
    library: Any = transformers_logging
    library.disable_progress_bar()
    library.set_verbosity_error()
    threads = usable_threads(plan.threads)
    torch.set_num_threads(threads)
    automatic: Any = AutoModelForCausalLM
    model = automatic.from_pretrained(
        str(bench_model.path),
        dtype=torch.float32,
        attn_implementation="sdpa",
        local_files_only=True,
        use_safetensors=True,
    ).eval()
    # A checkpoint's own taste (sampling, penalties) would not be greedy.
    model.generation_config = _greedy(eos_token_id=list(bench_model.end_ids) or None)
    ways: list[Way] = [Snippet(model, bench_model, threads)]
    if plan.compares:
        ways += [Batched(model, bench_model), Continuous(model)]
    yield ways
