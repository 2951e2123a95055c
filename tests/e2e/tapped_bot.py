"""``python -m bot`` with a tap on the model: it writes as many steps as the test lets through.

Nothing of the bot is replaced but the wait before each step. The tap is a FIFO, named in E2E_TAP:
"." lets one step through, "o" opens it, "c" closes it. It begins open, and opens where nobody holds
its other end any more. E2E_CRASH names a file; while it says "module:Class.method when", the process
kills itself before or after that call, so that one run after another can die at a point of its own.
"""

import functools
import inspect
import os
import runpy
import select
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sitecustomize import Finder, die  # the stand-in's shim, which comes first on the path

POINTS = (
    "bot.discord_app.ledger:PassageMessages._settle",
    "bot.service.generation:Runner._commit",
    "bot.service.generation:Runner.start",
    "bot.storage.jobs:SqlJobs.finish",
)


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


def crash_point(module: ModuleType) -> None:
    """Make the points of a module deadly, each while the file names it."""
    armed = Path(os.environ["E2E_CRASH"])

    def deadly(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def meet(moment: str) -> None:
            if armed.exists() and armed.read_text() == f"{point} {moment}":
                armed.unlink()
                die()

        @functools.wraps(function)
        async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
            meet("before")
            result = await function(*args, **kwargs)
            meet("after")
            return result

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            meet("before")
            result = function(*args, **kwargs)
            meet("after")
            return result

        return wrapped_coroutine if inspect.iscoroutinefunction(function) else wrapped

    for point in POINTS:
        name, _, path = point.partition(":")
        if name == module.__name__:
            owner_name, attribute = path.split(".")
            owner = getattr(module, owner_name)
            setattr(owner, attribute, deadly(point, getattr(owner, attribute)))


if __name__ == "__main__":
    patches = {point.partition(":")[0]: crash_point for point in POINTS}
    sys.meta_path.insert(0, Finder({"bot.engine.local.core": tap, **patches}))
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
