"""What the figures were measured on.

Invariant: nothing here names the machine or its user, only its kind.
"""

import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch

from bot import __version__
from bot.engine.local.resources import usable_threads

_LIBRARIES = ("torch", "transformers", "ctranslate2", "llama-cpp-python")
# Extensions that decide which precision pays: Linux names them so in /proc/cpuinfo.
_EXTENSIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_ARM_EXTENSIONS = ("asimddp", "bf16", "i8mm", "sve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The hardware and the libraries.

    Attributes:
        processor: its name.
        isa: the instruction set that torch's own kernels use.
        extensions: of the instruction set, those that matter here.
        processors: that this process may use.
        threads: that the engine computes with.
        memory_mib: of the machine.
        system: operating system and architecture.
        versions: of Python, Roundtale and the libraries that are installed.
    """

    processor: str
    isa: str
    extensions: tuple[str, ...]
    processors: int
    threads: int
    memory_mib: int
    system: str
    versions: dict[str, str]


def describe_machine(threads: int | None = None) -> Machine:
    """Return what this process runs on."""
    name, flags = _processor()
    versions = {"python": platform.python_version(), "roundtale": __version__}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return Machine(
        processor=name,
        isa=torch.backends.cpu.get_cpu_capability(),
        extensions=tuple(each for each in (*_EXTENSIONS, *_ARM_EXTENSIONS) if each in flags),
        processors=os.cpu_count() or 1,
        threads=usable_threads(threads),
        memory_mib=psutil.virtual_memory().total // 2**20,
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
    )


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, frozenset[str]]:
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    facts: dict[str, str] = {}
    for row in text.splitlines():
        key, _, value = row.partition(":")
        facts.setdefault(key.strip(), value.strip())
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name, frozenset((facts.get("flags") or facts.get("Features") or "").split())


class Others:
    """What other processes take of the processors, from its making on."""

    def __init__(self) -> None:
        self._begun_s = time.monotonic()
        self._all_s, self._own_s = _busy_s(), _own_busy_s()

    def share(self) -> float:
        """Return which share of all processors' time others took, 0 to 1."""
        passed_s = (time.monotonic() - self._begun_s) * (os.cpu_count() or 1)
        others_s = (_busy_s() - self._all_s) - (_own_busy_s() - self._own_s)
        return min(1.0, max(0.0, others_s / passed_s)) if passed_s else 0.0


def _busy_s() -> float:
    times = psutil.cpu_times()
    # A process that gives way computes too; Windows has no such count.
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _own_busy_s() -> float:
    """Return the processor time of this process and of the children that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
