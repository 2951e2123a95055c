"""Ways of writing with a model, all measured alike.

Invariant: every way writes exactly as many tokens as it is asked for, always the likeliest
one, and the end of a text is either never drawn or written past.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.bench.models import BenchModel
from bot.bench.plan import Plan

Ids = Sequence[int]


class Way(Protocol):
    """One way of writing, open and warm."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        ...

    @property
    def keeps_stories(self) -> bool:
        """Whether it can go on with a story without computing it anew."""
        ...

    def batches(self, plan: Plan) -> tuple[int, ...]:
        """Return which numbers of texts at once are worth measuring."""
        ...

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        """Write after each prompt and return the new ids.

        Args:
            prompts: all of the same length.
            new_tokens: for each, exactly.
            story: where prompts begin with a text that was written under this name before,
                its keys and values may be used again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """Ways that share a model in memory.

    Attributes:
        names: of the ways, for the report where they cannot be opened.
        open: loads the model and gives the ways; what it holds is freed in the end.
    """

    names: tuple[str, ...]
    open: Callable[[BenchModel, Plan], AbstractContextManager[Sequence[Way]]]


class NotAvailableError(Exception):
    """A way cannot be measured here; its text says why, for the report."""
