import ctypes
import os
import sys
from pathlib import Path

import psutil
import pytest

from bot.engine.local.resources import (
    available_memory_bytes,
    cpu_quota,
    return_freed_memory,
    usable_threads,
)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def second(tmp_path: Path) -> tuple[Path, Path]:
    own = tmp_path / "own"
    own.write_text("0::/system/bot\n")
    write(tmp_path / "cg" / "system" / "bot")
    return tmp_path / "cg", own


@pytest.fixture
def first(tmp_path: Path) -> tuple[Path, Path]:
    own = tmp_path / "own"
    own.write_text("4:memory:/bot\n3:cpu,cpuacct:/bot\n1:name=systemd:/\n")
    return tmp_path / "cg", own


def test_the_tightest_quota_on_the_way_up_counts(second: tuple[Path, Path]) -> None:
    root, own = second
    write(root / "system" / "bot", cpu__max="max 100000")
    write(root / "system", cpu__max="150000 100000")
    assert cpu_quota(root, own) == 1.5
    assert usable_threads(root=root, own=own) == 1


def test_older_control_groups_are_read_too(first: tuple[Path, Path]) -> None:
    root, own = first
    write(root / "cpu", cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    (root / "cpu,cpuacct").symlink_to(root / "cpu")
    assert cpu_quota(root, own) == 4.0
    write(root / "cpu", cpu__cfs_quota_us="-1")
    assert cpu_quota(root, own) is None


def test_without_limits_the_affinity_counts(tmp_path: Path) -> None:
    allowed = len(os.sched_getaffinity(0))
    assert usable_threads(root=tmp_path, own=tmp_path / "none") == allowed
    assert usable_threads(1) == 1
    assert usable_threads(10_000) == allowed


def test_a_quota_below_one_processor_still_gives_a_thread(second: tuple[Path, Path]) -> None:
    root, own = second
    write(root, cpu__max="50000 100000")
    assert usable_threads(root=root, own=own) == 1


def test_memory_is_what_the_group_leaves_with_file_pages_that_can_go(
    second: tuple[Path, Path],
) -> None:
    root, own = second
    write(
        root / "system" / "bot",
        memory__max="1000",
        memory__current="700",
        memory__stat="anon 600\ninactive_file 50\n",
    )
    assert available_memory_bytes(root, own) == 350


def test_older_memory_groups_are_read_too(first: tuple[Path, Path]) -> None:
    root, own = first
    folder = root / "memory" / "bot"
    write(folder, memory__limit_in_bytes="500", memory__usage_in_bytes="900")
    assert available_memory_bytes(root, own) == 0
    write(folder, memory__limit_in_bytes=str((1 << 63) - 4096))
    assert available_memory_bytes(root, own) > 0


def test_without_groups_the_machine_counts(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    assert 0 < available_memory_bytes(tmp_path, tmp_path / "none") <= total


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="not GNU's C library",
)
def test_freed_memory_goes_back_to_the_system() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    piece_bytes, count = 64 * 1024, 1500
    pieces = [libc.malloc(piece_bytes) for _ in range(count)]
    for piece in pieces:
        ctypes.memset(piece, 1, piece_bytes)
    for piece in pieces[:-1]:  # the last keeps the heap from shrinking by itself
        libc.free(piece)
    before = psutil.Process().memory_info().rss
    return_freed_memory()
    assert before - psutil.Process().memory_info().rss > piece_bytes * count // 2
    libc.free(pieces[-1])


def test_a_c_library_that_keeps_its_memory_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.engine.local.resources.ctypes.CDLL", lambda _: object())
    return_freed_memory()
