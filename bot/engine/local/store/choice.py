"""What ``auto`` chose at the first start, kept in the cache folder.

Invariant: a choice that cannot be read counts as none.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from bot.engine.local.store import cache

_CHOICE = "chosen.json"


def recall(cache_dir: Path) -> str | None:
    """Return what ``auto`` resolved to at the first start, as ``name@revision``; None at the first."""
    try:
        chosen = json.loads((cache_dir / _CHOICE).read_bytes())["auto"]
        name, revision = chosen["name"], chosen["revision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"{name}@{revision}" if isinstance(name, str) and isinstance(revision, str) else None


def remember(cache_dir: Path, name: str, revision: str) -> None:
    """Keep what ``auto`` resolved to.

    Raises:
        CacheUnwritableError: the cache folder cannot be written.
        NoRoomError: the disk is full.
    """
    with cache.storing(cache_dir, name, 4096):
        cache_dir.mkdir(parents=True, exist_ok=True)
        chosen_at = datetime.now(UTC).isoformat()
        choice = {"name": name, "revision": revision, "chosen_at": chosen_at}
        cache.write_json(cache_dir / _CHOICE, {"auto": choice})


def forget_choice(cache_dir: Path) -> None:
    """Let ``auto`` choose again at the next start."""
    (cache_dir / _CHOICE).unlink(missing_ok=True)
