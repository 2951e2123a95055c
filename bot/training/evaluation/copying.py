"""What was taken over from another text, and passages that are almost the same.

Invariant: words are compared folded; a copy is eight words in a row (Carlini et al. 2023 and
others take more; shorter ones are idioms).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bot.training.evaluation.variety import folded_words, ngrams

COPY_WORDS = 8
_SHINGLE = 5
_ALIKE = 0.5  # of the shingles of two passages together

Gram = tuple[str, ...]


class Copies:
    """Knows the texts that may be copied.

    Args:
        texts: by name.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._places: dict[Gram, set[str]] = defaultdict(set)
        for name, text in texts.items():
            for gram in ngrams(folded_words(text), COPY_WORDS):
                self._places[gram].add(name)

    def share(self, said: Sequence[str], *, own: str = "") -> float:
        """Return the share of words that stand in a row of eight in one of the texts.

        Args:
            said: a passage's words, folded.
            own: the text that the passage is from, which does not count.
        """
        copied = [False] * len(said)
        for at, gram in enumerate(ngrams(said, COPY_WORDS)):
            if self._places.get(gram, set()) - {own}:
                copied[at : at + COPY_WORDS] = [True] * COPY_WORDS
        return sum(copied) / max(1, len(said))


def near_duplicates(passages: Iterable[Sequence[str]]) -> list[bool]:
    """Tell for each passage whether another shares half of their five-word rows (Jaccard)."""
    shingles = [set(ngrams(said, _SHINGLE)) for said in passages]
    holders: dict[Gram, list[int]] = defaultdict(list)
    for number, each in enumerate(shingles):
        for gram in each:
            holders[gram].append(number)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for numbers in holders.values():
        for place, one in enumerate(numbers):
            for other in numbers[place + 1 :]:
                shared[one, other] += 1
    found = [False] * len(shingles)
    for (one, other), many in shared.items():
        if many >= _ALIKE * (len(shingles[one]) + len(shingles[other]) - many):
            found[one] = found[other] = True
    return found
