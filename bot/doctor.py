"""``roundtale doctor``: what is wrong, and what to do about it.

Invariant: it works before anything is set up, changes nothing, and every check ends
within its own limit; a check that fails never hides the next.
"""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bot.errors import ConfigurationError, RoundtaleError
from bot.locales import N_, Words
from bot.settings import Settings

_TOKEN_FORM = re.compile(r"[\w-]{20,}\.[\w-]{5,8}\.[\w-]{20,}")
_DISCORD_TIMEOUT_S = 10.0
_MIN_MEMORY_BYTES = 2 * 2**30
_MIN_DISK_BYTES = 2**30
_DEFAULT_HUB = "https://huggingface.co"


class Mark(StrEnum):
    """How a check ended."""

    GOOD = "good"
    WARNING = "warning"  # works, but not as it could
    BAD = "bad"  # ``run`` would fail


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result: a sentence, and what to do where something is to be done."""

    subject: str
    mark: Mark
    sentence: str
    remedy: str = ""


class Doctor:
    """Runs the checks one after the other.

    Args:
        words: the language.
        env_file: where the operator's settings stand.
        needs_discord: whether a missing token is bad (for ``run``) or not (for ``play``).
        hub_url: the model hub's address; the environment's HF_ENDPOINT.
    """

    def __init__(
        self, words: Words, *, env_file: Path | None, needs_discord: bool, hub_url: str | None
    ) -> None:
        self._words = words
        self._env_file = env_file
        self._needs_discord = needs_discord
        self._hub_url = hub_url or _DEFAULT_HUB

    async def examine(self) -> AsyncIterator[Finding]:
        """Yield a finding for each check as it ends."""
        words = self._words
        try:
            settings = Settings.load(self._env_file)
        except ConfigurationError as error:
            yield Finding(
                words(N_("settings")),
                Mark.BAD,
                words.error(error.message, error.data),
                words(N_("Correct it in .env; .env.example explains each setting.")),
            )
            return
        yield Finding(words(N_("settings")), Mark.GOOD, words(N_("All are readable.")))
        async for finding in self._discord(settings):
            yield finding
        yield await self._database(settings)
        yield self._memory()
        for subject, folder in (
            (N_("disk for stories"), settings.database_path.parent),
            (N_("disk for models"), settings.cache_dir),
        ):
            yield self._disk(words(subject), folder)
        hub_answers = await self._reaches_hub(settings.hub_timeout_s)
        yield await self._model(settings, hub_answers=hub_answers)
        yield self._hub(hub_answers=hub_answers)

    async def _discord(self, settings: Settings) -> AsyncIterator[Finding]:
        words = self._words
        subject = words(N_("token"))
        if settings.token is None:
            yield Finding(
                subject,
                Mark.BAD if self._needs_discord else Mark.WARNING,
                words(N_("There is no DISCORD_TOKEN; play works without one, run does not.")),
                words(N_("Create a bot at discord.com/developers and put its token into .env.")),
            )
            return
        if not _TOKEN_FORM.fullmatch(settings.token.get_secret_value()):
            yield Finding(
                subject,
                Mark.BAD,
                words(N_("DISCORD_TOKEN does not look like a bot token.")),
                words(N_("Copy it again from the page Bot; it has three parts joined by dots.")),
            )
            return
        from bot.discord_app.diagnosis import diagnose  # noqa: PLC0415 -- discord.py is slow to load

        found = await diagnose(settings.token, timeout_s=_DISCORD_TIMEOUT_S)
        if found.problem == "refused":
            yield Finding(
                subject,
                Mark.BAD,
                words(N_("Discord refuses the token.")),
                words(N_("Reset it in the developer portal and put the new one into .env.")),
            )
            return
        if found.problem:
            yield Finding(
                words(N_("network")),
                Mark.BAD,
                words(N_("Discord cannot be reached ({problem})."), problem=found.problem),
                words(N_("Check the network, the proxy and discordstatus.com.")),
            )
            return
        yield Finding(subject, Mark.GOOD, words(N_("Discord knows it as {name}."), name=found.name))
        is_short = settings.listen_to_all and not found.has_message_content
        yield Finding(
            words(N_("intents")),
            Mark.BAD if is_short else Mark.GOOD,
            words(
                N_("ROUNDTALE_LISTEN_TO_ALL needs the message-content intent, which is off.")
                if is_short
                else N_("Everything that is needed is granted.")
            ),
            words(N_("Switch it on in the developer portal, page Bot.")) if is_short else "",
        )
        if found.guilds == 0:
            yield Finding(
                words(N_("permissions")),
                Mark.WARNING,
                words(N_("The bot is in no server yet.")),
                words(N_("Invite it: {url}"), url=found.invite_url),
            )
        for guild, missing in found.lacking:
            yield Finding(
                words(N_("permissions")),
                Mark.WARNING,
                words(
                    N_("In “{guild}” it lacks: {missing}."), guild=guild, missing=", ".join(missing)
                ),
                words(
                    N_("Grant them to the bot's role, or invite it again: {url}"),
                    url=found.invite_url,
                ),
            )
        if found.guilds and not found.lacking:
            yield Finding(
                words(N_("permissions")),
                Mark.GOOD,
                words(N_("Sufficient in all {n} servers."), n=found.guilds),
            )

    async def _database(self, settings: Settings) -> Finding:
        from bot.storage import check  # noqa: PLC0415 -- --help must not load SQLAlchemy

        words = self._words
        subject = words(N_("database"))
        path = settings.database_path
        if not await asyncio.to_thread(path.exists):
            return Finding(
                subject,
                Mark.GOOD,
                words(N_("None yet; it is made at the first start: {path}"), path=path),
            )
        try:
            report = await check(settings.database_url)
        except RoundtaleError as error:
            return Finding(
                subject,
                Mark.BAD,
                words.error(error.message, error.data),
                words(N_("Stop the bot, then restore a backup or move the file away.")),
            )
        if report.problems:
            return Finding(
                subject,
                Mark.BAD,
                "; ".join(words(p.message, **p.data) for p in report.problems[:3]),
                words(N_("Restore a backup (roundtale db backup makes them).")),
            )
        return Finding(
            subject, Mark.GOOD, words(N_("Whole, with {stories} stories."), stories=report.stories)
        )

    def _memory(self) -> Finding:
        words = self._words
        available = psutil.virtual_memory().available
        is_short = available < _MIN_MEMORY_BYTES
        return Finding(
            words(N_("memory")),
            Mark.WARNING if is_short else Mark.GOOD,
            words(N_("{gib:.1f} GiB are free."), gib=available / 2**30),
            words(N_("Close other programs, or choose a smaller model.")) if is_short else "",
        )

    def _disk(self, subject: str, folder: Path) -> Finding:
        words = self._words
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        is_short = free < _MIN_DISK_BYTES
        return Finding(
            subject,
            Mark.BAD if is_short else Mark.GOOD,
            words(N_("{gib:.1f} GiB are free in {folder}."), gib=free / 2**30, folder=existing),
            words(N_("Make room, or choose another folder in .env.")) if is_short else "",
        )

    async def _reaches_hub(self, limit_s: float) -> bool:
        parts = urlsplit(self._hub_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(limit_s):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except (OSError, TimeoutError, socket.gaierror):
            return False
        writer.close()
        return True

    async def _model(self, settings: Settings, *, hub_answers: bool) -> Finding:
        from bot.engine.local.store import describe_choice  # noqa: PLC0415 -- loads no torch, but pathlib trees

        words = self._words
        subject = words(N_("model"))
        try:
            choice = await asyncio.to_thread(
                describe_choice, settings.model, settings.cache_dir, settings.model_revision
            )
        except RoundtaleError as error:
            return Finding(
                subject,
                Mark.BAD,
                words.error(error.message, error.data),
                words(N_("Set ROUNDTALE_MODEL to auto, a Hugging Face id or a folder.")),
            )
        if choice.is_installed:
            return Finding(subject, Mark.GOOD, words(N_("{name} is installed."), name=choice.name))
        can_come = hub_answers or settings.model == "auto"
        return Finding(
            subject,
            Mark.WARNING if can_come else Mark.BAD,
            words(N_("{name} is not installed yet."), name=choice.name),
            words(N_("roundtale model install {name}; run and play do it too."), name=choice.name),
        )

    def _hub(self, *, hub_answers: bool) -> Finding:
        words = self._words
        if hub_answers:
            return Finding(
                words(N_("hub")), Mark.GOOD, words(N_("{url} answers."), url=self._hub_url)
            )
        return Finding(
            words(N_("hub")),
            Mark.WARNING,
            words(N_("{url} does not answer."), url=self._hub_url),
            words(N_("Not needed for installed models, nor for the packaged one.")),
        )


async def report(doctor: Doctor, show: Callable[[Finding], None]) -> int:
    """Run every check and show it; return 1 where something is bad, else 0."""
    status = 0
    async for finding in doctor.examine():
        show(finding)
        if finding.mark is Mark.BAD:
            status = 1
    return status
