"""Registers the slash commands when they changed, and only then.

Invariant: what Discord was last sent is remembered as a hash for each application,
with the commands' ids for mentions; the hash covers names, options and every
translation.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands

from bot.discord_app.translator import GettextTranslator
from bot.story.ports import Store

log = logging.getLogger(__name__)

AUTO, ALWAYS, NEVER = "auto", "always", "never"
SIZE_LIMIT = 7000
"""Characters of one command; Discord refuses more than 8000."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What Discord was sent."""

    digest: str
    ids: Mapping[str, int]

    def to_json(self) -> str:
        """Return it as it is stored."""
        return json.dumps({"digest": self.digest, "ids": dict(self.ids)}, sort_keys=True)

    @classmethod
    def from_json(cls, stored: str | None) -> "Synced":
        """Read it; nothing where nothing readable is stored."""
        try:
            data = json.loads(stored or "{}")
            ids = {str(name): int(number) for name, number in data["ids"].items()}
            return cls(str(data["digest"]), ids)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls("", {})


async def payload_of(tree: "app_commands.CommandTree[Any]") -> list[dict[str, Any]]:
    """Return all commands as Discord would be sent them, translated."""
    translator = tree.translator or GettextTranslator()
    return [
        await command.get_translated_payload(tree, translator) for command in tree.get_commands()
    ]


def digest_of(payload: list[dict[str, Any]]) -> str:
    """Return the hash of a payload, whatever the order of its keys."""
    text = json.dumps(sorted(payload, key=lambda one: str(one["name"])), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def size_of(command: Mapping[str, Any]) -> int:
    """Return how many characters a command counts: of each field the longest localisation."""
    total = 0
    for field in ("name", "description", "value"):
        texts = [command.get(field), *(command.get(f"{field}_localizations") or {}).values()]
        total += max((len(text) for text in texts if isinstance(text, str)), default=0)
    for nested in ("options", "choices"):
        total += sum(size_of(one) for one in command.get(nested) or ())
    return total


async def sync(
    tree: "app_commands.CommandTree[Any]",
    store: Store,
    application_id: int,
    *,
    mode: str = AUTO,
) -> Mapping[str, int]:
    """Register the commands if need be; return their ids by name.

    Args:
        tree: the commands.
        store: remembers what was sent.
        application_id: whose commands they are.
        mode: "auto" when they changed, "always", or "never".
    """
    fact = f"discord.commands.{application_id}"
    async with store.read() as unit:
        known = Synced.from_json(await unit.settings.fact(fact))
    digest = digest_of(await payload_of(tree))
    if mode == NEVER or (mode != ALWAYS and known.digest == digest):
        return known.ids
    try:
        commands = await tree.sync()
    except discord.HTTPException as error:
        # What was registered before goes on working.
        log.error("the commands could not be registered: %s", error)  # noqa: TRY400 -- the traceback says nothing more
        return known.ids
    synced = Synced(digest, {command.name: command.id for command in commands})
    async with store.write() as unit:
        await unit.settings.put_fact(fact, synced.to_json())
        await unit.commit()
    log.info("registered %s commands", len(commands))
    return synced.ids
