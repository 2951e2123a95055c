"""Places as storage knows them: a key, and what cannot be told from it.

Invariant: the same place always has the same key; a place that a story was begun in
can be made again from its key, also when nobody has spoken there since the start.
"""

import json

from bot.policy.rights import Place
from bot.story.ports import UnitOfWork

DISCORD = "discord"


def place_key(place: Place) -> str:
    """Return "discord:<channel id>" or "terminal:<name>"."""
    if place.platform == DISCORD:
        return f"{DISCORD}:{place.channel_id}"
    return f"{place.platform}:{place.name}"


def group_key(key: str, guild_id: int | None) -> str:
    """Return "guild:<guild id>" for a place of a guild; any other place is its own group."""
    return key if guild_id is None else f"guild:{guild_id}"


def channel_of(place: Place) -> int | None:
    """Return the channel that messages are sent to; None where there are no messages."""
    return place.channel_id if place.platform == DISCORD else None


async def remember_place(unit: UnitOfWork, place: Place) -> None:
    """Keep what the key does not say: the parent, the age restriction."""
    name, value = _fact_name(place_key(place)), _to_json(place)
    if await unit.settings.fact(name) != value:
        await unit.settings.put_fact(name, value)


async def place_of(unit: UnitOfWork, key: str, guild_id: int | None) -> Place:
    """Return the place of a key, as it was when a story was last begun or opened there."""
    known = await unit.settings.fact(_fact_name(key))
    platform, _, rest = key.partition(":")
    if known is not None:
        data = json.loads(known)
        return Place(
            platform=platform,
            guild_id=guild_id,
            channel_id=data["channel_id"],
            parent_id=data["parent_id"],
            is_age_restricted=data["is_age_restricted"],
            is_direct=data["is_direct"],
            name=data["name"],
        )
    is_number = platform == DISCORD and rest.isdecimal()
    return Place(
        platform=platform,
        guild_id=guild_id,
        channel_id=int(rest) if is_number else 0,
        parent_id=None,
        is_age_restricted=False,
        is_direct=guild_id is None,
        name="" if is_number else rest,
    )


def _fact_name(key: str) -> str:
    return f"place:{key}"


def _to_json(place: Place) -> str:
    return json.dumps(
        {
            "channel_id": place.channel_id,
            "parent_id": place.parent_id,
            "is_age_restricted": place.is_age_restricted,
            "is_direct": place.is_direct,
            "name": place.name,
        }
    )
