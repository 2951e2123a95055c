import asyncio
import errno
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi, constants, snapshot_download

from bot.engine.local.store import hub as hub_module
from bot.engine.local.store import install, list_installed, progress, recall, resolve
from bot.engine.local.store.cache import damaged
from bot.engine.local.store.errors import (
    DownloadBrokenError,
    HubUnreachableError,
    ModelUnavailableError,
    NoRoomError,
    NoSuchRevisionError,
    NotAModelFolderError,
    NotOnHubError,
    PickleOnlyError,
    UnknownNameError,
    WrongHashError,
)
from bot.engine.local.store.hub import ask, fetch
from tests.engine.store.model_store_kit import GPT2, Recorder
from tests.support.hub_server import HubServer, Repository

WEIGHTS = "model.safetensors"
CHUNK = 32 * 1024


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tiny file come in several blocks, as a real one does in blocks of 10 MB."""
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)


async def get(hub: HubServer, cache_dir: Path, **options: Any) -> Path:
    return await install(GPT2, cache_dir=cache_dir, endpoint=hub.url, **options)


async def test_the_default_model_comes_from_the_hub_and_writes(
    hub: HubServer, cache_dir: Path, hub_cache: Path, recorder: Recorder
) -> None:
    found = await resolve(
        GPT2, cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache, report=recorder
    )

    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 -- heavy

    model: Any = AutoModelForCausalLM.from_pretrained(found.path)
    tokenizer: Any = AutoTokenizer.from_pretrained(found.path)
    ids = tokenizer("Once upon a time", return_tensors="pt")
    text = model.generate(**ids, max_new_tokens=3, do_sample=False)
    assert text.shape[1] == ids["input_ids"].shape[1] + 3
    assert found.revision == hub.repositories[GPT2].commit
    assert found.source == "hub"
    assert found.window_tokens == 1024
    assert hub.url in str(found.why)
    assert recorder.stages == [progress.ASK_HUB, progress.DOWNLOAD, progress.CHECK]
    _, done, total = [r for r in recorder.reports if r[0] == progress.DOWNLOAD][-1]
    assert done == total
    assert damaged(found.path) == ()


async def test_what_is_installed_is_never_asked_for_again(
    hub: HubServer, cache_dir: Path, hub_cache: Path
) -> None:
    path = await get(hub, cache_dir)
    hub.requests.clear()
    found = await resolve(GPT2, cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache)
    assert found.path == path
    assert hub.requests == []
    assert "on this machine" in str(found.why)


async def test_auto_takes_the_default_from_the_hub_and_remembers_it(
    hub: HubServer, cache_dir: Path, hub_cache: Path
) -> None:
    first = await resolve("auto", cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache)
    assert first.name == GPT2
    assert recall(cache_dir) == f"{GPT2}@{first.revision}"
    hub.faults.status = 500
    again = await resolve("auto", cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache)
    assert again.path == first.path
    assert "chosen at the first start" in str(again.why)


async def test_only_the_files_of_the_model_are_fetched(hub: HubServer, cache_dir: Path) -> None:
    hub.repositories[GPT2].files |= {
        "pytorch_model.bin": b"pickle",
        "tf_model.h5": b"",
        "onnx/decoder_model.onnx": b"",
        "run_me.py": b"print()",
        "README.md": b"#",
        "model.fp16.safetensors": b"",
    }
    path = await get(hub, cache_dir)
    names = {file.name for file in path.iterdir()}
    assert WEIGHTS in names
    assert names.isdisjoint(hub.repositories[GPT2].files.keys() - {WEIGHTS, *names})
    assert not {name for name in names if name.endswith((".bin", ".h5", ".py", ".onnx", ".md"))}
    assert list_installed(cache_dir)[0].licence == "mit"


async def test_a_tag_is_pinned_to_its_commit_and_found_offline(
    hub: HubServer, cache_dir: Path, hub_cache: Path
) -> None:
    hub.repositories[GPT2].refs.add("v1")
    path = await get(hub, cache_dir, revision="v1")
    commit = hub.repositories[GPT2].commit
    for revision in ("v1", commit):
        found = await resolve(
            GPT2, cache_dir=cache_dir, revision=revision, endpoint=hub.url, hub_cache=hub_cache
        )
        assert found.path == path
    assert (
        await resolve(f"{GPT2}@{commit}", cache_dir=cache_dir, hub_cache=hub_cache)
    ).path == path
    with pytest.raises(NoSuchRevisionError):
        await resolve(
            GPT2, cache_dir=cache_dir, revision="v2", endpoint=hub.url, hub_cache=hub_cache
        )


async def test_a_cut_connection_is_taken_up_where_it_broke(
    hub: HubServer, cache_dir: Path, small_chunks: None
) -> None:
    hub.faults.cut_after = [3 * CHUNK + 5]
    path = await get(hub, cache_dir)
    first, second = hub.gets(WEIGHTS)
    assert first is None
    assert second == f"bytes={3 * CHUNK}-"
    assert damaged(path) == ()


async def test_a_server_without_ranges_costs_a_second_download_and_no_harm(
    hub: HubServer, cache_dir: Path, small_chunks: None
) -> None:
    hub.faults.cut_after = [2 * CHUNK]
    hub.faults.ignores_ranges = True
    assert damaged(await get(hub, cache_dir)) == ()


DRIVER = """
import asyncio, sys
from pathlib import Path
from huggingface_hub import HfApi, constants
from bot.engine.local.store import install
constants.DOWNLOAD_CHUNK_SIZE = int(sys.argv[3])
asyncio.run(install(sys.argv[4], cache_dir=Path(sys.argv[1]), endpoint=sys.argv[2]))
"""


def wait_for_part(staging: Path, size: int) -> None:
    deadline = time.monotonic() + 30
    while not any(file.stat().st_size >= size for file in staging.glob("*/*/*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_a_killed_download_goes_on_in_the_next_process(
    hub: HubServer, cache_dir: Path
) -> None:
    hub.faults.stall_after = 4 * CHUNK
    driver = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DRIVER, str(cache_dir), hub.url, str(CHUNK), GPT2
    )
    assert await asyncio.to_thread(hub.stalled.wait, 30)
    await asyncio.to_thread(wait_for_part, cache_dir / "staging", 4 * CHUNK)
    driver.kill()
    await driver.wait()
    assert list_installed(cache_dir) == []
    hub.faults.stall_after = None
    path = await get(hub, cache_dir)
    assert hub.gets(WEIGHTS) == [None, f"bytes={4 * CHUNK}-"]
    assert len(hub.gets("config.json")) == 1
    assert damaged(path) == ()


async def test_a_spoiled_part_is_thrown_away_once_and_fetched_anew(
    hub: HubServer, cache_dir: Path
) -> None:
    hub.faults.file_status = 503
    with pytest.raises(DownloadBrokenError, match="HTTP 503"):
        await get(hub, cache_dir)
    hub.faults.file_status = None
    (staging,) = (cache_dir / "staging").glob("*/*")
    (staging / f"{WEIGHTS}.part").write_bytes(b"nonsense" * 100)
    assert damaged(await get(hub, cache_dir)) == ()


async def test_a_part_that_is_too_long_is_not_taken_up(hub: HubServer, cache_dir: Path) -> None:
    staging = cache_dir / "staging" / GPT2.replace("/", "--") / hub.repositories[GPT2].commit
    staging.mkdir(parents=True)
    size = len(hub.repositories[GPT2].files[WEIGHTS])
    (staging / f"{WEIGHTS}.part").write_bytes(bytes(size + 1))
    (staging / "stray").write_bytes(b"")
    path = await get(hub, cache_dir)
    assert damaged(path) == ()
    assert not (path / "stray").exists()


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
async def test_a_file_with_the_wrong_content_is_refused(
    hub: HubServer, cache_dir: Path, file: str
) -> None:
    content = bytearray(hub.repositories[GPT2].files[file])
    content[-2] ^= 1
    hub.faults.replaced[file] = bytes(content)
    with pytest.raises(WrongHashError, match=file):
        await get(hub, cache_dir)
    assert list_installed(cache_dir) == []
    hub.faults.replaced.clear()
    assert damaged(await get(hub, cache_dir)) == ()


async def test_a_connection_that_breaks_again_and_again_ends_with_a_sentence(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise httpx2.ReadError("reset by peer")

    monkeypatch.setattr(hub_module, "http_get", break_off)
    with pytest.raises(DownloadBrokenError, match="reset by peer"):
        await get(hub, cache_dir)


async def test_a_file_shorter_than_announced_ends_with_a_sentence(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inconsistent(*_: object, **__: object) -> None:
        raise OSError("Consistency check failed")

    monkeypatch.setattr(hub_module, "http_get", inconsistent)
    with pytest.raises(DownloadBrokenError, match="Consistency"):
        await get(hub, cache_dir)


async def test_a_download_that_stalls_ends_with_a_sentence(
    hub: HubServer, tmp_path: Path, recorder: Recorder
) -> None:
    listing = await ask(GPT2, revision=None, endpoint=hub.url, limit_s=5)
    hub.faults.stall_after = 10
    with pytest.raises(DownloadBrokenError, match="nothing arrived for"):
        await fetch(listing, into=tmp_path, endpoint=hub.url, report=recorder, stall_s=0.2)


async def test_a_full_disk_is_told_with_what_is_missing(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(hub_module, "http_get", full)
    with pytest.raises(NoRoomError, match="not enough room"):
        await get(hub, cache_dir)


async def test_a_disk_that_is_too_small_is_told_before_the_download(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NoRoomError):
        await get(hub, cache_dir)
    assert hub.gets(WEIGHTS) == []


async def test_two_installations_at_once_download_once(hub: HubServer, cache_dir: Path) -> None:
    waiting = Recorder()
    paths = await asyncio.gather(
        get(hub, cache_dir),
        get(hub, cache_dir, report=waiting),
        get(hub, cache_dir, report=waiting),
    )
    assert len(set(paths)) == 1
    assert len(hub.gets(WEIGHTS)) == 1
    assert progress.WAIT in waiting.stages


async def test_an_installation_that_was_damaged_is_replaced(
    hub: HubServer, cache_dir: Path, hub_cache: Path
) -> None:
    path = await get(hub, cache_dir)
    (path / WEIGHTS).write_bytes(b"short")
    assert not list_installed(cache_dir)[0].is_whole
    found = await resolve(GPT2, cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache)
    assert found.path == path
    assert damaged(path) == ()


async def test_pickled_weights_are_refused_before_the_download(
    hub: HubServer, cache_dir: Path
) -> None:
    files = hub.repositories[GPT2].files
    files["pytorch_model.bin"] = files.pop(WEIGHTS)
    with pytest.raises(PickleOnlyError, match=r"pytorch_model\.bin"):
        await get(hub, cache_dir)
    assert hub.gets("config.json") == []


async def test_a_repository_without_weights_is_refused(hub: HubServer, cache_dir: Path) -> None:
    del hub.repositories[GPT2].files[WEIGHTS]
    with pytest.raises(NotAModelFolderError):
        await get(hub, cache_dir)


async def test_a_repository_without_a_tokenizer_is_not_installed(
    hub: HubServer, cache_dir: Path
) -> None:
    del hub.repositories[GPT2].files["tokenizer.json"]
    with pytest.raises(NotAModelFolderError, match=r"tokenizer\.json"):
        await get(hub, cache_dir)
    assert list_installed(cache_dir) == []


async def test_a_model_the_hub_does_not_show_is_told_as_such(
    hub: HubServer, cache_dir: Path
) -> None:
    with pytest.raises(NotOnHubError, match="someone/private"):
        await install("someone/private", cache_dir=cache_dir, endpoint=hub.url)


async def test_a_name_that_cannot_be_one_is_told_as_such(hub: HubServer, cache_dir: Path) -> None:
    with pytest.raises(UnknownNameError):
        await install("a/b/c", cache_dir=cache_dir, endpoint=hub.url)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [({"status": 500}, "HTTP 500"), ({"is_portal": True}, "JSON"), ({"hangs": True}, "no answer")],
)
async def test_a_hub_that_misbehaves_ends_within_the_limit(
    hub: HubServer, cache_dir: Path, hub_cache: Path, fault: dict[str, Any], cause: str
) -> None:
    for name, value in fault.items():
        setattr(hub.faults, name, value)
    with pytest.raises(HubUnreachableError, match=cause):
        await resolve(
            GPT2, cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache, hub_timeout_s=0.4
        )


async def test_an_answer_that_is_not_a_hubs_is_no_answer(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stranger:
        def __init__(self, **_: object) -> None: ...

        def model_info(self, *_: object, **__: object) -> Any:
            return type("Info", (), {"sha": None, "siblings": None})()

    monkeypatch.setattr(hub_module, "HfApi", Stranger)
    with pytest.raises(HubUnreachableError, match="not a model hub"):
        await install(GPT2, cache_dir=cache_dir)


async def test_the_librarys_offline_switch_is_heard(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="HF_HUB_OFFLINE"):
        await get(hub, cache_dir)
    assert hub.requests == []


async def test_a_refused_connection_ends_at_once(cache_dir: Path, closed_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(HubUnreachableError, match="ConnectError"):
        await install(GPT2, cache_dir=cache_dir, endpoint=f"http://127.0.0.1:{closed_port}")
    assert time.monotonic() - began < 4


async def test_a_name_that_does_not_resolve_ends_within_the_limit(cache_dir: Path) -> None:
    with pytest.raises(HubUnreachableError):
        await install(GPT2, cache_dir=cache_dir, endpoint="http://hub.invalid", hub_timeout_s=0.5)


async def test_a_server_that_accepts_and_never_answers_ends_within_the_limit(
    cache_dir: Path, silent_port: int
) -> None:
    began = time.monotonic()
    with pytest.raises(HubUnreachableError, match="no answer within"):
        await install(
            GPT2,
            cache_dir=cache_dir,
            endpoint=f"http://127.0.0.1:{silent_port}",
            hub_timeout_s=0.3,
        )
    assert time.monotonic() - began < 2


async def test_shards_are_fetched_with_their_index(hub: HubServer, cache_dir: Path) -> None:
    files = hub.repositories[GPT2].files
    shard = "model-00001-of-00001.safetensors"
    files[shard] = files.pop(WEIGHTS)
    files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": shard}}).encode()
    path = await get(hub, cache_dir)
    assert (path / shard).is_file()
    assert (path / "model.safetensors.index.json").is_file()


async def test_a_mirror_that_lists_no_sizes_is_good_enough(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mirror(HfApi):
        def model_info(self, *args: Any, **options: Any) -> Any:
            return super().model_info(*args, **{**options, "files_metadata": False})

    monkeypatch.setattr(hub_module, "HfApi", Mirror)
    assert damaged(await get(hub, cache_dir)) == ()


async def test_a_snapshot_of_another_program_is_used_where_it_lies(
    hub: HubServer, cache_dir: Path, hub_cache: Path
) -> None:
    # huggingface_hub itself takes the stand-in for a hub, which vouches for the stand-in.
    await asyncio.to_thread(
        snapshot_download, GPT2, endpoint=hub.url, cache_dir=hub_cache, max_workers=1
    )
    hub.requests.clear()
    found = await resolve("gpt2", cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache)
    assert found.source == "hub cache"
    assert found.path.is_relative_to(hub_cache)
    assert found.revision == hub.repositories[GPT2].commit
    assert hub.requests == []


async def test_a_broken_snapshot_of_another_program_is_passed_over(
    hub: HubServer, cache_dir: Path, hub_cache: Path
) -> None:
    snapshot = await asyncio.to_thread(
        snapshot_download, GPT2, endpoint=hub.url, cache_dir=hub_cache, max_workers=1
    )
    (Path(snapshot) / WEIGHTS).unlink()
    found = await resolve(GPT2, cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache)
    assert found.source == "hub"


async def test_an_unknown_model_of_the_hub_is_taken_as_it_is(
    hub: HubServer, cache_dir: Path, hub_cache: Path, tiny_gpt2: Path
) -> None:
    hub.repositories["me/my-stories"] = Repository.of_folder(tiny_gpt2)
    found = await resolve(
        "me/my-stories", cache_dir=cache_dir, endpoint=hub.url, hub_cache=hub_cache
    )
    assert found.window_tokens is None
    assert found.style == "completion"


async def test_an_error_that_is_nobodys_is_not_swallowed(
    hub: HubServer, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(hub_module, "http_get", broken)
    with pytest.raises(OSError, match="Input/output") as caught:
        await get(hub, cache_dir)
    assert not isinstance(caught.value, ModelUnavailableError)
