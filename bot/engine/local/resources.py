"""What this process may use of the machine: processors and memory.

Invariant: nothing here raises because a file of the kernel is missing; what cannot
be known does not limit. Both generations of control groups are read, for a
container on an older host still has the first.
"""

import contextlib
import ctypes
import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
# The first generation writes "no limit" as the largest page-aligned number.
_UNLIMITED_BYTES = 1 << 60


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _read_number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _folders(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Yield the control groups that hold this process, from its own up to the root."""
    for line in (_read(own) or "").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            base = root
        elif controller in names.split(","):
            base = root / controller
        else:
            continue
        folder = base / path.lstrip("/")
        # A container may see its own group as the root, and its path not at all.
        while folder != base:
            yield folder
            folder = folder.parent
        yield base


def cpu_quota(root: Path = _CGROUP_ROOT, own: Path = _OWN_CGROUPS) -> float | None:
    """Return how many processors' time the control groups grant; None where unlimited."""
    limits: list[float] = []
    for folder in _folders("cpu", root, own):
        quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            limits.append(int(quota) / int(period))
        quota_us = _read_number(folder / "cpu.cfs_quota_us")
        period_us = _read_number(folder / "cpu.cfs_period_us")
        if quota_us is not None and period_us and quota_us > 0:
            limits.append(quota_us / period_us)
    return min(limits, default=None)


def usable_threads(
    wanted: int | None = None, *, root: Path = _CGROUP_ROOT, own: Path = _OWN_CGROUPS
) -> int:
    """Return how many threads the model should compute with.

    Args:
        wanted: the operator's choice; it is kept, but never above the affinity.
        root: where the control groups are mounted.
        own: the file that names this process's groups.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:  # pragma: no cover -- macOS and Windows
        allowed = os.cpu_count() or 1
    if wanted is not None:
        return max(1, min(wanted, allowed))
    quota = cpu_quota(root, own)
    # More threads than quota are stopped by the kernel in the middle of a step.
    return max(1, allowed if quota is None else min(allowed, math.floor(quota)))


def available_memory_bytes(root: Path = _CGROUP_ROOT, own: Path = _OWN_CGROUPS) -> int:
    """Return how much more memory this process may take."""
    available = int(psutil.virtual_memory().available)
    for folder in _folders("memory", root, own):
        for limit_name, used_name in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _read_number(folder / limit_name)
            used = _read_number(folder / used_name)
            if limit is not None and used is not None and limit < _UNLIMITED_BYTES:
                # File pages that can be dropped count as used there.
                cached = _reclaimable(folder)
                available = min(available, max(0, limit - used + cached))
    return available


def _reclaimable(folder: Path) -> int:
    for line in (_read(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name in {"inactive_file", "total_inactive_file"} and value.isdigit():
            return int(value)
    return 0


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library can: GNU's keeps it."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # musl, macOS; Windows
        ctypes.CDLL(None).malloc_trim(0)
