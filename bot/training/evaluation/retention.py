"""Whether a model remembers: how much likelier the true name is than another, by distance.

Invariant: two facts with a name each are told, and one is asked for in other words; then the same with
the names exchanged, so that a name that the model simply prefers, or has just read, gains nothing. Names
are told apart by the first token in which they differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.training.evaluation.scoring import Scorer

RECAP_TOKENS = 40
"""How far before the question a recap repeats the facts."""

_NAMES = (
    *("Halvard", "Serena", "Benedict", "Paloma", "Tobias", "Ingrid", "Lorenzo"),
    *("Matilda", "Gideon", "Yvette", "Casper", "Rosalind", "Emmett"),
)
# How it is told, and how it is asked: in other words, or copying would do.
_FACTS = (
    ("The ferryman's name was", "Everybody on the river called the ferryman"),
    ("The girl with the red lantern was called", "The name of the girl with the lantern was"),
    ("The baker's only son was named", "The baker shouted to his son,"),
    ("The old horse answered to the name of", "They had always called the old horse"),
    ("The stranger said that his name was", "The stranger at the gate was"),
    ("The captain of the guard was a woman named", "The guards obeyed their captain,"),
    ("The thief whom everybody looked for was", "At last they caught the thief,"),
    ("The queen had a sister whose name was", "The queen wrote a letter to her sister"),
    ("The doctor in the next village was called", "They sent for the doctor,"),
    ("The boy who had found the key was", "The key had been found by"),
    ("The innkeeper always called her dog", "The innkeeper whistled for her dog,"),
    ("The letter was signed with the name", "The person who had signed the letter was"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What was remembered at a distance.

    Attributes:
        distance: tokens between fact and question.
        has_recap: whether the facts were repeated shortly before the question.
        log_odds: by fact: how much likelier the true name is, in nats, mean of both ways.
        right: by fact: share of the two ways in which the true name is the likelier.
    """

    distance: int
    has_recap: bool
    log_odds: tuple[float, ...]
    right: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """What was told, how it is asked for, and the two names."""

    told: str
    asked: str
    true: str
    other: str


def measure_retention(
    scorer: Scorer,
    filler: str,
    distances: Sequence[int],
    *,
    facts: int,
    report: Callable[[int, int], None],
) -> list[Retention]:
    """Ask for names that were told before a stretch of another text.

    Args:
        scorer: the model.
        filler: people's text that stands between; long enough for the distances.
        distances: in tokens; those that the model's window does not hold are left out.
        facts: how many of them, at most.
        report: hears how many questions of how many were asked.
    """
    ids = scorer.encode(f" {filler}")
    besides = [told for told, _ in (*_FACTS[1:], _FACTS[0])]
    asked = list(zip(_FACTS, besides, pairwise(_NAMES), strict=True))[:facts]
    fitting = [each for each in distances if each <= min(len(ids), scorer.window_tokens - 100)]
    found: list[Retention] = []
    total = 2 * len(fitting)
    for distance in fitting:
        for has_recap in (False, True):
            odds, right = [], []
            for number, (fact, beside, names) in enumerate(asked):
                at = (number * 997) % max(1, len(ids) - distance)
                between = ids[at : at + distance]
                gains = []
                for true, other in (names, names[::-1]):
                    told = [f"{fact[0]} {true}.", f"{beside} {other}."]
                    # Each is the later one as often as not.
                    told = told[:: 1 if number % 2 else -1]
                    question = _Question(" ".join(told), fact[1], true, other)
                    gains.append(_gain(scorer, question, between, has_recap=has_recap))
                odds.append(sum(gains) / len(gains))
                right.append(sum(gain > 0 for gain in gains) / len(gains))
            found.append(
                Retention(
                    distance=distance,
                    has_recap=has_recap,
                    log_odds=tuple(odds),
                    right=tuple(right),
                )
            )
            report(len(found), total)
    return found


def _gain(scorer: Scorer, question: _Question, between: Sequence[int], *, has_recap: bool) -> float:
    middle = list(between)
    if has_recap:
        at = max(0, len(middle) - RECAP_TOKENS)
        middle[at:at] = scorer.encode(f" {question.told}")
    context = [*scorer.encode(question.told), *middle, *scorer.encode(f"\n\n{question.asked}")]
    ids, others = scorer.encode(f" {question.true}"), scorer.encode(f" {question.other}")
    same = next(at for at, pair in enumerate(zip(ids, others, strict=False)) if len(set(pair)) > 1)
    after = scorer.next_logits([*context, *ids[:same]])
    return float(after[ids[same]] - after[others[same]])
