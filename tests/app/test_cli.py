"""The command line, as it is typed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli


def roundtale(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["roundtale", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_help_loads_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "discord", "sqlalchemy", "pydantic", "huggingface_hub")
    code = (
        "import sys; sys.argv = ['roundtale', '--help']\n"
        "from bot import cli\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        f"sys.exit(', '.join(n for n in {heavy} if n in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "play" in done.stdout


def test_the_story_domain_loads_nothing_from_outside() -> None:
    code = (
        "import sys, bot.story.actions, bot.story.context\n"
        "sys.exit(', '.join(n for n in ('torch', 'discord', 'sqlalchemy') if n in sys.modules) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_every_command_stands_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for command in cli.app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        assert f"roundtale {name}" in readme
    for group in cli.app.registered_groups:
        assert f"roundtale {group.name}" in readme
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            assert f"`{command.name}`" in readme or f"{group.name} {command.name}" in readme


def test_run_without_a_token_says_what_to_do(bare: Path) -> None:
    done = roundtale("run")
    assert done.returncode == 1
    assert "DISCORD_TOKEN" in done.stderr
    assert ".env" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_setting_ends_every_command_in_one_sentence(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUNDTALE_MODLE", "x")
    assert call(monkeypatch, "db", "check") == 1
    assert "ROUNDTALE_MODLE" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("run",), ("play", "--batch"), ("db", "upgrade")])
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ROUNDTALE_THREADS", "abc", "ROUNDTALE_THREADS: must be a whole number\n"),
        ("ROUNDTALE_LOG_LEVEL", "loud", "ROUNDTALE_LOG_LEVEL: must be 'debug', "),
        ("ROUNDTALE_FOO", "1", "ROUNDTALE_FOO: there is no such setting"),
    ],
)
def test_a_wrong_value_ends_every_command_before_it_begins(  # noqa: PLR0917 -- one case each
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    name: str,
    value: str,
    sentence: str,
) -> None:
    (bare / ".env").write_text(f"{name}={value}\n")
    assert call(monkeypatch, *command) == 1
    told = capsys.readouterr().err
    assert told.startswith(sentence)
    assert told.count("\n") == 1
    assert [file.name for file in bare.iterdir()] == [".env"]


@pytest.mark.parametrize("command", [("run",), ("play", "--batch")])
def test_a_model_folder_that_is_none_ends_it_in_one_sentence(
    bare: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    (bare / "empty").mkdir()
    monkeypatch.setenv("DISCORD_TOKEN", "a.b.c")
    monkeypatch.setenv("ROUNDTALE_MODEL", str(bare / "empty"))
    done = roundtale(*command)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"{bare / 'empty'} is not a model folder: config.json is missing."
    )
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (bare / "stories.sqlite").exists()


@pytest.mark.parametrize(
    "command",
    [("run",), ("play", "--batch"), ("db", "upgrade"), ("db", "check")],
)
def test_a_database_from_the_future_ends_every_command_and_stays_as_it_is(
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    assert call(monkeypatch, "db", "upgrade") == 0
    path = bare / "stories.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    monkeypatch.setenv("DISCORD_TOKEN", "a.b.c")
    done = roundtale(*command)
    assert done.returncode == 1
    assert "has schema 9999, which this version of Roundtale does not know" in done.stderr
    assert "Update Roundtale, or restore a backup" in done.stderr
    assert "Traceback" not in done.stderr
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def test_the_database_is_upgraded_checked_and_backed_up(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "db", "check") == 1
    assert "Traceback" not in capsys.readouterr().err
    assert call(monkeypatch, "db", "upgrade") == 0
    assert call(monkeypatch, "db", "upgrade") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert call(monkeypatch, "db", "check") == 0
    assert "whole" in capsys.readouterr().out
    assert call(monkeypatch, "db", "backup", str(bare / "copy.sqlite")) == 0
    assert (bare / "copy.sqlite").stat().st_size > 0
    assert call(monkeypatch, "db", "backup", str(bare / "copy.sqlite")) == 1
    assert call(monkeypatch, "db", "backup", "--force", str(bare / "copy.sqlite")) == 0


def test_models_are_listed_and_explained(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "model", "list") == 0
    shown = capsys.readouterr().out
    assert "openai-community/gpt2" in shown
    assert "smollm2-135m-instruct" in shown
    assert call(monkeypatch, "model", "info", "openai-community/gpt2") == 0
    assert "1024" in capsys.readouterr().out


def test_model_info_without_a_name_tells_of_the_model_that_is_set(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / ".env").write_text("ROUNDTALE_MODEL=distilbert/distilgpt2\n")
    assert call(monkeypatch, "model", "info") == 0
    assert "distilbert/distilgpt2" in capsys.readouterr().out
    assert call(monkeypatch, "model", "info", "smollm2") == 0
    assert "smollm2-135m-instruct" in capsys.readouterr().out


def test_a_model_that_no_hub_gives_is_a_sentence(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "model", "install", "nobody/nothing") == 1
    assert "Traceback" not in capsys.readouterr().err


def test_doctor_ends_with_a_status_for_scripts(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "doctor") == 1
    assert "✗ token" in capsys.readouterr().out
    assert call(monkeypatch, "doctor", "--play") == 0


def test_the_version_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--version") == 0
    assert "roundtale 0" in capsys.readouterr().out
