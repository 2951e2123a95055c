import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands

from bot.discord_app.client import explain
from bot.discord_app.errors import judge, permission_names, root_of
from bot.discord_app.messenger import (
    MessageGoneError,
    PlaceGoneError,
    TooOldError,
    UnreachableError,
    describe,
)
from bot.discord_app.sentences import sentence_of
from bot.errors import (
    ConfigurationError,
    EngineStoppedError,
    InvalidInputError,
    NotFoundError,
    StorageError,
)
from bot.locales import N_, Words

WORDS = Words()


def _http(status: int, code: int) -> discord.HTTPException:
    response: Any = SimpleNamespace(status=status, reason="test")
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    kind = kinds.get(status, discord.DiscordServerError if status >= 500 else discord.HTTPException)
    return kind(response, {"code": code, "message": "test"})


def _judge(error: BaseException) -> str:
    return judge(error, WORDS, where="a test").sentence


def test_expected_errors_are_their_sentence() -> None:
    assert _judge(EngineStoppedError()).startswith("The model is not running")
    assert _judge(NotFoundError(what=N_("That passage"))).startswith("That passage was not found")
    assert _judge(InvalidInputError(reason="**x**")) == r"That cannot be used: \*\*x\*\*"


def test_storage_errors_carry_a_reference(caplog: pytest.LogCaptureFixture) -> None:
    sentence = _judge(StorageError(reason="disk full"))
    assert "disk full" in sentence
    assert caplog.records[-1].reference in sentence  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [10062, 10015, 50027, 40060])
def test_where_no_way_is_left_nothing_is_told(code: int) -> None:
    report = judge(_http(404, code), WORDS, where="a test")
    assert report.is_lost
    assert not report.sentence


def test_discords_own_failures() -> None:
    assert "permissions" in _judge(_http(403, 50013))
    assert "in time" in _judge(_http(503, 0))
    assert "in time" in _judge(aiohttp.ClientConnectionError())
    assert "in time" in _judge(TimeoutError())
    assert "(ref " in _judge(_http(400, 50035))


def test_what_commands_raise() -> None:
    cooldown = app_commands.Cooldown(1, 60.0)
    assert "61 s" in _judge(app_commands.CommandOnCooldown(cooldown, 60.5))
    assert "Send Messages" in _judge(app_commands.BotMissingPermissions(["send_messages"]))
    assert "lack the permission" in _judge(app_commands.MissingPermissions(["manage_guild"]))
    assert "changed" in _judge(app_commands.CommandNotFound("x", []))
    assert "may not" in _judge(app_commands.CheckFailure())
    command: Any = SimpleNamespace(name="x")
    wrapped = app_commands.CommandInvokeError(command, EngineStoppedError())
    assert _judge(wrapped).startswith("The model is not running")
    assert "(ref " in _judge(app_commands.CommandInvokeError(command, KeyError("secret")))
    transformer: Any = SimpleNamespace(_error_display_name="x")
    broken = app_commands.TransformerError("x", discord.AppCommandOptionType.string, transformer)
    assert "cannot be used" in _judge(broken)
    assert root_of(broken) is broken


def test_a_cancellation_is_raised_again() -> None:
    with pytest.raises(asyncio.CancelledError):
        _judge(asyncio.CancelledError())


def test_an_unknown_permission_is_named_all_the_same() -> None:
    assert permission_names(["manage_threads"], WORDS) == "Manage Threads"


def test_sentences() -> None:
    assert sentence_of(ValueError("secret"), WORDS) == "Something went wrong; your words are kept."
    assert sentence_of(ValueError("secret"), WORDS, "AB").endswith("(ref AB)")


@pytest.mark.parametrize(
    ("error", "is_send", "kind"),
    [
        (_http(404, 10008), False, MessageGoneError),
        (_http(404, 10003), False, PlaceGoneError),
        (_http(404, 0), True, PlaceGoneError),
        (_http(403, 50001), False, PlaceGoneError),
        (_http(400, 50083), False, PlaceGoneError),
        (_http(400, 30046), False, TooOldError),
        (_http(502, 0), False, UnreachableError),
        (_http(400, 50035), False, discord.HTTPException),
    ],
)
def test_what_discord_answers_becomes_one_of_four_errors(
    error: Any, is_send: bool, kind: type[Exception]
) -> None:
    assert isinstance(describe(error, is_send=is_send), kind)


def test_a_start_that_fails_says_what_to_do() -> None:
    for error, subject in (
        (discord.LoginFailure("Improper token"), "DISCORD_TOKEN: "),
        (discord.PrivilegedIntentsRequired(0), "ROUNDTALE_LISTEN_TO_ALL: "),
        (aiohttp.ClientConnectionError(), "network: "),
    ):
        explained = explain(error)
        assert isinstance(explained, ConfigurationError)
        assert str(explained).startswith(subject)
    other = KeyError()
    assert explain(other) is other
