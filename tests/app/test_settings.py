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
    ("line", "sentence"),
    [
        (
            "ROUNDTALE_MODLE=x",
            "ROUNDTALE_MODLE: there is no such setting (did you mean ROUNDTALE_MODEL?)",
        ),
        (
            "ROUNDTALE_FOO=1",
            "ROUNDTALE_FOO: there is no such setting; .env.example explains each that there is",
        ),
        (
            "ROUNDTALE_LOG_LEVEL=loud",
            "ROUNDTALE_LOG_LEVEL: must be 'debug', 'info', 'warning' or 'error'",
        ),
        ("ROUNDTALE_THREADS=many", "ROUNDTALE_THREADS: must be a whole number"),
        ("ROUNDTALE_THREADS=1.5", "ROUNDTALE_THREADS: must be a whole number"),
        ("ROUNDTALE_THREADS=0", "ROUNDTALE_THREADS: must be 1 or more"),
        ("ROUNDTALE_KV_CACHE_MIB=2000000", "ROUNDTALE_KV_CACHE_MIB: must be 1048576 or less"),
        ("ROUNDTALE_DRAIN_S=soon", "ROUNDTALE_DRAIN_S: must be a number"),
        ("ROUNDTALE_DRAIN_S=-1", "ROUNDTALE_DRAIN_S: must be 0 or more"),
        ("ROUNDTALE_DRAIN_S=nan", "ROUNDTALE_DRAIN_S: must be 600 or less"),
        ("ROUNDTALE_HUB_TIMEOUT_S=0", "ROUNDTALE_HUB_TIMEOUT_S: must be more than 0"),
        ("ROUNDTALE_LISTEN_TO_ALL=maybe", "ROUNDTALE_LISTEN_TO_ALL: must be true or false"),
        (
            "ROUNDTALE_DATABASE_URL=mysql://x",
            "ROUNDTALE_DATABASE_URL: must begin with sqlite+aiosqlite:/// and the path of a file",
        ),
        (
            "ROUNDTALE_MODEL='  '",
            "ROUNDTALE_MODEL: must be auto, a Hugging Face id, or a folder with a model",
        ),
        (
            "ROUNDTALE_INSTANCE=a b",
            "ROUNDTALE_INSTANCE: must be 1 to 64 letters of English, digits, dots, dashes or underscores",
        ),
        (
            f"ROUNDTALE_INSTANCE={'a' * 65}",
            "ROUNDTALE_INSTANCE: must be 1 to 64 letters of English, digits, dots, dashes or underscores",
        ),
        (
            "DISCORD_TOKEN=secret and more",
            "DISCORD_TOKEN: is no token: a token has no spaces or special letters. Copy it anew from the developer portal (Bot, Reset Token)",
        ),
    ],
)
def test_a_wrong_line_is_refused_by_name_and_says_what_is_right(
    tmp_path: Path, line: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(write(tmp_path, line + "\n"))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "line",
    ["DISCORD_TOKEN secret", "DISCORD_TOKEN", "export DISCORD_TOKEN", 'DISCORD_TOKEN="secret'],
)
def test_a_line_that_says_nothing_is_refused_by_its_number_without_its_words(
    tmp_path: Path, line: str
) -> None:
    path = write(tmp_path, f"# The token\n{line}\nROUNDTALE_THREADS=2\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(path)
    assert str(caught.value) == f"{path}: line 2 cannot be read; write NAME=value"


def test_the_names_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffROUNDTALE_THREADS=2\nTHEIRS=x\nexport THEIRS\n\n")
    assert Settings.load(path).threads == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfeD\x00I\x00", "is not UTF-8 text; save it as UTF-8"),
        (None, "cannot be read (Is a directory)"),
    ],
    ids=["UTF-16", "folder"],
)
def test_a_file_that_is_not_text_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / ".env"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(path)
    assert str(caught.value) == f"{path}: {reason}"


@pytest.mark.parametrize("given", ["", "' '", "'\t'"])
def test_a_blank_token_is_a_missing_one(tmp_path: Path, given: str) -> None:
    assert Settings.load(write(tmp_path, f"DISCORD_TOKEN={given}\n")).token is None


def test_the_token_is_stripped_and_never_shown(tmp_path: Path) -> None:
    settings = Settings.load(write(tmp_path, "DISCORD_TOKEN='  abc.def.ghi '\n"))
    assert settings.token is not None
    assert settings.token.get_secret_value() == "abc.def.ghi"
    assert "abc.def.ghi" not in repr(settings)
    assert "abc.def.ghi" not in str(settings.describe())
