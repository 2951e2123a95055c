"""How likely text is to a model.

Invariant: whatever the engine can load can score, at the engine's precision and as the engine
computes it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from bot.engine.local.loader import load_model
from bot.engine.local.packed.precision import Precision
from bot.engine.local.tokenizer import control_tags
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
        self._tags = control_tags(loaded.tokenizer)
        self._size = min(size, loaded.window_tokens)
        self._context = min(context, self._size - 1)
        self._logits = logits_of(loaded.model)
        self.window_tokens = loaded.window_tokens

    @property
    def tags(self) -> frozenset[str]:
        """The control tags that it has."""
        return frozenset(self._tags)

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
        return self.nats(sample) / math.log(2) / (1 + len(sample.text.encode()))

    def nats(self, sample: Sample, *, tags: Sequence[str] = ()) -> float:
        """Return the negative log-likelihood of a sample after what stands before it.

        Args:
            sample: to score.
            tags: control tags at the very beginning; those that the model lacks are left out.
        """
        before = self.encode(sample.before)[-self._context :] if sample.before else []
        front = [*(self._tags[tag] for tag in tags if tag in self._tags), *before]
        ids = [self._start, *front, *self.encode(f" {sample.text}")]
        nats = losses(self._logits, ids, size=self._size, context=self._context)
        return sum(nats[len(front) :])

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
