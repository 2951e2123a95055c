"""Point discord.py at the stand-in, and crash where a test asks for it.

Python imports this module at start when its folder is on PYTHONPATH. Nothing of the bot is changed but
discord.py's three base addresses and, with STAND_IN_CRASH, one function that kills its process:
"package.module:Class.method#2:after" dies after the second call returned ("before": instead of it).
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

ADDRESSES = {
    "discord.http": ("Route.BASE", "STAND_IN_API"),
    "discord.gateway": ("DiscordWebSocket.DEFAULT_GATEWAY", "STAND_IN_GATEWAY"),
    "discord.asset": ("Asset.BASE", "STAND_IN_CDN"),
}


def redirect(module: ModuleType) -> None:
    """Replace the base address that a module of discord.py holds."""
    path, variable = ADDRESSES[module.__name__]
    owner, name = path.split(".")
    address: Any = os.environ[variable]
    if module.__name__ == "discord.gateway":
        address = importlib.import_module("yarl").URL(address)
    setattr(getattr(module, owner), name, address)


def die() -> None:
    """End as a crash does: at once, with nothing tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(function: Callable[..., Any], nth: int, when: str) -> Callable[..., Any]:
    """Wrap a function so that its nth call kills the process before or after its work."""
    calls = 0

    def count(moment: str) -> None:
        if calls == nth and moment == when:
            die()

    @functools.wraps(function)
    async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        count("before")
        result = await function(*args, **kwargs)
        count("after")
        return result

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        count("before")
        result = function(*args, **kwargs)
        count("after")
        return result

    return wrapped_coroutine if inspect.iscoroutinefunction(function) else wrapped


def mine(module: ModuleType) -> None:
    """Put the crash point into the module that holds it."""
    place, _, how = os.environ["STAND_IN_CRASH"].partition("#")
    nth, _, when = how.partition(":")
    *owners, name = place.partition(":")[2].split(".")
    owner: Any = module
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, deadly(getattr(owner, name), int(nth or 1), when or "before"))


class Patching(importlib.abc.Loader):
    """A loader that hands a module to a patch as soon as it is executed."""

    def __init__(self, inner: importlib.abc.Loader, patch: Callable[[ModuleType], None]) -> None:
        self.inner, self.patch = inner, patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.inner.exec_module(module)
        self.patch(module)


class Finder(importlib.abc.MetaPathFinder):
    """Find the modules to patch as usual, and give them the patching loader."""

    def __init__(self, patches: dict[str, Callable[[ModuleType], None]]) -> None:
        self.patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = self.patches.pop(fullname, None)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Patching(spec.loader, patch)
        return spec


def install() -> None:
    """Hook the imports that the environment names."""
    patches: dict[str, Callable[[ModuleType], None]] = {}
    if "STAND_IN_API" in os.environ:
        patches.update(dict.fromkeys(ADDRESSES, redirect))
    if "STAND_IN_CRASH" in os.environ:
        patches[os.environ["STAND_IN_CRASH"].partition(":")[0]] = mine
    if patches:
        sys.meta_path.insert(0, Finder(patches))


install()
