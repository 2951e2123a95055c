"""Who acts and where, as the use cases know it.

Invariant: rights come from what Discord says with each event, never from a cache of
members; a thread's age restriction is its parent's.
"""

from typing import Any

import discord

from bot.discord_app.errors import MissingPermissionsError, permission_names
from bot.locales import Words
from bot.policy.rights import Actor, Place

PLATFORM = "discord"
AnyInteraction = discord.Interaction[Any]


def actor_of(interaction: AnyInteraction) -> Actor:
    """Return who used a command, button or form."""
    return _actor(interaction.user, interaction.permissions, interaction.locale.value)


def author_of(message: discord.Message) -> Actor:
    """Return who wrote a message."""
    author, channel = message.author, message.channel
    permissions = discord.Permissions.none()
    if isinstance(author, discord.Member):
        if isinstance(channel, discord.PartialMessageable | discord.DMChannel):
            permissions = author.guild_permissions
        else:
            permissions = channel.permissions_for(author)
    locale = message.guild.preferred_locale.value if message.guild else "en"
    return _actor(author, permissions, locale)


def _actor(
    user: discord.User | discord.Member, permissions: discord.Permissions, locale: str
) -> Actor:
    is_admin = permissions.administrator or permissions.manage_guild
    return Actor(
        user_id=user.id,
        name=user.display_name,
        is_admin=is_admin,
        is_moderator=is_admin or permissions.manage_messages,
        locale=locale,
        platform=PLATFORM,
    )


def place_of(interaction: AnyInteraction) -> Place:
    """Return where a command, button or form was used."""
    return _place(interaction.channel, interaction.channel_id or 0, interaction.guild_id)


def place_of_message(message: discord.Message) -> Place:
    """Return where a message was written."""
    guild_id = message.guild.id if message.guild else None
    return _place(message.channel, message.channel.id, guild_id)


def _place(channel: object, channel_id: int, guild_id: int | None) -> Place:
    parent_id: int | None = None
    is_restricted = False
    if isinstance(channel, discord.Thread):
        parent_id = channel.parent_id
        is_restricted = channel.parent is not None and channel.is_nsfw()
    elif isinstance(channel, discord.abc.GuildChannel):
        is_restricted = bool(getattr(channel, "nsfw", False))
    return Place(
        platform=PLATFORM,
        guild_id=guild_id,
        channel_id=channel_id,
        parent_id=parent_id,
        is_age_restricted=is_restricted,
        is_direct=guild_id is None,
        name=str(getattr(channel, "name", None) or channel_id),
    )


def missing_permissions(
    permissions: discord.Permissions, *, is_thread: bool, needed: tuple[str, ...] = ()
) -> list[str]:
    """Return what is missing of what a story needs, by Discord's names."""
    send = "send_messages_in_threads" if is_thread else "send_messages"
    wanted = ("view_channel", send, *needed)
    return [name for name in wanted if not getattr(permissions, name)]


def require_writable(interaction: AnyInteraction, words: Words) -> None:
    """Refuse where the bot could not show what it writes.

    Raises:
        MissingPermissionsError: it names the permissions.
    """
    if interaction.guild_id is None:
        return  # a direct message that reached the bot can be answered
    missing = missing_permissions(
        interaction.app_permissions, is_thread=isinstance(interaction.channel, discord.Thread)
    )
    if missing:
        raise MissingPermissionsError(missing=permission_names(missing, words))
