"""How a model is trained.

Invariant: the same recipe, tales and base give the same model on one build and processor, unless
a limit of time cuts it short.
"""

from dataclasses import asdict, dataclass
from enum import Enum


class Method(Enum):
    """What is changed of the base model."""

    LORA = "lora"
    FULL = "full"


LORA_LEARNING_RATE = 5e-4
FULL_LEARNING_RATE = 5e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The settings of a training.

    Attributes:
        method: low-rank matrices beside every linear layer (Hu et al. 2021), or all weights.
        rank: of these matrices.
        alpha_ratio: how strongly they count, as a multiple of the rank.
        learning_rate: at its highest, after the warm-up; it falls to 0 along a cosine.
        warmup_share: of the steps, in which it rises.
        weight_decay: of AdamW.
        epochs: how often each tale is read at most.
        window_tokens: of one row.
        batch_rows: rows for one step.
        tagged_share: of the pieces that begin with their control tags; the others keep the
            model at home without them.
        genre_share: of those, which tell their genre too; the others have the format's tag alone,
            as a story without a genre has.
        patience: validations in a row without progress after which it stops.
        validations: in the whole run.
        seed: of everything that is drawn.
        time_limit_s: for training and its validations; None for no limit.
    """

    method: Method = Method.LORA
    rank: int = 16
    alpha_ratio: float = 2.0
    learning_rate: float = LORA_LEARNING_RATE
    warmup_share: float = 0.05
    weight_decay: float = 0.01
    epochs: float = 3.0
    window_tokens: int = 512
    batch_rows: int = 4
    tagged_share: float = 0.8
    genre_share: float = 0.875
    patience: int = 3
    validations: int = 10
    seed: int = 0
    time_limit_s: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return the settings as plain data."""
        return {**asdict(self), "method": self.method.value}

    def identity(self) -> dict[str, object]:
        """Return what must be the same for an interrupted run to go on."""
        return {key: value for key, value in self.as_json().items() if key != "time_limit_s"}
