"""Fables: a story and its moral, one sentence in a last paragraph of its own.

Invariant: a moral says something of people in general: it names nobody of the story. What
``moral_in`` finds is a moral that ``check`` passes.
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import re
from collections.abc import Collection

from bot.text.drift import find_drift
from bot.text.forms import prose
from bot.text.forms.faults import Fault
from bot.text.names import name_words
from bot.text.scripts import CJK
from bot.text.sentences import sentences
from bot.text.words import words

LABELS = ("Moral:", "寓意：")
_LABEL = re.compile(
    r"(?:[Tt]he )?[Mm]oral(?: of (?:the|this) (?:story|fable|tale))?(?: is)?\s*[:：]\s*|寓意\s*[:：]\s*"
)
_IS_THAT = re.compile(
    r"(?:(?:[Tt]he |[Aa] )?(?:moral|lesson|message)(?: of (?:the|this) (?:story|fable|tale))? is(?: that)?|[Tt]hat)[:,]? "
)
_LEAST_WORDS = 4
_MOST_WORDS = 30
_CJK_LEAST = 5
_CJK_MOST = 50
# A moral tells no event and speaks for nobody: these do, or talk about the text.
_TELLING = re.compile(
    r"\b(?:i|me|my|this|these|she|hers?|was|were|had|did|said|went|came|story|stories|fable|tale|moral|character|reader|author)\b",
    re.IGNORECASE,
)
_NO_SENTENCE = re.compile(
    r"(?:The|An?) (?:importance|value|power|story|lesson|danger|need|art|end|beginning) of\b(?!.*\b(?:is|are|can|lies|comes)\b)"
)


def check(text: str) -> tuple[Fault, ...]:
    """Return where a text is no fable."""
    story, moral = split(text)
    faults = list(prose.check(story))
    if not moral:
        return (*faults, Fault("moral missing", len(text)))
    at = len(text.rstrip()) - len(moral)
    return (*faults, *(Fault(rule, at) for rule in moral_faults(moral, name_words(story))))


def repair(text: str) -> str:
    """Put a fable right: the moral after its label, cut to its first sentence."""
    story, moral = split(text)
    told = prose.repair(story)
    kept = moral_in(moral, name_words(story)) if moral else ""
    return f"{told}\n\n{label_of(story)} {kept}" if kept else told


def split(text: str) -> tuple[str, str]:
    """Return the story and the moral, without its label; "" where it has none."""
    bare = text.rstrip()
    story, _, last = bare.rpartition("\n\n")
    match = _LABEL.match(last)
    if match is None or not story:
        return bare, ""
    return story.rstrip(), last[match.end() :].strip()


def join(story: str, moral: str) -> str:
    """Return a story with its moral."""
    return f"{story.rstrip()}\n\n{label_of(story)} {moral}"


def label_of(story: str) -> str:
    """Return what stands before a moral, in the story's language."""
    return LABELS[1] if re.search(f"[{CJK}]", story) else LABELS[0]


def moral_faults(moral: str, names: Collection[str]) -> tuple[str, ...]:
    """Return why a sentence is no moral of a story in which these names stand."""
    found = words(moral)
    is_cjk = re.search(f"[{CJK}]", moral) is not None
    least, most = (_CJK_LEAST, _CJK_MOST) if is_cjk else (_LEAST_WORDS, _MOST_WORDS)
    reasons = (
        ("length", not least <= len(found) <= most),
        ("sentences", len(sentences(moral)) != 1 or "\n" in moral),
        ("unfinished", moral[-1:] not in {".", "!", "。", "！"}),
        ("names", any(word in names for word in found)),
        ("event", _TELLING.search(moral) is not None),
        ("no sentence", not is_cjk and _NO_SENTENCE.match(moral) is not None),
        ("quotes", any(sign in moral for sign in '"“”「」:：')),
        ("drift", find_drift(moral) is not None),
    )
    return tuple(rule for rule, is_wrong in reasons if is_wrong)


def moral_in(text: str, names: Collection[str]) -> str:
    """Return the moral in what a model wrote after the label, "" where there is none.

    Quotes around it are taken off, and so are "The moral is that" and all after its first sentence.
    """
    bare = " ".join(text.split()).strip('"“”*_ ')
    bare = _IS_THAT.sub("", _LABEL.sub("", bare, count=1), count=1).strip('"“”*_ ')
    first = next(iter(sentences(bare)), "").strip('"“” ')
    if not first:
        return ""
    moral = first[0].upper() + first[1:]
    return "" if moral_faults(moral, names) else moral
