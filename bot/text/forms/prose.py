"""Prose: whole sentences that stay in the story.

Invariant: what the checker passes ends where a sentence does, with no quote left open.
"""

from bot.text.drift import explain_drift
from bot.text.forms.faults import Fault
from bot.text.passage import trim_passage
from bot.text.quotes import are_quotes_balanced
from bot.text.sentences import last_sentence_end


def check(text: str) -> tuple[Fault, ...]:
    """Return where a text is no whole prose."""
    bare = text.rstrip()
    if not bare:
        return (Fault("empty", 0),)
    faults: list[Fault] = []
    drift = explain_drift(bare)
    if drift is not None:
        faults.append(Fault(drift.rule, drift.offset))
    if last_sentence_end(bare) != len(bare):
        faults.append(Fault("unfinished", len(bare)))
    if not are_quotes_balanced(bare):
        faults.append(Fault("open quote", len(bare)))
    return tuple(faults)


def repair(text: str) -> str:
    """Return the text up to where it leaves the story, trimmed to whole sentences."""
    drift = explain_drift(text)
    return trim_passage(text if drift is None else text[: drift.offset])
