"""The operator's settings: read, checked, explained."""

import os
import re
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.settings import PREFIX, Settings, variable_name

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX) or name == "DISCORD_TOKEN":
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_set_gives_the_defaults(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / "absent.env")
    assert settings.token is None
    assert settings.model == "auto"
    assert settings.database_url.endswith("roundtale.sqlite")


def test_the_example_is_a_valid_file_of_defaults() -> None:
    assert Settings.load(EXAMPLE) == Settings.load(None)


def test_the_example_explains_every_setting_and_no_other() -> None:
    named = set(re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {variable_name(name) for name in Settings.model_fields}


def test_the_readme_names_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [n for n in Settings.model_fields if f"`{variable_name(n)}`" not in readme]
    assert not missing


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "ROUNDTALE_LOG_LEVEL=debug\nROUNDTALE_THREADS=3\n")
    monkeypatch.setenv("ROUNDTALE_LOG_LEVEL", "WARNING")
    settings = Settings.load(path)
    assert (settings.log_level, settings.threads) == ("warning", 3)


def test_what_is_given_on_the_command_line_goes_before_all(tmp_path: Path) -> None:
    path = write(tmp_path, "ROUNDTALE_MODEL=a/b\n")
    assert Settings.load(path, model="c/d").model == "c/d"
    assert Settings.load(path, model=None).model == "a/b"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("ROUNDTALE_MODLE=x", "ROUNDTALE_MODEL?"),
        ("ROUNDTALE_LOG_LEVEL=loud", "ROUNDTALE_LOG_LEVEL"),
        ("ROUNDTALE_THREADS=many", "ROUNDTALE_THREADS"),
        ("ROUNDTALE_THREADS=0", "ROUNDTALE_THREADS"),
        ("ROUNDTALE_DATABASE_URL=mysql://x", "ROUNDTALE_DATABASE_URL"),
        ("ROUNDTALE_DRAIN_S=-1", "ROUNDTALE_DRAIN_S"),
        ("ROUNDTALE_INSTANCE=a b", "ROUNDTALE_INSTANCE"),
    ],
)
def test_a_wrong_line_is_refused_by_name(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(write(tmp_path, line + "\n"))
    assert named in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00DISCORD_TOKEN")
    with pytest.raises(ConfigurationError):
        Settings.load(path)


def test_the_token_is_stripped_and_never_shown(tmp_path: Path) -> None:
    settings = Settings.load(write(tmp_path, "DISCORD_TOKEN='  abc.def.ghi '\n"))
    assert settings.token is not None
    assert settings.token.get_secret_value() == "abc.def.ghi"
    assert "abc.def.ghi" not in repr(settings)
    assert "abc.def.ghi" not in str(settings.describe())
