"""``python -m bot`` with a tap on the model: it writes as many steps as the test lets through.

Nothing of the bot is replaced but the wait before each step. The tap is a FIFO, named in E2E_TAP:
"." lets one step through, "o" opens it, "c" closes it. It begins open, and opens where nobody holds
its other end any more.
"""

import os
import runpy
import select
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sitecustomize import Finder  # the stand-in's shim, which comes first on the path


class TapReader:
    """The model's end of the tap."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self._is_open = True

    def wait(self) -> None:
        """Wait until a step may be done. Called in the model's thread."""
        while True:
            ready, _, _ = select.select([self._fd], [], [], 0 if self._is_open else None)
            if not ready:
                return
            match os.read(self._fd, 1):
                case b"c":
                    self._is_open = False
                case b".":
                    if not self._is_open:
                        return
                case b"o":
                    self._is_open = True
                case _:
                    self._is_open = True
                    return


def tap(module: ModuleType) -> None:
    """Put the tap before the core's steps."""
    reader = TapReader(os.environ["E2E_TAP"])
    step: Callable[[Any], Any] = module.EngineCore.step

    def tapped(core: Any) -> Any:
        reader.wait()
        return step(core)

    module.EngineCore.step = tapped


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder({"bot.engine.local.core": tap}))
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
