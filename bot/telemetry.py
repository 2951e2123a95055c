"""Logs, metrics and health: what the operator sees of a running bot.

Invariant: neither a token nor the text of a message or a story is ever logged.
"""

import logging
import re
import sys
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Any, Literal

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_TOKEN = re.compile(r"[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}")
"""The form of a bot token: id, time and signature, each base64url."""


def _redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "." in value:
            event[key] = _TOKEN.sub("[token]", value)
    return event


def configure_logging(level: str, log_format: Literal["auto", "console", "json"] = "auto") -> None:
    """Send every logger of the process to standard error, as text or JSON lines."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, _redact, structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.processors.format_exc_info,
            _redact,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for noisy in ("aiosqlite", "httpx", "httpcore", "asyncio", "alembic", "urllib3", "filelock"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # A gateway frame at debug level holds the text of messages and the token.
    for wordy in ("discord.gateway", "discord.http", "discord.client", "discord.webhook"):
        logging.getLogger(wordy).setLevel(max(logging.INFO, root.level))


Counts = Callable[[], Mapping[tuple[str, ...], float]]
"""Gives counts by the values of their labels."""


class _Counts(Collector):
    def __init__(self, name: str, explanation: str, labels: Sequence[str], read: Counts) -> None:
        self._name = name
        self._explanation = explanation
        self._labels = labels
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._explanation, labels=self._labels)
        for values, count in sorted(self._read().items()):
            family.add_metric(values, count)
        yield family


class Metrics:
    """Gauges and counters that are read when Prometheus asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def gauge(self, name: str, explanation: str, read: Callable[[], float]) -> None:
        """Register a gauge ``roundtale_<name>`` whose value ``read`` gives at each scrape."""
        Gauge(f"roundtale_{name}", explanation, registry=self.registry).set_function(read)

    def counter(self, name: str, explanation: str, labels: Sequence[str], read: Counts) -> None:
        """Register a counter ``roundtale_<name>_total`` with labels, read at each scrape."""
        self.registry.register(_Counts(f"roundtale_{name}", explanation, labels, read))


@asynccontextmanager
async def serve_metrics(
    metrics: Metrics, health: Callable[[], tuple[bool, Mapping[str, object]]], host: str, port: int
) -> AsyncIterator[int]:
    """Serve ``/metrics`` and ``/health`` (200 or 503 with JSON) while the context is open.

    Yields:
        The port that listens (the chosen one where ``port`` is 0).
    """

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def show_health(_request: web.Request) -> web.Response:
        is_ok, detail = health()
        return web.json_response({"ok": is_ok, **detail}, status=200 if is_ok else 503)

    application = web.Application()
    application.add_routes([web.get("/metrics", show_metrics), web.get("/health", show_health)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
