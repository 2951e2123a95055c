"""The one place where what went wrong in Discord becomes a sentence.

What is raised → what the one who asked is told → what is logged:

- ``RoundtaleError``, expected (a user's mistake, the engine's refusal) → its sentence → debug.
- ``RoundtaleError``, of storage or configuration → its sentence with a reference → error,
  with traceback and reference.
- missing permissions of the bot (``MissingPermissionsError``, 50001, 50013) → the names
  of what is missing → info.
- discord.py's own checks (``CheckFailure``, cooldown) → a sentence each → debug.
- an interaction that is no longer known, or whose 15 minutes are over (10062, 10015,
  50027), or was answered twice (40060) → nothing, there is no way left → info.
- Discord down or unreachable → nothing, or a sentence where that still works → warning.
- ``CancelledError`` is raised again.
- anything else → "something went wrong" with a reference → error, with traceback and
  the same reference.

Who sends exceptions here: the command tree (``on_error``), the router (buttons,
selects, modals), the handler of messages. A turn by message, which cannot have an
ephemeral answer, is answered by a reply that deletes itself.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import discord
from discord import app_commands

from bot.discord_app.sentences import sentence_of
from bot.errors import EngineError, NotAllowedError, RoundtaleError, UserError
from bot.locales import N_, Words
from bot.service.failures import new_reference

log = logging.getLogger(__name__)

_UNKNOWN_WEBHOOK = 10015
_UNKNOWN_INTERACTION = 10062
_ALREADY_ANSWERED = 40060
_MISSING_ACCESS = 50001
_MISSING_PERMISSIONS = 50013
_INVALID_TOKEN = 50027
_LOST_CODES = frozenset({_UNKNOWN_WEBHOOK, _UNKNOWN_INTERACTION, _ALREADY_ANSWERED, _INVALID_TOKEN})
_SERVER_ERROR = 500


class MissingPermissionsError(UserError):
    """The bot lacks permissions in the channel."""

    code = "discord.permissions"
    message = N_(
        "I lack permissions in this channel: {missing}. A server admin can grant them in the channel's settings."
    )


class OutdatedControlError(UserError):
    """A button, select or form of another version of the bot was used."""

    code = "discord.outdated"
    message = N_("That was made by another version of me and works no more. Use /story instead.")


class ClosingError(UserError):
    """The bot is ending."""

    code = "discord.closing"
    message = N_("I am restarting. Try again in a minute; nothing was lost.")


class TooSlowError(UserError):
    """A form could not be opened in time."""

    code = "discord.too_slow"
    message = N_("I was too slow to open the form. Try again.")


class OnlyAdminsError(NotAllowedError):
    """Somebody without Manage Server asked for the settings."""

    code = "not_allowed.admins"
    message = N_("Only members with the permission Manage Server may change settings.")


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of an exception; "" tells nothing."""

    sentence: str
    is_lost: bool = False


def root_of(error: BaseException) -> BaseException:
    """Return what a command's error was caused by."""
    while isinstance(error, app_commands.CommandInvokeError | app_commands.TransformerError):
        cause = (
            error.original
            if isinstance(error, app_commands.CommandInvokeError)
            else error.__cause__
        )
        if cause is None:
            break
        error = cause
    return error


def judge(error: BaseException, words: Words, *, where: str) -> Report:
    """Log an exception as the table says and return what to tell.

    Args:
        error: what was raised.
        words: the language of the one who asked.
        where: the command or component, for the log; never anybody's text.

    Raises:
        asyncio.CancelledError: it was one.
    """
    error = root_of(error)
    if isinstance(error, asyncio.CancelledError):
        raise error
    if isinstance(error, UserError | EngineError):
        log.debug("refused in %s: %s", where, error.code)
        return Report(sentence_of(error, words))
    if isinstance(error, discord.HTTPException):
        return _judge_http(error, words, where)
    if isinstance(error, app_commands.AppCommandError):
        return _judge_check(error, words, where)
    if isinstance(error, aiohttp.ClientError | TimeoutError):
        log.warning("Discord did not answer in %s: %r", where, error)
        return Report(words(N_("Discord did not answer in time. Look whether it worked.")))
    reference = new_reference()
    log.error("failed in %s", where, exc_info=error, extra={"reference": reference})
    if isinstance(error, RoundtaleError):
        return Report(sentence_of(error, words, reference))
    unknown = words(N_("Something went wrong (ref {reference})."), reference=reference)
    return Report(unknown)


def _judge_http(error: discord.HTTPException, words: Words, where: str) -> Report:
    if error.code in _LOST_CODES:
        log.info("too late to answer in %s: %s", where, error.code)
        return Report("", is_lost=True)
    if error.code in {_MISSING_ACCESS, _MISSING_PERMISSIONS}:
        log.info("not permitted in %s: %s", where, error.code)
        return Report(words(N_("I lack the permissions to do that in this channel.")))
    if error.status >= _SERVER_ERROR:
        log.warning("Discord failed in %s: %s", where, error.status)
        return Report(words(N_("Discord did not answer in time. Look whether it worked.")))
    reference = new_reference()
    log.error("Discord refused in %s", where, exc_info=error, extra={"reference": reference})
    return Report(words(N_("Something went wrong (ref {reference})."), reference=reference))


def _judge_check(error: app_commands.AppCommandError, words: Words, where: str) -> Report:
    log.debug("refused in %s: %s", where, type(error).__name__)
    if isinstance(error, app_commands.CommandOnCooldown):
        wait = words(
            N_("That was a lot at once. Try again in {s} s."), s=int(error.retry_after) + 1
        )
        return Report(wait)
    if isinstance(error, app_commands.BotMissingPermissions):
        missing = permission_names(error.missing_permissions, words)
        return Report(sentence_of(MissingPermissionsError(missing=missing), words))
    if isinstance(error, app_commands.MissingPermissions):
        return Report(words(N_("You lack the permission to do that here.")))
    if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return Report(
            words(N_("That command has changed. Wait a minute, or restart Discord (Ctrl+R)."))
        )
    if isinstance(error, app_commands.TransformerError):
        return Report(words(N_("That value cannot be used.")))
    return Report(words(N_("You may not do that here.")))


_PERMISSION_NAMES = {
    "view_channel": N_("View Channel"),
    "send_messages": N_("Send Messages"),
    "send_messages_in_threads": N_("Send Messages in Threads"),
    "read_message_history": N_("Read Message History"),
    "attach_files": N_("Attach Files"),
    "add_reactions": N_("Add Reactions"),
}


def permission_names(missing: Sequence[str], words: Words) -> str:
    """Return permissions as Discord's settings call them."""
    return ", ".join(
        words(_PERMISSION_NAMES.get(name, name.replace("_", " ").title())) for name in missing
    )
