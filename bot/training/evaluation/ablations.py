"""Measures that the program takes while it writes, each of which can be left out by name.

Invariant: an ablation changes a request and nothing else, so that what it shows is the effect of
that one measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from types import MappingProxyType

from bot.engine.types import GenerationRequest, PromptPart
from bot.policy.settings import Settings
from bot.text.passage import PassageMonitor
from bot.training.evaluation.errors import UnknownMeasureError


@dataclass(frozen=True, slots=True)
class Ablation:
    """What it means to leave a measure out.

    Attributes:
        settings: what an admin would set.
        forbids_loops: whether loops are still rewound.
        forbids_drift: whether leaving the story still is.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    forbids_loops: bool = True
    forbids_drift: bool = True


_NO_PENALTIES = {
    "repetition_penalty": "1",
    "no_repeat_ngram": "0",
    "presence_penalty": "0",
    "frequency_penalty": "0",
    "dry_multiplier": "0",
}
ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        "loops": Ablation(forbids_loops=False),
        "drift": Ablation(forbids_drift=False),
        "min_p": Ablation({"min_p": "0"}),
        "top_k": Ablation({"top_k": "0"}),
        "repetition_penalty": Ablation({"repetition_penalty": "1"}),
        "no_repeat_ngram": Ablation({"no_repeat_ngram": "0"}),
        "presence": Ablation({"presence_penalty": "0", "frequency_penalty": "0"}),
        "dry": Ablation({"dry_multiplier": "0"}),
        "repetition_control": Ablation(_NO_PENALTIES),
        "monitor": Ablation(forbids_loops=False, forbids_drift=False),
        "everything": Ablation(_NO_PENALTIES, forbids_loops=False, forbids_drift=False),
    }
)


def find_ablation(name: str) -> Ablation:
    """Return what a name leaves out; "" leaves nothing out.

    Raises:
        UnknownMeasureError: there is no such measure.
    """
    if not name:
        return Ablation()
    try:
        return ABLATIONS[name]
    except KeyError:
        raise UnknownMeasureError(name=name, known=", ".join(ABLATIONS)) from None


def leave_out(
    request: GenerationRequest, ablation: Ablation, settings: Settings
) -> GenerationRequest:
    """Return a passage's request without what an ablation leaves out."""
    if ablation.forbids_loops and ablation.forbids_drift:
        return request
    if not isinstance(request.monitor, PassageMonitor):
        return request  # no passage
    bounds = settings.bounds()
    monitor = PassageMonitor(
        min_chars=bounds.min_chars,
        target_chars=bounds.target_chars,
        max_chars=bounds.max_chars,
        context_tail=_text(request.prompt),
        forbids_loops=ablation.forbids_loops,
        forbids_drift=ablation.forbids_drift,
    )
    return replace(request, monitor=monitor)


def _text(parts: Sequence[PromptPart]) -> str:
    messages = groupby(parts, key=lambda part: part.role)
    return "\n\n".join("".join(part.text for part in same) for _, same in messages)
