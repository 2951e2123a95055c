"""What is remembered, asked of models that remember everything and nothing."""

from typing import cast

import pytest
import torch

from bot.training.evaluation.retention import RECAP_TOKENS, measure_retention
from bot.training.evaluation.scoring import Scorer


class Reader:
    """Finds the names that stand in the last so many words likelier; words are its tokens."""

    window_tokens = 2000

    def __init__(self, reach: int, favourite: str = "") -> None:
        self._words: list[str] = []
        self._reach = reach
        self._favourite = favourite

    def encode(self, text: str) -> list[int]:
        said = text.replace(".", " .").split()
        self._words += [word for word in dict.fromkeys(said) if word not in self._words]
        return [self._words.index(word) for word in said]

    def next_logits(self, ids: list[int]) -> torch.Tensor:
        found = torch.zeros(len(self._words))
        found[ids[-self._reach :]] = 1.0
        if self._favourite in self._words:
            found[self._words.index(self._favourite)] += 5.0
        return found


FILLER = " ".join(f"w{each}" for each in range(1000))


def retention(reader: Reader, *distances: int) -> list[tuple[int, bool, float, float]]:
    found = measure_retention(
        cast("Scorer", reader), FILLER, distances, facts=3, report=lambda *_: None
    )
    return [
        (each.distance, each.has_recap, sum(each.log_odds) / 3, sum(each.right) / 3)
        for each in found
    ]


def test_a_model_that_reads_far_remembers_from_afar() -> None:
    assert retention(Reader(2000), 100) == [(100, False, 1.0, 1.0), (100, True, 1.0, 1.0)]


def test_a_recap_helps_one_that_reads_near() -> None:
    assert retention(Reader(RECAP_TOKENS + 20), 300) == [
        *((300, False, 0.0, 0.0), (300, True, 1.0, 1.0)),
    ]


def test_a_favourite_name_gains_nothing() -> None:
    (told, _) = retention(Reader(1, favourite="Serena"), 100)
    assert told[2] == pytest.approx(0.0)


def test_distances_beyond_the_window_are_left_out() -> None:
    assert {each[0] for each in retention(Reader(1), 100, 5000)} == {100}
