"""The command line, as it is typed."""

import subprocess
import sys
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
