"""Whether a model remembers: how much likelier the true name is than another, by distance.

Invariant: each question is asked twice with the names' parts exchanged, so that a name that the
model simply prefers gains nothing; a model that remembers nothing is right half the time. Names are
told apart by the first token in which they differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.training.evaluation.scoring import Scorer

RECAP_TOKENS = 40
"""How far before the question a recap repeats the fact."""

_NAMES = (
    *("Halvard", "Serena", "Benedict", "Paloma", "Tobias", "Ingrid", "Lorenzo"),
    *("Matilda", "Gideon", "Yvette", "Casper", "Rosalind", "Emmett"),
)
_FACTS = (
    "The ferryman's name was",
    "The girl with the red lantern was called",
    "The baker's only son was named",
    "The old horse answered to the name of",
    "The stranger at the gate said that his name was",
    "The captain of the guard was a woman named",
    "The thief whom everybody looked for was",
    "The queen had a sister whose name was",
    "The doctor in the next village was called",
    "The boy who had found the key was",
    "The innkeeper always called her dog",
    "The letter was signed with the name",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What was remembered at a distance.

    Attributes:
        distance: tokens between fact and question.
        has_recap: whether the fact was repeated shortly before the question.
        log_odds: by fact: how much likelier the true name is, in nats, mean of both ways.
        right: by fact: share of the two ways in which the true name is the likelier.
    """

    distance: int
    has_recap: bool
    log_odds: tuple[float, ...]
    right: tuple[float, ...]


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
    asked = list(zip(_FACTS, pairwise(_NAMES), strict=True))[:facts]
    fitting = [each for each in distances if each <= min(len(ids), scorer.window_tokens - 100)]
    found: list[Retention] = []
    total = 2 * len(fitting)
    for distance in fitting:
        for has_recap in (False, True):
            odds, right = [], []
            for number, (fact, names) in enumerate(asked):
                at = (number * 997) % max(1, len(ids) - distance)
                between = ids[at : at + distance]
                gains = [
                    _gain(scorer, fact, true, other, between, has_recap=has_recap)
                    for true, other in (names, names[::-1])
                ]
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


def _gain(
    scorer: Scorer, fact: str, true: str, other: str, between: Sequence[int], *, has_recap: bool
) -> float:
    told = f"{fact} {true}."
    middle = list(between)
    if has_recap:
        at = max(0, len(middle) - RECAP_TOKENS)
        middle[at:at] = scorer.encode(f" {told}")
    context = [*scorer.encode(told), *middle, *scorer.encode(f"\n\n{fact}")]
    ids, others = scorer.encode(f" {true}"), scorer.encode(f" {other}")
    same = next(at for at, pair in enumerate(zip(ids, others, strict=False)) if len(set(pair)) > 1)
    after = scorer.next_logits([*context, *ids[:same]])
    return float(after[ids[same]] - after[others[same]])
