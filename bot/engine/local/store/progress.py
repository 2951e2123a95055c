"""How an installation tells how far it is.

Invariant: stages are gettext msgids; reports come on the event loop's thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.locales import N_

ASK_HUB = N_("Asking the model hub")
DOWNLOAD = N_("Downloading the model")
CHECK = N_("Checking the model's files")
UNPACK = N_("Unpacking the model")
CONVERT = N_("Converting the model, once")
SAVE = N_("Storing the model")
WAIT = N_("Waiting for another installation of the same model")


class Progress(Protocol):
    """Shows an installation's progress."""

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Tell what happens now.

        Args:
            stage: a msgid, such as ``DOWNLOAD``.
            done: how much of ``total`` is done (bytes, or tensors); None where unknown.
            total: how much there is; None where unknown.
        """
        ...


class Silent:
    """Shows nothing."""

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Ignore the report."""


SILENT = Silent()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence for people, to be put into words at the edge.

    Attributes:
        message: a msgid.
        data: the values it names.
    """

    message: str
    data: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message.format_map(self.data)
