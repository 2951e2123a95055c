"""How a fable's moral is asked of a completion model.

Invariant: the worked examples only show what a moral is; a candidate that repeats one of them
is none (``MoralPrompt.shown``). The fables are Aesop's, retold in a sentence each.
"""
# ruff: noqa: RUF001 -- Chinese punctuation is meant

from dataclasses import dataclass

from bot.story.front import CHINESE, words_for
from bot.story.model import Concept

_ENGLISH = (
    (
        "A fox could not reach the grapes that hung above him, and went away saying they were sour.",
        "It is easy to despise what you cannot get.",
    ),
    (
        "A hare laughed at a tortoise, lay down to sleep, and lost the race.",
        "Slow and steady wins the race.",
    ),
    (
        "A lion let a mouse go, and one day the mouse gnawed through the ropes that bound him.",
        "No act of kindness, however small, is ever wasted.",
    ),
    (
        "A dog saw another dog with meat in the water, snapped at it, and dropped his own.",
        "Those who want everything may lose what they have.",
    ),
    (
        "A boy cried wolf so often that nobody came when there was one.",
        "Nobody believes a liar, even when he tells the truth.",
    ),
    (
        "An ant worked all summer while a grasshopper sang, and in winter only one of them ate.",
        "Prepare today for what you will need tomorrow.",
    ),
)
_CHINESE = (
    ("狐狸够不着葡萄，就说葡萄是酸的。", "得不到的东西，人们常说它不好。"),
    ("兔子在路上睡着了，乌龟先到了终点。", "坚持到底的人才能成功。"),
    ("老鼠咬断绳子，救了曾经放过它的狮子。", "再小的善意也不会白费。"),
)
_TAIL_CHARS = 500


@dataclass(frozen=True, slots=True)
class MoralPrompt:
    """The words before a moral.

    Attributes:
        text: with the story; the model goes on after its last sign.
        blind: the same with nothing said of the story.
        shown: the morals of the examples.
    """

    text: str
    blind: str
    shown: frozenset[str]


def moral_prompt(concept: Concept, told: str) -> MoralPrompt:
    """Return how the moral of a story is asked for, in its language."""
    is_chinese = words_for(concept, told) is CHINESE
    fable, about, moral = (
        ("寓言：", "主题：", "寓意：") if is_chinese else ("Fable:", "Theme:", "Moral:")
    )
    examples = _CHINESE if is_chinese else _ENGLISH
    gap = "" if is_chinese else " "
    shown = [f"{fable}{gap}{story}\n{moral}{gap}{said}" for story, said in examples]
    tail = " ".join(told.split())
    if len(tail) > _TAIL_CHARS:
        tail = f"…{tail[-_TAIL_CHARS:]}"
    known = " ".join([*concept.premise.split(), tail]) if concept.premise else tail
    theme = f"\n{about}{gap}{concept.theme}" if concept.theme else ""
    return MoralPrompt(
        text="\n\n".join([*shown, f"{fable}{gap}{known}{theme}\n{moral}"]),
        blind="\n\n".join([*shown, f"{fable}{gap}…\n{moral}"]),
        shown=frozenset(said for _, said in examples),
    )
