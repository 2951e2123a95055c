"""Where models come from and where they are kept: the hub, a Python package, a folder.

Invariant: nothing here loads a model for writing; what ``resolve`` returns is a
complete folder with safetensors weights, and no wait on a network lacks a limit.
What this package offers is imported when it is first asked for: huggingface_hub
costs a tenth of a second, and ``convert`` must not be imported before it is run.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.engine.local.store.catalogue import (
        CATALOGUE,
        DEFAULT_NAME,
        EMBEDDED_NAME,
        KnownModel,
        find,
    )
    from bot.engine.local.store.choice import forget_choice, recall
    from bot.engine.local.store.installation import (
        InstalledModel,
        ModelDetails,
        install,
        list_installed,
    )
    from bot.engine.local.store.progress import SILENT, Progress, Sentence
    from bot.engine.local.store.resolution import (
        Choice,
        Resolved,
        describe_choice,
        info,
        resolve,
    )

__all__ = [
    "CATALOGUE",
    "DEFAULT_NAME",
    "EMBEDDED_NAME",
    "SILENT",
    "Choice",
    "InstalledModel",
    "KnownModel",
    "ModelDetails",
    "Progress",
    "Resolved",
    "Sentence",
    "describe_choice",
    "find",
    "forget_choice",
    "info",
    "install",
    "list_installed",
    "recall",
    "resolve",
]

_HOMES = {
    "catalogue": ("CATALOGUE", "DEFAULT_NAME", "EMBEDDED_NAME", "KnownModel", "find"),
    "choice": ("forget_choice", "recall"),
    "installation": ("InstalledModel", "ModelDetails", "install", "list_installed"),
    "progress": ("SILENT", "Progress", "Sentence"),
    "resolution": ("Choice", "Resolved", "describe_choice", "info", "resolve"),
}


def __getattr__(name: str) -> object:
    """Import what is asked for (PEP 562)."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
