"""What a member or the bot may do in a channel, by Discord's order of roles and overwrites."""

from collections.abc import Iterable

import discord

from .world import Channel, User

ADMINISTRATOR = 1 << 3
EVERYTHING = discord.Permissions.all().value


def bits(names: Iterable[str]) -> int:
    """Return the bit field of permission names as discord.py spells them."""
    return discord.Permissions(**dict.fromkeys(names, True)).value


MEMBER_DEFAULT = bits(
    (
        "add_reactions",
        "attach_files",
        "create_public_threads",
        "embed_links",
        "read_message_history",
        "send_messages",
        "send_messages_in_threads",
        "use_application_commands",
        "view_channel",
    )
)
BOT_DEFAULT = MEMBER_DEFAULT


def in_guild(user: User, channel: Channel) -> int:
    """Return what the user's roles give in the channel's guild."""
    guild = channel.guild
    if guild is None:
        return EVERYTHING
    if guild.owner is user:
        return EVERYTHING
    member = guild.members.get(user.id)
    if member is None:
        return 0
    granted = guild.roles[guild.id].permissions
    for role in member.roles:
        granted |= role.permissions
    return EVERYTHING if granted & ADMINISTRATOR else granted


def in_channel(user: User, channel: Channel) -> int:
    """Return the user's permissions in the channel; a thread follows its parent."""
    if channel.guild is None:
        return EVERYTHING
    granted = in_guild(user, channel)
    if granted == EVERYTHING or user.id not in channel.guild.members:
        return granted
    overwrites = (channel.parent or channel).overwrites
    roles = channel.guild.members[user.id].roles
    everyone = overwrites.get(channel.guild.id)
    if everyone is not None:
        granted = granted & ~everyone.deny | everyone.allow
    of_roles = [overwrites[role.id] for role in roles if role.id in overwrites]
    for overwrite in of_roles:
        granted &= ~overwrite.deny
    for overwrite in of_roles:
        granted |= overwrite.allow
    own = overwrites.get(user.id)
    if own is not None:
        granted = granted & ~own.deny | own.allow
    return granted


def may(user: User, channel: Channel, *names: str) -> bool:
    """Say whether the user holds all the named permissions in the channel."""
    wanted = bits(names)
    return in_channel(user, channel) & wanted == wanted


def may_send(user: User, channel: Channel) -> bool:
    """Say whether the user may write there; threads have a permission of their own."""
    return may(user, channel, "send_messages_in_threads" if channel.is_thread else "send_messages")
