"""The doctor: what is wrong, and what to do."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.discord_app import diagnosis
from bot.discord_app.diagnosis import Diagnosis
from bot.doctor import Doctor, Finding, Mark, report
from bot.locales import Words
from bot.storage import upgrade

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


async def examine(
    folder: Path, *, needs_discord: bool = True, hub_url: str = "http://127.0.0.1:9"
) -> tuple[int, dict[str, Finding]]:
    found: list[Finding] = []
    who = Doctor(Words(), env_file=folder / ".env", needs_discord=needs_discord, hub_url=hub_url)
    status = await report(who, found.append)
    return status, {finding.subject: finding for finding in found}


def answers(monkeypatch: pytest.MonkeyPatch, result: Diagnosis) -> None:
    async def diagnose(token: SecretStr, *, timeout_s: float) -> Diagnosis:
        assert token.get_secret_value() == TOKEN
        return result

    monkeypatch.setattr(diagnosis, "diagnose", diagnose)


async def test_before_anything_is_set_up_only_the_token_is_bad(bare: Path) -> None:
    status, found = await examine(bare)
    assert status == 1
    bad = [name for name, finding in found.items() if finding.mark is Mark.BAD]
    assert bad == ["token"]
    assert found["token"].remedy
    assert found["model"].mark is Mark.WARNING
    assert "roundtale model install" in found["model"].remedy


async def test_play_needs_no_token(bare: Path) -> None:
    status, found = await examine(bare, needs_discord=False)
    assert status == 0
    assert found["token"].mark is Mark.WARNING


async def test_a_wrong_setting_is_named_and_ends_the_visit(bare: Path) -> None:
    (bare / ".env").write_text("ROUNDTALE_THREADS=lots\n")
    status, found = await examine(bare)
    assert status == 1
    assert list(found) == ["settings"]
    assert "ROUNDTALE_THREADS" in found["settings"].sentence


async def test_a_token_of_the_wrong_form_is_seen_without_discord(bare: Path) -> None:
    (bare / ".env").write_text("DISCORD_TOKEN=abc\n")
    status, found = await examine(bare)
    assert status == 1
    assert "does not look like" in found["token"].sentence


@pytest.mark.parametrize(
    ("problem", "subject"), [("refused", "token"), ("timeout", "network"), ("OSError", "network")]
)
async def test_what_discord_says_is_told(
    bare: Path, monkeypatch: pytest.MonkeyPatch, problem: str, subject: str
) -> None:
    (bare / ".env").write_text(f"DISCORD_TOKEN={TOKEN}\n")
    answers(monkeypatch, Diagnosis(problem=problem))
    status, found = await examine(bare)
    assert status == 1
    assert found[subject].mark is Mark.BAD
    assert TOKEN not in str(found)


async def test_missing_intents_and_permissions_are_named(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text(f"DISCORD_TOKEN={TOKEN}\nROUNDTALE_LISTEN_TO_ALL=true\n")
    answers(
        monkeypatch,
        Diagnosis(name="Tale", guilds=1, lacking=(("Tavern", ("attach_files",)),), invite_url="U"),
    )
    status, found = await examine(bare)
    assert status == 1
    assert found["intents"].mark is Mark.BAD
    assert "attach_files" in found["permissions"].sentence
    assert "U" in found["permissions"].remedy


async def test_a_good_token_is_good(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / ".env").write_text(f"DISCORD_TOKEN={TOKEN}\n")
    answers(monkeypatch, Diagnosis(name="Tale", guilds=2))
    status, found = await examine(bare)
    assert status == 0
    assert "Tale" in found["token"].sentence
    assert found["permissions"].mark is Mark.GOOD


async def test_a_bot_without_a_server_gets_its_invitation(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text(f"DISCORD_TOKEN={TOKEN}\n")
    answers(monkeypatch, Diagnosis(name="Tale", invite_url="https://invite"))
    _, found = await examine(bare)
    assert "https://invite" in found["permissions"].remedy


async def test_a_whole_database_and_a_broken_one(bare: Path) -> None:
    await upgrade(f"sqlite+aiosqlite:///{bare}/stories.sqlite")
    _, found = await examine(bare, needs_discord=False)
    assert found["database"].mark is Mark.GOOD
    (bare / "stories.sqlite").write_bytes(b"this is no database at all" * 100)
    status, found = await examine(bare, needs_discord=False)
    assert status == 1
    assert found["database"].mark is Mark.BAD
    assert found["database"].remedy


async def test_a_folder_that_is_no_model_is_bad(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "empty").mkdir()
    monkeypatch.setenv("ROUNDTALE_MODEL", str(bare / "empty"))
    status, found = await examine(bare, needs_discord=False)
    assert status == 1
    assert found["model"].mark is Mark.BAD


async def test_a_hub_that_listens_is_good(bare: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        _, found = await examine(bare, needs_discord=False, hub_url=url)
    assert found["hub"].mark is Mark.GOOD
