"""Tales in files: folders of texts, JSONL, CSV, WritingPrompts' pairs, Roundtale's own exports.

Invariants:
    - Files are read in the order of their names and line by line; nothing in them is run.
    - An export is read only if it says that its authors agree.
"""

import csv
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, zip_longest
from pathlib import Path
from typing import Final

from bot.errors import InvalidInputError
from bot.story.concept_tables import GENRE_ALIASES
from bot.story.formats import FORMATS
from bot.story.journal import Stamp
from bot.story.model import Author, AuthorKind
from bot.story.narrative import narrative
from bot.story.portable import FORMAT
from bot.story.portable_import import from_portable
from bot.story.portable_reader import MAX_BYTES
from bot.story.tree import concept, title
from bot.training.data.tale import Tale
from bot.training.errors import (
    BrokenLineError,
    MissingPathError,
    NoTalesError,
    NotOptedInError,
    NotTextError,
    TaleTooLongError,
    TooMuchTextError,
    UnknownKindError,
    UnreadableFileError,
)

log = logging.getLogger(__name__)

OPT_IN: Final = "authors_agree_to_training"
"""The field at an export's top that must be true."""

MAX_TALE_CHARACTERS: Final = 5_000_000
MAX_TOTAL_CHARACTERS: Final = 500_000_000
_MAX_LINE_BYTES = 4 * MAX_TALE_CHARACTERS
_TEXT_NAMES = ("text", "story", "content")
_UNKNOWN = "unknown"
_KINDS = (".txt", ".md", ".jsonl", ".csv", ".json", ".wp_source")
_PAIR = ".wp_target"
_NEWLINE = re.compile(r"\s*<newline>\s*")  # WritingPrompts' way of writing a line's end
_PROMPT_TAG = re.compile(r"^\[ ?\w+ ?\]\s*")
_BEFORE_MARK = re.compile(r" +([,.;:!?…)]|'(?:s|t|re|ve|ll|d|m)\b|n't\b)")
_BESIDES = re.compile(r"(licen[cs]e|copying|readme|notice|sources)\b.*", re.IGNORECASE)
_TITLE_CHARACTERS = 120


def read_tales(paths: Iterable[Path]) -> Iterator[Tale]:
    """Give the tales of files and of folders, whatever these hold in turn.

    A folder's licences and readmes are passed over, and so are files of other kinds, and
    exports whose authors have not agreed; one that is named by itself must be usable.

    Raises:
        MissingPathError: a path does not exist.
        UnknownKindError: a named file is of no kind that is read.
        NotOptedInError: a named export does not say that its authors agree.
        NotTextError: a file is not text.
        BrokenLineError: a line of a data file cannot be used.
        TaleTooLongError: a text is longer than any book.
        TooMuchTextError: all together are more than is taken at once.
        NoTalesError: there are none.
    """
    named = list(paths)
    total = 0
    seen: set[str] = set()
    for path in named:
        for tale in _read_path(path):
            total += len(tale.text)
            if total > MAX_TOTAL_CHARACTERS:
                raise TooMuchTextError(limit_mb=MAX_TOTAL_CHARACTERS // 1_000_000)
            yield _unique(tale, seen)
    if not seen:
        raise NoTalesError(paths=", ".join(map(str, named)) or ".")


def _unique(tale: Tale, seen: set[str]) -> Tale:
    """Return the tale with an id that no other has."""
    found = tale.id
    for number in count(2):
        if found not in seen:
            break
        found = f"{tale.id}-{number}"
    seen.add(found)
    return replace(tale, id=found)


def _read_path(path: Path) -> Iterator[Tale]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                is_hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
                if file.suffix in _KINDS and file.is_file() and not is_hidden:
                    if _BESIDES.fullmatch(file.name):
                        continue
                    yield from _read_file(file, is_named=False)
        elif path.suffix == _PAIR:
            yield from _read_file(path.with_suffix(".wp_source"), is_named=True)
        elif path.is_file():
            if path.suffix not in _KINDS:
                raise UnknownKindError(path=path, kinds=", ".join((*_KINDS, _PAIR)))
            yield from _read_file(path, is_named=True)
        else:
            raise MissingPathError(path=path)
    except OSError as error:
        raise UnreadableFileError(path=path, cause=error.strerror or str(error)) from error


def _read_file(path: Path, *, is_named: bool) -> Iterator[Tale]:
    if path.suffix == ".jsonl":
        return _read_jsonl(path)
    if path.suffix == ".csv":
        return _read_csv(path)
    if path.suffix == ".wp_source":
        return _read_pairs(path)
    if path.suffix == ".json":
        return _read_export(path, is_named=is_named)
    return _read_text(path)


def _read_text(path: Path) -> Iterator[Tale]:
    if path.stat().st_size > _MAX_LINE_BYTES:
        raise TaleTooLongError(path=path, limit=MAX_TALE_CHARACTERS)
    text = _decode(path, path.read_bytes(), 0)
    if text.strip():
        yield _tale(path, {"text": text, "title": path.stem, "source": path.parent.name}, path.stem)


def _read_jsonl(path: Path) -> Iterator[Tale]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BrokenLineError(path=path, line=number, cause="it is no JSON") from error
        if not isinstance(value, dict):
            raise BrokenLineError(path=path, line=number, cause="it is no object")
        yield from _record(path, number, value)


def _read_csv(path: Path) -> Iterator[Tale]:
    csv.field_size_limit(_MAX_LINE_BYTES)
    rows = csv.DictReader(line for _, line in _lines(path))
    try:
        for row in rows:
            yield from _record(path, rows.line_num, row)
    except csv.Error as error:
        raise BrokenLineError(path=path, line=rows.line_num, cause=str(error)) from error


def _record(path: Path, line: int, value: Mapping[str, object]) -> Iterator[Tale]:
    """Give the tale of one line; none where the text is blank."""
    texts = [value[name] for name in _TEXT_NAMES if name in value]
    if not texts or not isinstance(texts[0], str):
        names = ", ".join(_TEXT_NAMES)
        raise BrokenLineError(path=path, line=line, cause=f"it has no text under any of {names}")
    if texts[0].strip():
        yield _tale(path, {**value, "text": texts[0]}, f"{path.stem}-{line}")


def _read_pairs(path: Path) -> Iterator[Tale]:
    """Read prompts and the stories told to them, line by line (Fan et al. 2018)."""
    target = path.with_suffix(_PAIR)
    if not target.is_file():
        raise MissingPathError(path=target)
    for prompt, story in zip_longest(_lines(path), _lines(target)):
        if prompt is None or story is None:
            shorter, (number, _) = (path, story) if prompt is None else (target, prompt)
            raise BrokenLineError(path=shorter, line=number, cause="its pair has more lines")
        if story[1].strip():
            title_line = _untokenize(_PROMPT_TAG.sub("", prompt[1]))
            record = {"title": title_line, "text": _untokenize(story[1])}
            yield _tale(path, record, f"{path.stem}-{prompt[0]}")


def _untokenize(text: str) -> str:
    """Undo the spaces that WritingPrompts has around every mark."""
    text = _NEWLINE.sub("\n", text.strip())
    text = _BEFORE_MARK.sub(r"\1", text.replace("`` ", '"').replace(" ''", '"'))
    return text.replace("( ", "(").strip()


def _read_export(path: Path, *, is_named: bool) -> Iterator[Tale]:
    if path.stat().st_size > MAX_BYTES:
        raise TaleTooLongError(path=path, limit=MAX_TALE_CHARACTERS)
    try:
        value = json.loads(_decode(path, path.read_bytes(), 0))
    except (ValueError, RecursionError) as error:
        raise BrokenLineError(path=path, line=1, cause="it is no JSON") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        if is_named:
            raise BrokenLineError(path=path, line=1, cause="it is no export of Roundtale")
        return
    if value.get(OPT_IN) is not True:
        if is_named:
            raise NotOptedInError(path=path, field=f'"{OPT_IN}"')
        log.warning("left out, for its authors have not agreed: %s", path)
        return
    numbers = count(1)
    reader = Author(id=next(numbers), kind=AuthorKind.MEMBER, name="")
    stamp = Stamp(author=reader, at=datetime.now(UTC), new_id=lambda: next(numbers))
    try:
        story = from_portable(value, stamp, place="training", guild_id=None).story
    except InvalidInputError as error:
        cause = error.data.get("reason", error)
        raise BrokenLineError(path=path, line=1, cause=cause) from error
    text = narrative(story)
    if text:
        record = {"text": text, "title": title(story), "genre": concept(story).genre}
        yield _tale(path, {**record, "source": "roundtale"}, path.stem)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the numbered lines of a file of any size, each with its end."""
    at = 0
    with path.open("rb") as file:
        for number in count(1):
            raw = file.readline(_MAX_LINE_BYTES)
            if not raw:
                return
            if len(raw) == _MAX_LINE_BYTES:
                raise TaleTooLongError(path=path, limit=MAX_TALE_CHARACTERS)
            yield number, _decode(path, raw, at)
            at += len(raw)


def _decode(path: Path, raw: bytes, at: int) -> str:
    """Return the text of bytes that begin ``at`` in a file."""
    try:
        text = raw.decode("utf-8-sig" if at == 0 else "utf-8")
    except UnicodeDecodeError as error:
        raise NotTextError(path=path, at=at + error.start) from error
    if "\0" in text:
        raise NotTextError(path=path, at=at + raw.index(b"\0"))
    return text


def _tale(path: Path, record: Mapping[str, object], number: str) -> Tale:
    text = str(record["text"])
    if len(text) > MAX_TALE_CHARACTERS:
        raise TaleTooLongError(path=path, limit=MAX_TALE_CHARACTERS)
    genre = " ".join(_field(record, "genre").casefold().split())
    form = _field(record, "format").casefold()
    return Tale(
        id=_field(record, "id") or number,
        title=_field(record, "title")[:_TITLE_CHARACTERS],
        source=_field(record, "source") or path.stem,
        genre=GENRE_ALIASES.get(genre, genre) or None,
        format=form if form in FORMATS else FORMATS[0],
        text=text,
        licence=_field(record, "licence") or _field(record, "license") or _UNKNOWN,
    )


def _field(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    return str(value).strip() if isinstance(value, str | int) else ""
