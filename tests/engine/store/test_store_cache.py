import asyncio
import errno
import json
import os
import sys
from pathlib import Path

import pytest

from bot.engine.local.store import cache, list_installed
from bot.engine.local.store.errors import CacheUnwritableError, LockedError, NoRoomError
from bot.engine.local.store.progress import SILENT, WAIT
from tests.engine.store.model_store_kit import put


def test_a_placed_model_is_whole_and_listed(cache_dir: Path, tiny_gpt2: Path) -> None:
    path = put(cache_dir, tiny_gpt2, "me/stories", "r1")
    (model,) = list_installed(cache_dir)
    assert model.path == path
    assert model.name == "me/stories"
    assert model.is_whole
    assert model.size_bytes == sum(file.stat().st_size for file in tiny_gpt2.iterdir())
    assert not any((cache_dir / "staging").glob("*"))


def test_a_broken_model_is_replaced_in_its_place(cache_dir: Path, tiny_gpt2: Path) -> None:
    path = put(cache_dir, tiny_gpt2, "me/stories", "r1")
    (path / "config.json").unlink()
    assert not cache.is_whole(path)
    assert put(cache_dir, tiny_gpt2, "me/stories", "r1") == path
    assert cache.is_whole(path)
    assert not list(cache_dir.rglob("*.old"))


def test_the_newest_installation_is_found_first(cache_dir: Path, tiny_gpt2: Path) -> None:
    put(cache_dir, tiny_gpt2, "me/stories", "r1")
    newer = put(cache_dir, tiny_gpt2, "me/stories", "r2")
    found = cache.find_installed(cache_dir, "me/stories", None)
    assert found is not None
    assert found[0] == newer
    older = cache.find_installed(cache_dir, "me/stories", "r1")
    assert older is not None
    assert older[1].revision == "r1"
    assert cache.find_installed(cache_dir, "me/stories", "r3") is None
    assert cache.find_installed(cache_dir, "me/other", None) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "files": {}}']
)
def test_a_manifest_that_cannot_be_read_is_no_installation(
    cache_dir: Path, tiny_gpt2: Path, content: str
) -> None:
    path = put(cache_dir, tiny_gpt2, "me/stories", "r1")
    (path / cache.MANIFEST).write_text(content)
    assert cache.read_manifest(path) is None
    assert not cache.is_whole(path)
    assert cache.damaged(path) == (cache.MANIFEST,)
    assert list_installed(cache_dir) == []


def test_a_changed_byte_is_found_by_reading(cache_dir: Path, tiny_gpt2: Path) -> None:
    path = put(cache_dir, tiny_gpt2, "me/stories", "r1")
    weights = path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    assert cache.is_whole(path)
    assert cache.damaged(path) == ("model.safetensors",)


def test_a_json_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    cache.write_json(path, {"a": 1})

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(cache, "sync_file", full)
    with pytest.raises(OSError, match="full"):
        cache.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoRoomError),
        (errno.EACCES, CacheUnwritableError),
        (errno.EROFS, CacheUnwritableError),
        (errno.EIO, OSError),
    ],
)
def test_what_the_disk_refuses_becomes_a_sentence(
    tmp_path: Path, number: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind), cache.storing(tmp_path, "gpt2", 10):
        raise OSError(number, os.strerror(number))


def test_a_cache_folder_that_cannot_be_made_becomes_a_sentence(tmp_path: Path) -> None:
    # What a file system such as /proc answers to a new folder.
    with (
        pytest.raises(CacheUnwritableError, match="ROUNDTALE_CACHE_DIR"),
        cache.storing(tmp_path / "absent", "gpt2", 10),
    ):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))


def test_room_is_measured_before_it_is_needed(tmp_path: Path) -> None:
    cache.require_room(tmp_path, "gpt2", 1)
    with pytest.raises(NoRoomError) as caught:
        cache.require_room(tmp_path, "gpt2", 10**18)
    assert caught.value.data["needed_mb"] == 10**12


HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


class Waiting:
    """Says when somebody is told to wait."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        assert stage == WAIT
        self.told.set()


async def test_another_process_is_waited_for(cache_dir: Path) -> None:
    (cache_dir / "locks").mkdir(parents=True)
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(cache_dir / "locks" / "m.lock")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(LockedError):
        async with cache.exclusive(cache_dir, "m", SILENT, limit_s=0):
            pytest.fail("the lock was held by somebody else")

    entered = asyncio.Event()
    waiting = Waiting()

    async def enter() -> None:
        async with cache.exclusive(cache_dir, "m", waiting):
            entered.set()

    task = asyncio.create_task(enter())
    await asyncio.wait_for(waiting.told.wait(), 10)
    assert not entered.is_set()
    holder.kill()  # the system gives the lock back
    await holder.wait()
    await asyncio.wait_for(task, 10)
    assert entered.is_set()
