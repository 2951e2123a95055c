"""Tales that are there twice.

Invariant: of tales that are alike the first stays; what is said about likeness is an estimate
(MinHash, Broder 1997), so that a set of any size takes memory in proportion to its tales only.
"""

import re
from collections.abc import Iterable, Iterator

from bot.training.data.tale import Tale
from bot.training.extras import require_libraries

LIKENESS = 0.7
"""The share of common five-word shingles (Jaccard) from which two tales count as one."""

_SHINGLE_WORDS = 5
_PERMUTATIONS = 128
_WORD = re.compile(r"\w+")


def shingles(text: str) -> set[str]:
    """Return the runs of five words of a text, folded; of a shorter text all its words."""
    words = _WORD.findall(text.casefold())
    last = max(1, len(words) - _SHINGLE_WORDS + 1)
    return {" ".join(words[at : at + _SHINGLE_WORDS]) for at in range(last)}


def deduplicate(tales: Iterable[Tale]) -> Iterator[Tale]:
    """Give each tale once: neither the same words nor nearly the same.

    Raises:
        ExtraMissingError: a library for training is not installed.
    """
    require_libraries()
    from datasketch import MinHash, MinHashLSH  # noqa: PLC0415 -- an extra

    index = MinHashLSH(threshold=LIKENESS, num_perm=_PERMUTATIONS)
    seen: set[str] = set()
    for number, tale in enumerate(tales):
        folded = " ".join(_WORD.findall(tale.text.casefold()))
        if folded in seen:
            continue
        sketch = MinHash(num_perm=_PERMUTATIONS)
        sketch.update_batch([each.encode() for each in sorted(shingles(tale.text))])
        if index.query(sketch):
            continue
        seen.add(folded)
        index.insert(str(number), sketch)
        yield tale
