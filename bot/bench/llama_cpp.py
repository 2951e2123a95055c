"""llama.cpp through llama-cpp-python's low-level functions, where it is installed.

Invariant: all sequences advance together, one ``llama_decode`` a step, which is how
llama.cpp's own server batches; what the library holds is freed in the end.
"""

import ctypes
import importlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bot.bench.gguf_file import write_gguf
from bot.bench.models import BenchModel
from bot.bench.plan import Plan
from bot.bench.ways import Ids, NotAvailableError, Way
from bot.engine.local.resources import usable_threads

LLAMA_CPP = "llama.cpp Q8_0"

_BATCH_TOKENS = 2048
_CELL_ROUNDING = 256  # llama.cpp rounds a sequence's cells up to this


class LlamaCpp:
    """A context with as many sequences as are written at once."""

    name = LLAMA_CPP
    keeps_stories = True

    def __init__(self, library: Any, model: Any, bench_model: BenchModel, threads: int) -> None:
        self._library = library
        self._model = model
        self._bench_model = bench_model
        self._threads = threads
        self._context: Any = None
        self._shape = (0, 0)
        self._batch: Any = library.llama_batch_init(_BATCH_TOKENS, 0, 1)
        self._vocabulary = int(library.llama_vocab_n_tokens(library.llama_model_get_vocab(model)))
        self._story: tuple[str, list[int]] | None = None

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """All."""
        return plan.batches

    def close(self) -> None:
        """Free what the library holds, the model excepted."""
        self._library.llama_batch_free(self._batch)
        if self._context is not None:
            self._library.llama_free(self._context)

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after all prompts, one step for all."""
        self._make_room(len(prompts), max(map(len, prompts)) + new_tokens)
        known = self._crop_to_story(list(prompts[0]), story)
        fresh = [
            (token, place, number, place == len(prompt) - 1)
            for number, prompt in enumerate(prompts)
            for place, token in enumerate(prompt)
            if place >= known
        ]
        last = self._prefill(fresh)
        written = [[token] for token in last]
        for step in range(1, new_tokens):
            rows = [
                (token, len(prompts[number]) + step - 1, number, True)
                for number, token in enumerate(last)
            ]
            last = self._decode(rows)
            for text, token in zip(written, last, strict=True):
                text.append(token)
        self._story = (story, list(prompts[0])) if story is not None else None
        return written

    def _make_room(self, sequences: int, tokens: int) -> None:
        """Have a context of this shape; making one belongs to no measurement but the warm-up."""
        cells = -(-tokens // _CELL_ROUNDING) * _CELL_ROUNDING
        if self._context is not None and self._shape[0] == sequences and self._shape[1] >= cells:
            return
        if self._context is not None:
            self._library.llama_free(self._context)
        params = self._library.llama_context_default_params()
        params.n_ctx = sequences * cells
        params.n_batch = _BATCH_TOKENS
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = self._threads
        params.kv_unified = False
        self._context = self._library.llama_init_from_model(self._model, params)
        if not self._context:
            raise NotAvailableError("llama.cpp makes no context for it")
        self._shape = (sequences, cells)
        self._story = None

    def _crop_to_story(self, prompt: list[int], story: str | None) -> int:
        """Keep what the story and the prompt share; return how many tokens that is."""
        memory = self._library.llama_get_memory(self._context)
        if story is None or self._story is None or self._story[0] != story:
            self._library.llama_memory_clear(memory, True)
            return 0
        shared = 0
        for ours, theirs in zip(prompt[:-1], self._story[1], strict=False):
            if ours != theirs:
                break
            shared += 1
        self._library.llama_memory_seq_rm(memory, 0, shared, -1)
        return shared

    def _prefill(self, rows: Sequence[tuple[int, int, int, bool]]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(rows), _BATCH_TOKENS):
            found += self._decode(rows[start : start + _BATCH_TOKENS])
        return found

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> list[int]:
        """Compute rows of (token, place, sequence, whether it is scored); return the likeliest."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for at, (token, place, sequence, is_scored) in enumerate(rows):
            batch.token[at] = token
            batch.pos[at] = place
            batch.n_seq_id[at] = 1
            batch.seq_id[at][0] = sequence
            batch.logits[at] = is_scored
        status = self._library.llama_decode(self._context, batch)
        if status:
            raise NotAvailableError(f"llama_decode gave {status}")
        return [self._likeliest(at) for at, row in enumerate(rows) if row[3]]

    def _likeliest(self, at: int) -> int:
        scores = np.ctypeslib.as_array(
            self._library.llama_get_logits_ith(self._context, at), shape=(self._vocabulary,)
        )
        best = int(scores.argmax())
        if best in self._bench_model.end_ids:
            scores[list(self._bench_model.end_ids)] = -np.inf
            best = int(scores.argmax())
        return best


@contextmanager
def open_llama_cpp(bench_model: BenchModel, plan: Plan) -> Iterator[Sequence[Way]]:
    """Write the model as a GGUF file and load it.

    Raises:
        NotAvailableError: the library is not installed, or does not take the model.
    """
    try:
        library: Any = importlib.import_module("llama_cpp")
    except ImportError as error:
        raise NotAvailableError("llama-cpp-python is not installed") from error
    silent = library.llama_log_callback(lambda _level, _text, _data: None)
    library.llama_log_set(silent, ctypes.c_void_p(0))
    with tempfile.TemporaryDirectory(prefix="roundtale-bench-") as folder:
        target = Path(folder) / "model.gguf"
        write_gguf(bench_model, target)
        model = library.llama_model_load_from_file(
            str(target).encode(), library.llama_model_default_params()
        )
        if not model:
            raise NotAvailableError("llama.cpp does not take the model")
        way = LlamaCpp(library, model, bench_model, usable_threads(plan.threads))
        try:
            yield [way]
        finally:
            way.close()
            library.llama_model_free(model)
