"""How likely text is to a model.

Invariant: whatever the engine can load can score, at the engine's precision and as the engine
computes it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from bot.engine.local.loader import load_model
from bot.engine.local.packed.precision import Precision
from bot.text.words import count_words
from bot.training.evaluation.samples import Sample
from bot.training.packing import encode
from bot.training.scores import TextScore
from bot.training.windows import logits_of, losses


class Scorer:
    """A model that reads.

    Args:
        path: its folder.
        name: for people.
        precision: of the engine.
        threads: to compute with.
        size: tokens of a window.
        context: of these, from the window before.

    Raises:
        ModelUnavailableError: it cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        precision: Precision,
        threads: int | None,
        size: int,
        context: int,
    ) -> None:
        loaded = load_model(path, name=name, precision=precision, threads=threads)
        self.name = name
        self.precision = loaded.precision
        self._tokenizer = loaded.tokenizer
        self._start = loaded.document_start
        self._size = min(size, loaded.window_tokens)
        self._context = min(context, self._size - 1)
        self._logits = logits_of(loaded.model)
        self.window_tokens = loaded.window_tokens

    def encode(self, text: str) -> list[int]:
        """Return a text's tokens."""
        return encode(self._tokenizer, text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens."""
        return str(self._tokenizer.decode(list(ids)))

    def score(self, text: str) -> TextScore:
        """Score a whole text."""
        ids = [self._start, *self.encode(text)]
        nats = losses(self._logits, ids, size=self._size, context=self._context)
        return TextScore(
            nats=sum(nats),
            tokens=len(nats),
            words=max(1, count_words(text)),
            size_bytes=max(1, len(text.encode())),
        )

    def bits_per_byte(self, sample: Sample) -> float:
        """Score a sample after what stands before it; of that the end, should it be long."""
        before = self.encode(sample.before)[-self._context :] if sample.before else []
        ids = [self._start, *before, *self.encode(f" {sample.text}")]
        nats = losses(self._logits, ids, size=self._size, context=self._context)
        return TextScore(
            nats=sum(nats[len(before) :]),
            tokens=len(nats) - len(before),
            words=1,
            size_bytes=1 + len(sample.text.encode()),
        ).bits_per_byte

    def next_logits(self, ids: Sequence[int]) -> torch.Tensor:
        """Return the logits after the last token of a text, (V,) float32.

        Args:
            ids: without the document's mark; they must fit the model's window.
        """
        return self._logits([self._start, *ids])[-1]


def score_texts(
    scorer: Scorer, texts: Mapping[str, str], *, report: Callable[[int, int], None]
) -> dict[str, TextScore]:
    """Score texts one after another.

    Args:
        scorer: the model.
        texts: by name.
        report: hears how many texts of how many are done.
    """
    found: dict[str, TextScore] = {}
    for name, text in texts.items():
        found[name] = scorer.score(text)
        report(len(found), len(texts))
    return found
