"""What is remembered, asked of models that remember everything and nothing."""

from typing import cast

import pytest
import torch

from bot.training.evaluation.retention import RECAP_TOKENS, measure_retention
from bot.training.evaluation.scoring import Scorer


class Reader:
    """Reads the last so many words, knows who is who in them, and likes a name; words are its tokens.

    Args:
        reach: how many words back it reads.
        liked: a name that it finds likelier anyhow.
        is_careless: takes whatever name it read last.
    """

    window_tokens = 2000

    def __init__(self, reach: int, liked: str = "", *, is_careless: bool = False) -> None:
        self._words: list[str] = []
        self._reach = reach
        self._liked = liked
        self._is_careless = is_careless

    def encode(self, text: str) -> list[int]:
        said = text.replace(".", " .").replace(",", "").split()
        self._words += [word for word in dict.fromkeys(said) if word not in self._words]
        return [self._words.index(word) for word in said]

    def next_logits(self, ids: list[int]) -> torch.Tensor:
        said = [self._words[token] for token in ids[-self._reach :]]
        asked = {word.removesuffix("'s") for word in said[-8:]} & ABOUT
        found = torch.zeros(len(self._words))
        if self._liked in self._words:
            found[self._words.index(self._liked)] += 5.0
        names = [at for at, word in enumerate(said[:-1]) if said[at + 1] == "." and word.istitle()]
        for at in names:
            told = {word.removesuffix("'s") for word in said[max(0, at - 7) : at]}
            is_meant = bool(asked & told)
            if at == names[-1] if self._is_careless else is_meant:
                found[self._words.index(said[at])] += 1.0
        return found


ABOUT = {"ferryman", "lantern"}
FILLER = " ".join(f"w{each}" for each in range(1000))


def retention(reader: Reader, *distances: int) -> list[tuple[int, bool, float, float]]:
    found = measure_retention(
        cast("Scorer", reader), FILLER, distances, facts=2, report=lambda *_: None
    )
    return [
        (each.distance, each.has_recap, sum(each.log_odds) / 2, sum(each.right) / 2)
        for each in found
    ]


def test_a_model_that_reads_far_remembers_from_afar() -> None:
    (once, again) = retention(Reader(2000), 100)
    assert once == (100, False, 1.0, 1.0)
    assert again[2:] == (2.0, 1.0)


def test_a_recap_helps_one_that_reads_near() -> None:
    assert retention(Reader(RECAP_TOKENS + 40), 300) == [
        *((300, False, 0.0, 0.0), (300, True, 1.0, 1.0)),
    ]


@pytest.mark.parametrize("liked", ["Serena", "Halvard"])
def test_a_name_that_is_liked_gains_nothing(liked: str) -> None:
    assert retention(Reader(1, liked), 100)[0][2] == pytest.approx(0.0)


def test_whoever_takes_the_last_name_is_right_half_the_time() -> None:
    assert retention(Reader(2000, is_careless=True), 100)[0][2] == pytest.approx(0.0)


def test_distances_beyond_the_window_are_left_out() -> None:
    assert {each[0] for each in retention(Reader(1), 100, 5000)} == {100}
