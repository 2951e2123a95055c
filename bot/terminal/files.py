"""Files that stories are written to and read from.

Invariant: no file that exists is ever replaced, and none is read without limit; each is
called blocking, in a thread.
"""

from pathlib import Path

from bot.errors import InvalidInputError

MAX_IMPORT_BYTES = 32 * 2**20


def path_of(given: str) -> Path:
    """Return the path that was typed."""
    return Path(given).expanduser()


def write_new(target: Path, data: bytes) -> None:
    """Write a file that does not exist yet.

    Raises:
        InvalidInputError: it exists, or cannot be written.
    """
    try:
        with target.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise InvalidInputError(reason=f"{target}: {error.strerror}") from error


def read_limited(path: Path) -> bytes:
    """Read a file that is not too large to be a story.

    Raises:
        InvalidInputError: it is, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_IMPORT_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(reason=f"{path}: {error.strerror}") from error
    if len(data) > MAX_IMPORT_BYTES:
        raise InvalidInputError(reason=f"{path}: > {MAX_IMPORT_BYTES // 2**20} MiB")
    return data
