"""A bare environment in a folder of its own."""

import os
from pathlib import Path

import pytest

from bot.settings import PREFIX


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into an empty folder with none of the operator's settings set but the paths."""
    for name in list(os.environ):
        if name.startswith(PREFIX) or name == "DISCORD_TOKEN":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROUNDTALE_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/stories.sqlite")
    monkeypatch.setenv("ROUNDTALE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ROUNDTALE_HUB_TIMEOUT_S", "0.2")
    # Nothing listens on port 9 of this machine, so the hub is refused at once.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("LANG", "C")
    return tmp_path
