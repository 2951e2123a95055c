"""What Discord says of a token: is it good, which intents does it have, what may it do.

Invariant: nothing is changed at Discord, and the token never leaves this module.
"""

import asyncio
from dataclasses import dataclass

import aiohttp
import discord
from pydantic import SecretStr

NEEDED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)
"""What the bot cannot do without in a channel where stories are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found; ``problem`` is "" where the token is good."""

    problem: str = ""
    name: str = ""
    application_id: int = 0
    has_message_content: bool = False
    guilds: int = 0
    lacking: tuple[tuple[str, tuple[str, ...]], ...] = ()  # guild, missing permissions
    invite_url: str = ""


async def diagnose(token: SecretStr, *, timeout_s: float) -> Diagnosis:
    """Ask Discord about the token; never raises for what the network or Discord answers."""
    client = discord.Client(intents=discord.Intents.none())
    try:
        async with asyncio.timeout(timeout_s), client:
            await client.login(token.get_secret_value())
            application = await client.application_info()
            guilds = await client.http.get_guilds(limit=200)
    except discord.LoginFailure:
        return Diagnosis(problem="refused")
    except TimeoutError:
        return Diagnosis(problem="timeout")
    except (aiohttp.ClientError, discord.HTTPException, OSError) as error:
        return Diagnosis(problem=type(error).__name__)
    flags = application.flags
    lacking = []
    for guild in guilds:
        held = discord.Permissions(int(guild.get("permissions", 0)))
        if not held.administrator and not held >= NEEDED:
            missing = tuple(name for name, is_set in NEEDED if is_set and not getattr(held, name))
            lacking.append((str(guild["name"]), missing))
    return Diagnosis(
        name=application.name,
        application_id=application.id,
        has_message_content=flags.gateway_message_content or flags.gateway_message_content_limited,
        guilds=len(guilds),
        lacking=tuple(lacking),
        invite_url=discord.utils.oauth_url(
            application.id, permissions=NEEDED, scopes=("bot", "applications.commands")
        ),
    )
