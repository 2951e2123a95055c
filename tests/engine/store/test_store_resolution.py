import shutil
import time
from pathlib import Path

import pytest

from bot.engine.local.store import (
    CATALOGUE,
    cache,
    describe_choice,
    find,
    forget_choice,
    info,
    install,
    installation,
    recall,
    resolution,
    resolve,
)
from bot.engine.local.store import hub as hub_module
from bot.engine.local.store.catalogue import KnownModel
from bot.engine.local.store.choice import remember
from bot.engine.local.store.errors import (
    CacheUnwritableError,
    FolderMissingError,
    NotAModelFolderError,
    NotInstalledError,
    PackageFetchError,
    UnknownNameError,
)
from bot.engine.types import PromptStyle
from bot.locales import Words
from tests.engine.store.model_store_kit import EMBEDDED, GPT2, WHEEL, put
from tests.support.hub_server import HubServer


@pytest.fixture
def embedded(cache_dir: Path, tiny_gpt2: Path) -> Path:
    """The packaged model, as if it had been installed before."""
    return put(cache_dir, tiny_gpt2, EMBEDDED, "gguf-1")


async def auto(
    cache_dir: Path, hub_cache: Path, endpoint: str, allow_install: bool = True
) -> resolution.Resolved:
    return await resolve(
        "auto",
        cache_dir=cache_dir,
        endpoint=endpoint,
        hub_cache=hub_cache,
        hub_timeout_s=0.4,
        allow_install=allow_install,
    )


async def test_auto_takes_the_packaged_model_where_the_hub_is_silent(
    cache_dir: Path, hub_cache: Path, embedded: Path, silent_port: int
) -> None:
    began = time.monotonic()
    found = await auto(cache_dir, hub_cache, f"http://127.0.0.1:{silent_port}")
    assert time.monotonic() - began < 2
    assert found.path == embedded
    assert found.style is PromptStyle.PREFILL
    assert found.window_tokens == 2048
    sentence = Words("en")(found.why.message, **found.why.data)
    assert "does not answer (no answer within 0.4 s)" in sentence
    assert f"{EMBEDDED}, which comes in a Python package, is used instead of {GPT2}" in sentence


async def test_auto_takes_the_packaged_model_where_the_hub_refuses(
    cache_dir: Path, hub_cache: Path, embedded: Path, closed_port: int
) -> None:
    found = await auto(cache_dir, hub_cache, f"http://127.0.0.1:{closed_port}")
    assert found.path == embedded
    assert "does not answer" in str(found.why)


async def test_auto_takes_the_packaged_model_where_the_download_breaks_off(
    cache_dir: Path, hub_cache: Path, embedded: Path, hub: HubServer
) -> None:
    hub.faults.file_status = 502
    found = await auto(cache_dir, hub_cache, hub.url)
    assert found.path == embedded
    assert "broke off (HTTP 502)" in str(found.why)


async def test_auto_takes_the_packaged_model_where_the_default_has_no_room(
    cache_dir: Path,
    hub_cache: Path,
    embedded: Path,
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hub_module, "http_get", full)
    found = await auto(cache_dir, hub_cache, hub.url)
    assert found.path == embedded
    assert "no room" in str(found.why)


async def test_auto_takes_the_packaged_model_where_the_hub_lacks_the_default(
    cache_dir: Path, hub_cache: Path, embedded: Path, hub: HubServer
) -> None:
    hub.repositories.clear()
    found = await auto(cache_dir, hub_cache, hub.url)
    assert found.path == embedded
    assert "cannot be installed from" in str(found.why)


async def test_auto_installs_the_packaged_model_at_the_first_start_and_remembers_it(  # noqa: PLR0917 -- fixtures
    packaged: KnownModel,
    index: Path,
    cache_dir: Path,
    hub_cache: Path,
    closed_port: int,
    tiny_gpt2: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def convert(_: Path, into: Path, **__: object) -> dict[str, str]:
        shutil.copytree(tiny_gpt2, into, dirs_exist_ok=True)
        return {}

    monkeypatch.setattr(installation, "convert", convert)  # the true one has its own tests
    found = await auto(cache_dir, hub_cache, f"http://127.0.0.1:{closed_port}")
    assert found.name == EMBEDDED
    assert found.source == "package"
    assert "is used instead" in str(found.why)
    assert recall(cache_dir) == f"{EMBEDDED}@{found.revision}"


async def test_auto_without_hub_and_package_says_what_to_do(
    packaged: KnownModel, index: Path, cache_dir: Path, hub_cache: Path, closed_port: int
) -> None:
    (index / WHEEL).unlink()
    with pytest.raises(PackageFetchError, match="by hand"):
        await auto(cache_dir, hub_cache, f"http://127.0.0.1:{closed_port}")


async def test_what_auto_chose_stays_even_when_the_hub_answers_later(
    cache_dir: Path, hub_cache: Path, embedded: Path, hub: HubServer
) -> None:
    hub.faults.status = 500
    await auto(cache_dir, hub_cache, hub.url)
    hub.faults.status = None
    hub.requests.clear()
    assert (await auto(cache_dir, hub_cache, hub.url)).path == embedded
    assert hub.requests == []
    forget_choice(cache_dir)
    assert (await auto(cache_dir, hub_cache, hub.url)).name == GPT2


async def test_auto_chooses_again_when_its_choice_is_gone(
    cache_dir: Path, hub_cache: Path, tiny_gpt2: Path, embedded: Path, closed_port: int
) -> None:
    endpoint = f"http://127.0.0.1:{closed_port}"
    gpt2 = put(cache_dir, tiny_gpt2, GPT2, "c1", source="hub")
    assert (await auto(cache_dir, hub_cache, endpoint)).path == gpt2
    (gpt2 / "config.json").unlink()
    assert (await auto(cache_dir, hub_cache, endpoint)).path == embedded


async def test_a_choice_that_cannot_be_kept_stops_nothing(
    cache_dir: Path,
    hub_cache: Path,
    embedded: Path,
    closed_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (cache_dir / "chosen.json").mkdir()
    found = await auto(cache_dir, hub_cache, f"http://127.0.0.1:{closed_port}")
    assert found.path == embedded
    assert "could not be remembered" in caplog.text


async def test_auto_without_installing_only_looks(
    cache_dir: Path, hub_cache: Path, tiny_gpt2: Path, hub: HubServer
) -> None:
    with pytest.raises(NotInstalledError):
        await auto(cache_dir, hub_cache, hub.url, allow_install=False)
    embedded = put(cache_dir, tiny_gpt2, EMBEDDED, "gguf-1")
    found = await auto(cache_dir, hub_cache, hub.url, allow_install=False)
    assert found.path == embedded
    assert hub.requests == []
    assert recall(cache_dir) is None


async def test_a_name_without_installing_only_looks(cache_dir: Path, hub_cache: Path) -> None:
    with pytest.raises(NotInstalledError, match="roundtale model install distilbert/distilgpt2"):
        await resolve("distilgpt2", cache_dir=cache_dir, hub_cache=hub_cache, allow_install=False)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"auto": 3}', '{"auto": {"name": 1, "revision": 2}}']
)
def test_a_spoiled_memory_is_none(cache_dir: Path, content: str) -> None:
    cache_dir.mkdir()
    (cache_dir / "chosen.json").write_text(content)
    assert recall(cache_dir) is None


async def test_a_folder_is_taken_by_its_path(
    model_folder: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_folder.parent)
    for wanted in (str(model_folder), "./my-model", "my-model"):
        found = await resolve(wanted, cache_dir=cache_dir)
        assert found.path == model_folder
        assert found.name == "my-model"
        assert found.source == "folder"
        assert len(found.revision) == 16


async def test_a_folder_in_the_home_is_taken(
    model_folder: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(model_folder.parent))
    assert (await resolve("~/my-model", cache_dir=cache_dir)).path == model_folder


async def test_an_installed_folder_named_by_its_path_keeps_its_name(
    cache_dir: Path, embedded: Path
) -> None:
    found = await resolve(str(embedded), cache_dir=cache_dir)
    assert found.name == EMBEDDED
    assert found.revision == "gguf-1"
    assert found.window_tokens == 2048


async def test_a_folder_that_is_no_model_is_told_as_such(tmp_path: Path, cache_dir: Path) -> None:
    with pytest.raises(NotAModelFolderError):
        await resolve(str(tmp_path), cache_dir=cache_dir)
    with pytest.raises(FolderMissingError):
        await resolve("./nowhere", cache_dir=cache_dir)


@pytest.mark.parametrize(
    "wanted", ["", "  ", "two words", "a/b/c", "../x/y@", "--help", "a..b", "Ünï/x"]
)
async def test_a_setting_that_can_be_no_model_is_told_as_such(wanted: str, cache_dir: Path) -> None:
    with pytest.raises((UnknownNameError, FolderMissingError)):
        await resolve(wanted, cache_dir=cache_dir)


async def test_a_cache_that_cannot_be_written_is_told_as_such(
    packaged: KnownModel, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnwritableError, match="ROUNDTALE_CACHE_DIR"):
        await install(EMBEDDED, cache_dir=tmp_path / "file")
    with pytest.raises(CacheUnwritableError):
        remember(tmp_path / "file", "m", "r")


def test_a_choice_is_described_without_the_network(
    cache_dir: Path, hub_cache: Path, tiny_gpt2: Path, model_folder: Path
) -> None:
    def choice(wanted: str, revision: str | None = None) -> tuple[str, bool]:
        found = describe_choice(wanted, cache_dir, revision, hub_cache=hub_cache)
        return found.name, found.is_installed

    assert choice("auto") == (GPT2, False)
    assert choice("gpt2") == (GPT2, False)
    assert choice(str(model_folder)) == ("my-model", True)
    with pytest.raises(UnknownNameError):
        choice("two words")
    put(cache_dir, tiny_gpt2, EMBEDDED, "gguf-1")
    assert choice("auto") == (EMBEDDED, True)
    put(cache_dir, tiny_gpt2, GPT2, "c1")
    assert choice("auto") == (GPT2, True)
    assert choice("auto", "c2") == (EMBEDDED, True)


def test_a_model_that_is_not_here_is_described_from_the_catalogue(
    cache_dir: Path, hub_cache: Path
) -> None:
    details = info("smollm2", cache_dir=cache_dir, hub_cache=hub_cache)
    assert details.path is None
    assert details.licence == "Apache-2.0"
    assert "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" in str(details.rows())
    assert info("auto", cache_dir=cache_dir, hub_cache=hub_cache).name == GPT2
    with pytest.raises(NotInstalledError):
        info("me/unknown", cache_dir=cache_dir, hub_cache=hub_cache)


def test_an_installed_model_is_described_with_its_hashes(
    cache_dir: Path, hub_cache: Path, embedded: Path, tiny_gpt2: Path
) -> None:
    details = info(EMBEDDED, cache_dir=cache_dir, hub_cache=hub_cache, is_verified=True)
    assert details.path == embedded
    assert details.model_type == "gpt2"
    assert details.damaged == ()
    manifest = cache.read_manifest(embedded)
    assert manifest is not None
    assert details.hashes["config.json"] == manifest.files["config.json"].sha256
    (embedded / "merges.txt").write_text("")
    (embedded / "generation_config.json").unlink()
    (embedded / "generation_config.json").write_bytes(
        bytes(manifest.files["generation_config.json"].size_bytes)
    )
    spoiled = info(EMBEDDED, cache_dir=cache_dir, hub_cache=hub_cache, is_verified=True)
    assert spoiled.damaged == ("generation_config.json",)
    assert ("Damaged", "generation_config.json") in spoiled.rows()
    put(cache_dir, tiny_gpt2, "me/own", "r", source="hub")
    own = info("me/own", cache_dir=cache_dir, hub_cache=hub_cache)
    assert own.window_tokens == 128


def test_a_folder_is_described_from_its_files(model_folder: Path, cache_dir: Path) -> None:
    details = info(str(model_folder), cache_dir=cache_dir)
    assert details.name == "my-model"
    assert details.source == "folder"
    assert details.licence == ""
    assert details.damaged == ()


def test_the_catalogue_knows_names_aliases_and_originals() -> None:
    for name, model in CATALOGUE.items():
        assert model.name == name
        for alias in (name, *model.aliases):
            assert find(alias) is model
    original = find("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert original is not None
    assert original.package is None
    assert original.style is PromptStyle.PREFILL
    assert original.window_tokens == 2048
    assert find("me/unknown") is None


def test_the_package_offers_what_it_lists() -> None:
    from bot.engine.local import store  # noqa: PLC0415 -- the package itself is the subject

    for name in store.__all__:
        assert getattr(store, name) is not None
    with pytest.raises(AttributeError):
        store.nothing_of_the_kind  # noqa: B018 -- asking is the test
