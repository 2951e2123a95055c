"""How varied a text is: repetition, vocabulary, sentences that resemble each other.

Invariant: words are those that the rest of the program counts, folded; every figure is a share
between 0 and 1 unless its name says otherwise, and depends on the text's length: compare texts
of equal word count only.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from bot.text.function_words import FUNCTION_WORDS
from bot.text.sentences import sentences
from bot.text.words import words

_TWIN_SHARE = 0.6
_LOOK_BACK = 4
_WINDOW = 60
_TOP = 5


def folded_words(text: str) -> list[str]:
    """Return the words in lower case, with straight apostrophes."""
    return [word.replace("\u2019", "'") for word in words(text.casefold())]


def repetition(said: Sequence[str], size: int) -> float:
    """Return rep-n: the share of n-grams that stood there before (Welleck et al. 2020)."""
    grams = ngrams(said, size)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def diversity(said: Sequence[str]) -> float:
    """Return the product of the shares of different 2-, 3- and 4-grams (Su et al. 2022)."""
    product = 1.0
    for size in (2, 3, 4):
        product *= 1 - repetition(said, size)
    return product


def distinct(texts: Sequence[Sequence[str]], size: int) -> float:
    """Return distinct-n: different n-grams of all texts as a share of all (Li et al. 2016)."""
    grams = [gram for said in texts for gram in ngrams(said, size)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """Return the mean BLEU-4 of each text against all others (Zhu et al. 2018).

    Counts of zero are smoothed by nltk's ``method1``; the brevity penalty is 1 for texts of
    equal length.
    """
    smooth = SmoothingFunction().method1
    scores = [
        float(sentence_bleu([*texts[:at], *texts[at + 1 :]], said, smoothing_function=smooth))
        for at, said in enumerate(texts)
    ]
    return statistics.fmean(scores)


def near_twins(text: str) -> float:
    """Return the share of sentences whose content words are, to three fifths, an earlier one's."""
    contents = [set(said) - FUNCTION_WORDS for said in _said_sentences(text)]
    twins = sum(
        len(each) > 1
        and any(len(each & other) >= _TWIN_SHARE * len(each | other) for other in contents[:at])
        for at, each in enumerate(contents)
    )
    return twins / max(1, len(contents))


def same_openings(text: str) -> float:
    """Return the share of sentences that begin with the two words of one of the four before."""
    said = _said_sentences(text)
    alike = sum(
        any(other[:2] == each[:2] for other in said[max(0, at - _LOOK_BACK) : at])
        for at, each in enumerate(said)
    )
    return alike / max(1, len(said))


def top_five(said: Sequence[str]) -> float:
    """Return the share of the five commonest content words in all content words."""
    counts = Counter(word for word in said if word not in FUNCTION_WORDS)
    return sum(many for _, many in counts.most_common(_TOP)) / max(1, counts.total())


def types_in_60(said: Sequence[str]) -> float:
    """Return how many different words stand among sixty in a row, on average."""
    windows = [len(set(said[at : at + _WINDOW])) for at in range(max(1, len(said) - _WINDOW + 1))]
    return statistics.fmean(windows)


def ngrams(said: Sequence[str], size: int) -> list[tuple[Any, ...]]:
    """Return all n-grams in order."""
    return list(zip(*(said[at:] for at in range(size)), strict=False))


def _said_sentences(text: str) -> list[list[str]]:
    return [said for each in sentences(text) if (said := folded_words(each))]
