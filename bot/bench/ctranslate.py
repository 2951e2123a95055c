"""CTranslate2, where it is installed: the same weights in int8.

Invariant: the conversion is thrown away with its folder.
"""

import importlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.bench.models import BenchModel
from bot.bench.plan import Plan
from bot.bench.ways import Ids, NotAvailableError, Way
from bot.engine.local.resources import usable_threads
from bot.engine.local.tokenizer import load_tokenizer

CTRANSLATE2 = "CTranslate2 int8"


class CTranslate2:
    """A ``ctranslate2.Generator``; it takes tokens as strings."""

    name = CTRANSLATE2
    keeps_stories = False

    def __init__(self, generator: Any, tokens: Sequence[str], end_ids: Sequence[int]) -> None:
        self._generator = generator
        self._tokens = tokens
        self._end_ids = list(end_ids)

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """All."""
        return plan.batches

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after all prompts in one batch."""
        results = self._generator.generate_batch(
            [[self._tokens[number] for number in prompt] for prompt in prompts],
            beam_size=1,
            sampling_topk=1,
            max_length=new_tokens,
            min_length=new_tokens,
            include_prompt_in_result=False,
            end_token=self._end_ids or None,
        )
        return [list(result.sequences_ids[0]) for result in results]


@contextmanager
def open_ctranslate2(bench_model: BenchModel, plan: Plan) -> Iterator[Sequence[Way]]:
    """Convert the model to int8 and load it.

    Raises:
        NotAvailableError: the library is not installed, or cannot convert the model.
    """
    try:
        library: Any = importlib.import_module("ctranslate2")
        converters: Any = importlib.import_module("ctranslate2.converters")
    except ImportError as error:
        raise NotAvailableError("ctranslate2 is not installed") from error
    tokenizer = load_tokenizer(bench_model.path)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    with tempfile.TemporaryDirectory(prefix="roundtale-bench-") as folder:
        target = str(Path(folder) / "model")
        try:
            converters.TransformersConverter(str(bench_model.path)).convert(
                target, quantization="int8"
            )
        except (ValueError, NotImplementedError, AttributeError, KeyError) as error:
            raise NotAvailableError(f"ctranslate2 cannot convert it: {error}") from error
        generator = library.Generator(
            target,
            device="cpu",
            compute_type="int8",
            inter_threads=1,
            intra_threads=usable_threads(plan.threads),
        )
        yield [CTranslate2(generator, [str(token) for token in tokens], bench_model.end_ids)]
