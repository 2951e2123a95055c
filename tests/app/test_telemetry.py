"""Logs without secrets, metrics, health."""

import json
import logging

import aiohttp
import pytest

from bot.telemetry import Metrics, configure_logging, serve_metrics

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture(autouse=True)
def restore_logging() -> object:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before[0], before[1]


def test_a_token_never_reaches_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("x").warning("login with %s failed", TOKEN)
    logging.getLogger("x").warning("extra", extra={"given": TOKEN})
    try:
        int(TOKEN)
    except ValueError:
        logging.getLogger("x").exception("failed")
    shown = capsys.readouterr().err
    assert TOKEN not in shown
    assert shown.count("[token]") == 3
    assert all(json.loads(line)["level"] for line in shown.splitlines())


def test_the_console_format_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    logging.getLogger("x").info("ready", extra={"guilds": 3})
    shown = capsys.readouterr().err
    assert "ready" in shown
    assert "guilds=3" in shown


def test_gateway_frames_are_never_logged_even_at_debug() -> None:
    configure_logging("debug", "json")
    assert not logging.getLogger("discord.gateway").isEnabledFor(logging.DEBUG)


async def test_metrics_and_health_are_served() -> None:
    metrics = Metrics()
    metrics.gauge("passages_waiting", "Passages in the queue.", lambda: 4.0)
    outcomes: dict[tuple[str, ...], float] = {}
    metrics.counter("forms", "Passages.", ("format", "outcome"), lambda: outcomes)
    state = {"ok": True}
    async with (
        serve_metrics(metrics, lambda: (state["ok"], {"engine": "x"}), "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        async with client.get("/metrics") as answer:
            assert "roundtale_passages_waiting 4.0" in await answer.text()
        outcomes["fable", "kept"] = 2
        async with client.get("/metrics") as answer:
            counted = 'roundtale_forms_total{format="fable",outcome="kept"} 2.0'
            assert counted in await answer.text()
        async with client.get("/health") as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True, "engine": "x"})
        state["ok"] = False
        async with client.get("/health") as answer:
            assert answer.status == 503
