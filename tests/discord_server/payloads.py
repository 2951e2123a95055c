"""The world as JSON, in the shapes of the API's version 10."""

import datetime as dt

from . import permissions
from .world import (
    DISCORD_EPOCH_MS,
    FORUM,
    PUBLIC_THREAD,
    Attachment,
    Channel,
    Guild,
    Interaction,
    Json,
    Message,
    Role,
    User,
)

JOINED = "2024-01-01T00:00:00+00:00"


def moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def created(snowflake: int) -> str:
    return moment(((snowflake >> 22) + DISCORD_EPOCH_MS) / 1000)


def user(someone: User) -> Json:
    return {
        "id": str(someone.id),
        "username": someone.name,
        "global_name": None if someone.is_bot else someone.name.title(),
        "discriminator": "0000" if someone.is_bot else "0",
        "avatar": None,
        "bot": someone.is_bot,
        "public_flags": 0,
        "flags": 0,
    }


def member(someone: User, guild: Guild, *, with_user: bool = True) -> Json:
    found = guild.members.get(someone.id)
    payload: Json = {
        "roles": [str(role.id) for role in found.roles] if found else [],
        "joined_at": JOINED,
        "premium_since": None,
        "nick": None,
        "avatar": None,
        "pending": False,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
    }
    return {**payload, "user": user(someone)} if with_user else payload


def role(one: Role) -> Json:
    return {
        "id": str(one.id),
        "name": one.name,
        "permissions": str(one.permissions),
        "position": one.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": one.is_managed,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def channel(one: Channel) -> Json:
    last = str(one.messages[-1].id) if one.messages else None
    payload: Json = {"id": str(one.id), "type": one.type, "last_message_id": last, "flags": 0}
    if one.guild is None:
        return {**payload, "recipients": [user(one.recipient)] if one.recipient else []}
    payload |= {
        "guild_id": str(one.guild.id),
        "name": one.name,
        "parent_id": str(one.parent.id) if one.parent else None,
        "rate_limit_per_user": 0,
    }
    return payload | (_thread(one) if one.is_thread else _place(one))


def _place(one: Channel) -> Json:
    payload: Json = {
        "nsfw": one.is_nsfw,
        "topic": None,
        "position": 0,
        "permission_overwrites": [
            {
                "id": str(target),
                "type": 0 if overwrite.is_role else 1,
                "allow": str(overwrite.allow),
                "deny": str(overwrite.deny),
            }
            for target, overwrite in one.overwrites.items()
        ],
    }
    if one.type == FORUM:
        payload |= {"available_tags": [], "default_forum_layout": 0, "default_sort_order": None}
    return payload


def _thread(one: Channel) -> Json:
    return {
        "owner_id": str(one.owner.id) if one.owner else "0",
        "message_count": len(one.messages),
        "total_message_sent": len(one.messages),
        "member_count": 1,
        "applied_tags": [],
        "thread_metadata": {
            "archived": one.is_archived,
            "locked": one.is_locked,
            "auto_archive_duration": 1440,
            "archive_timestamp": created(one.id),
            "create_timestamp": created(one.id),
            **({} if one.type == PUBLIC_THREAD else {"invitable": True}),
        },
    }


def guild(one: Guild, bot: User, *, with_members: bool) -> Json:
    """Return the payload of GUILD_CREATE; without the members intent only the bot is listed."""
    members = [each.user for each in one.members.values()] if with_members else [bot]
    return {
        "id": str(one.id),
        "name": one.name,
        "owner_id": str(one.owner.id),
        "preferred_locale": one.locale,
        "icon": None,
        "splash": None,
        "banner": None,
        "description": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "premium_tier": 0,
        "premium_progress_bar_enabled": False,
        "max_members": 500_000,
        "vanity_url_code": None,
        "joined_at": JOINED,
        "large": False,
        "unavailable": False,
        "member_count": len(one.members),
        "roles": [role(each) for each in one.roles.values()],
        "members": [member(each, one) for each in members],
        "channels": [channel(each) for each in one.channels.values() if not each.is_thread],
        "threads": [
            channel(each)
            for each in one.channels.values()
            if each.is_thread and not each.is_archived
        ],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def attachment(one: Attachment, *, ephemeral: bool = False) -> Json:
    payload: Json = {
        "id": str(one.id),
        "filename": one.filename,
        "size": len(one.data),
        "url": one.url,
        "proxy_url": one.url,
        "content_type": one.content_type,
    }
    if one.description:
        payload["description"] = one.description
    return payload | ({"ephemeral": True} if ephemeral else {})


def message(one: Message, bot: User, *, censored: bool = False, nested: bool = False) -> Json:
    """Return a message; `censored` is how a bot without the content intent gets it."""
    guild_of = one.channel.guild
    everyone, mentioned = _mentioned(one)
    payload: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel.id),
        "type": one.type,
        "author": user(one.author),
        "content": "" if censored else one.content,
        "embeds": [] if censored else one.embeds,
        "components": [] if censored else one.components,
        "attachments": []
        if censored
        else [attachment(each, ephemeral=one.ephemeral) for each in one.attachments],
        "timestamp": created(one.id),
        "edited_timestamp": moment(one.edited_wall_s) if one.edited_wall_s else None,
        "tts": False,
        "pinned": one.is_pinned,
        "mention_everyone": everyone,
        "mentions": [user(each) for each in mentioned],
        "mention_roles": [str(each) for each in (one.pings[-1].roles if one.pings else ())],
        "flags": one.flags,
    }
    if one.nonce is not None:
        payload["nonce"] = one.nonce
    if one.reactions:
        payload["reactions"] = [_reaction(emoji, by, bot) for emoji, by in one.reactions.items()]
    if one.thread is not None:
        payload["thread"] = channel(one.thread)
    if one.interaction is not None:
        payload |= {
            "webhook_id": str(bot.id),
            "application_id": str(bot.id),
            "interaction_metadata": _metadata(one.interaction),
        }
    if one.reference_id is not None:
        payload["message_reference"] = {
            "type": 0,
            "message_id": str(one.reference_id),
            "channel_id": str(one.channel.id),
            **({"guild_id": str(guild_of.id)} if guild_of else {}),
        }
        if not nested:
            payload["referenced_message"] = _referenced(one, bot, censored=censored)
    return payload


def _mentioned(one: Message) -> tuple[bool, list[User]]:
    if not one.pings:
        return False, []
    known = _people(one)
    return one.pings[-1].everyone, [known[each] for each in one.pings[-1].users if each in known]


def _people(one: Message) -> dict[int, User]:
    guild_of = one.channel.guild
    if guild_of is not None:
        return {each.user.id: each.user for each in guild_of.members.values()}
    pair = (one.author, one.channel.recipient, one.reference.author if one.reference else None)
    return {each.id: each for each in pair if each is not None}


def _referenced(one: Message, bot: User, *, censored: bool) -> Json | None:
    if one.reference is None or one.reference.is_deleted:
        return None
    own = one.reference.author is bot
    return message(one.reference, bot, censored=censored and not own, nested=True)


def _reaction(emoji: str, by: list[User], bot: User) -> Json:
    return {
        "emoji": {"id": None, "name": emoji},
        "count": len(by),
        "count_details": {"burst": 0, "normal": len(by)},
        "me": bot in by,
        "me_burst": False,
        "burst_colors": [],
    }


def _metadata(one: Interaction) -> Json:
    payload: Json = {
        "id": str(one.id),
        "type": one.type,
        "user": user(one.user),
        "authorizing_integration_owners": {
            "0": str(one.channel.guild.id) if one.channel.guild else "0"
        },
    }
    if one.message is not None and one.type == 3:
        payload["interacted_message_id"] = str(one.message.id)
    if one.parent is not None:
        payload["triggering_interaction_metadata"] = _metadata(one.parent)
    return payload


def interaction(one: Interaction, bot: User) -> Json:
    """Return the payload of INTERACTION_CREATE."""
    here = one.channel
    payload: Json = {
        "id": str(one.id),
        "application_id": str(bot.id),
        "type": one.type,
        "token": one.token,
        "version": 1,
        "data": one.data,
        "channel_id": str(here.id),
        "channel": {
            **channel(here),
            "permissions": str(permissions.in_channel(one.user, here)),
        },
        "locale": one.user.locale,
        "app_permissions": str(permissions.in_channel(bot, here)),
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": {"0": str(here.guild.id) if here.guild else "0"},
        "context": 0 if here.guild else 1,
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if here.guild is not None:
        payload |= {
            "guild_id": str(here.guild.id),
            "guild_locale": here.guild.locale,
            "guild": {"id": str(here.guild.id), "locale": here.guild.locale, "features": []},
            "member": {
                **member(one.user, here.guild),
                "permissions": str(permissions.in_channel(one.user, here)),
            },
        }
    else:
        payload["user"] = user(one.user)
    if one.message is not None:
        payload["message"] = message(one.message, bot)
    return payload
