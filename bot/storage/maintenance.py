"""What an operator does to the database: upgrade, back up, check.

Invariant: nothing here needs the bot to be stopped, and nothing but ``upgrade`` writes
to the database.
"""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import StorageError
from bot.locales import N_
from bot.storage import failures, schema
from bot.storage.engines import Access, create_engine, database_path, file_uri, prepare_file
from bot.storage.failures import translated
from bot.storage.store import BUSY_TIMEOUT_S

_EXISTS = N_(
    "a file stands where the backup should go. Choose another name, or say to overwrite it."
)
_SAME = N_("the backup would overwrite the database itself. Choose another name.")
_FOLDER = N_("the folder for the backup cannot be written to, or its disk is full.")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a msgid and its values."""

    message: str
    data: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message.format_map(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What ``check`` found; ``schema`` None is an empty database."""

    path: Path
    size_bytes: int
    schema: str | None
    newest_schema: str
    stories: int = 0
    passages: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong and nothing is to be upgraded."""
        return not self.problems and self.schema == self.newest_schema


async def upgrade(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> tuple[str | None, str]:
    """Create a database or bring it to the newest schema.

    Returns:
        The schema before (None: there was none) and after.
    """
    path = database_path(url)
    await asyncio.to_thread(prepare_file, path)
    return await schema.migrate(path, busy_timeout_s=busy_timeout_s)


async def backup(url: str, target: Path, *, should_overwrite: bool = False) -> int:
    """Copy the database as it is at this moment to one file, while the bot runs.

    The copy is complete and on the disk before it appears under its name.

    Returns:
        The size of the copy in bytes.

    Raises:
        StorageError: there is no database, it is damaged, the target exists, or the
            disk is full.
    """
    source = _existing(url)
    return await asyncio.to_thread(_copy, source, target, should_overwrite=should_overwrite)


def _existing(url: str) -> Path:
    path = database_path(url)
    if not path.is_file():
        raise StorageError(reason=failures.ABSENT)
    return path


def _copy(source: Path, target: Path, *, should_overwrite: bool) -> int:
    target = target.expanduser().absolute()
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        if target.exists():
            if target.samefile(source):
                raise StorageError(reason=_SAME)
            if not should_overwrite:
                raise StorageError(reason=_EXISTS)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with translated():
            _copy_pages(source, partial)
        _sync(partial)
        size_bytes = partial.stat().st_size
        _place(partial, target, should_overwrite=should_overwrite)
        _sync(target.parent)
    except OSError as error:
        raise StorageError(reason=_FOLDER) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return size_bytes


def _copy_pages(source: Path, partial: Path) -> None:
    """Copy in one step, so that the copy is one snapshot; writers go on beside it (WAL)."""
    with (
        closing(sqlite3.connect(file_uri(source, "ro"), uri=True)) as original,
        closing(sqlite3.connect(partial, isolation_level=None)) as copy,
    ):
        original.backup(copy)
        # One file that can be read from a medium that cannot be written to.
        copy.execute("PRAGMA journal_mode = DELETE")
        if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise StorageError(reason=failures.CORRUPT)


def _place(partial: Path, target: Path, *, should_overwrite: bool) -> None:
    if should_overwrite:
        partial.replace(target)
        return
    try:
        os.link(partial, target)  # unlike rename, it never replaces
    except FileExistsError as error:
        raise StorageError(reason=_EXISTS) from error
    except OSError:  # a file system without hard links
        if target.exists():
            raise StorageError(reason=_EXISTS) from None
        partial.rename(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def check(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> CheckReport:
    """Examine a database whole: the file, the references, the story's invariants.

    Raises:
        StorageError: there is no database, or it cannot even be opened.
        SchemaTooNewError: a newer Roundtale wrote it.
    """
    path = _existing(url)
    engine = create_engine(path, Access.READ_FILE, busy_timeout_s=busy_timeout_s)
    try:
        with translated():
            async with engine.connect() as connection:
                found = await connection.run_sync(schema.found_revision)
                problems = await _file_problems(connection)
                stories = passages = 0
                if found == schema.HEAD and not problems:
                    stories = await _count(connection, "SELECT count(*) FROM stories")
                    passages = await _count(connection, "SELECT count(*) FROM passages")
                    problems = await _story_problems(connection)
        return CheckReport(
            path=path,
            size_bytes=path.stat().st_size,
            schema=found,
            newest_schema=schema.HEAD,
            stories=stories,
            passages=passages,
            problems=tuple(problems),
        )
    finally:
        await engine.dispose()


async def _count(connection: AsyncConnection, query: str) -> int:
    return int(await connection.scalar(sa.text(query)) or 0)


async def _file_problems(connection: AsyncConnection) -> list[Problem]:
    problems: list[Problem] = []
    lines: list[str] = []
    try:
        lines += (await connection.execute(sa.text("PRAGMA integrity_check(10)"))).scalars()
    except sa.exc.DatabaseError as error:
        lines.append(str(error.orig))
    problems += [
        Problem(N_("The file is damaged: {detail}"), {"detail": line})
        for line in lines
        if line != "ok"
    ]
    if not problems:
        rows = (await connection.execute(sa.text("PRAGMA foreign_key_check"))).all()
        if rows:
            problems.append(
                Problem(
                    N_("{count} rows refer to rows that are missing, the first in {table}."),
                    {"count": len(rows), "table": rows[0][0]},
                )
            )
    return problems


# What each counts must be zero.
_INVARIANTS = (
    (
        N_("{count} stories have an active branch that is missing."),
        """SELECT count(*) FROM stories s WHERE NOT EXISTS
           (SELECT 1 FROM branches b WHERE b.story_id = s.id AND b.id = s.active_branch_id)""",
    ),
    (
        N_("{count} branches have their head in another story."),
        """SELECT count(*) FROM branches b JOIN passages p ON p.id = b.head_id
           WHERE p.story_id <> b.story_id""",
    ),
    (
        N_("{count} passages have their parent in another story."),
        """SELECT count(*) FROM passages c JOIN passages p ON p.id = c.parent_id
           WHERE p.story_id <> c.story_id""",
    ),
    (
        N_("{count} passages show a wording that is none of theirs."),
        """SELECT count(*) FROM passages p WHERE NOT EXISTS
           (SELECT 1 FROM revisions r WHERE r.story_id = p.story_id
            AND r.passage_id = p.id AND r.text_id = p.text_id)""",
    ),
    (
        N_("{count} stories have a title or concept whose text is missing."),
        """SELECT count(*) FROM stories s
           WHERE s.title_id IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM texts x WHERE x.id = s.title_id AND x.story_id = s.id)
           OR s.concept_id IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM texts x WHERE x.id = s.concept_id AND x.story_id = s.id)""",
    ),
    (
        N_("{count} stories are listed under a title that is not theirs."),
        """SELECT count(*) FROM stories s LEFT JOIN texts x ON x.id = s.title_id
           WHERE s.title <> coalesce(x.body, '')""",
    ),
    (
        N_("{count} texts belong to nothing."),
        """SELECT count(*) FROM texts WHERE id NOT IN (
             SELECT text_id FROM revisions
             UNION SELECT title_id FROM stories WHERE title_id IS NOT NULL
             UNION SELECT concept_id FROM stories WHERE concept_id IS NOT NULL
             UNION SELECT json_extract(c.value, '$[2]') FROM entries e, json_each(e.changes) c
               WHERE e.kind NOT IN ('add', 'answer', 'retry', 'pick', 'edit')
               AND json_extract(c.value, '$[0]') IN ('title', 'concept')
               AND json_extract(c.value, '$[2]') IS NOT NULL
             UNION SELECT json_extract(c.value, '$[3]') FROM entries e, json_each(e.changes) c
               WHERE e.kind NOT IN ('add', 'answer', 'retry', 'pick', 'edit')
               AND json_extract(c.value, '$[0]') IN ('title', 'concept')
               AND json_extract(c.value, '$[3]') IS NOT NULL)""",
    ),
    (
        N_("{count} blanked texts still have words."),
        "SELECT count(*) FROM texts WHERE is_blanked = 1 AND body <> ''",
    ),
    (
        N_("{count} deleted stories still have words or are open."),
        """SELECT count(*) FROM stories s WHERE s.status = 2 AND (s.is_current = 1 OR s.title <> ''
           OR EXISTS (SELECT 1 FROM texts x WHERE x.story_id = s.id AND x.body <> ''))""",
    ),
    (
        N_("{count} places have more than one open story."),
        """SELECT count(*) FROM
           (SELECT 1 FROM stories WHERE is_current = 1 GROUP BY place HAVING count(*) > 1)""",
    ),
    (
        N_("{count} journals have a gap."),
        """SELECT count(*) FROM
           (SELECT 1 FROM entries GROUP BY story_id HAVING count(*) <> max(seq) OR min(seq) <> 1)""",
    ),
)


async def _story_problems(connection: AsyncConnection) -> list[Problem]:
    problems: list[Problem] = []
    for message, query in _INVARIANTS:
        count = await _count(connection, query)
        if count:
            problems.append(Problem(message, {"count": count}))
    return problems
