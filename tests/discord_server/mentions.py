"""Whom a body would ping."""

import re
from collections.abc import Iterator

from .world import Json, Message, Pings, walk

USER, ROLE = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(everyone|here)\b")


def pings(message: Message, allowed: Json | None, default_reply_ping: bool = True) -> Pings:
    """Return the worst case for the message's text under the given allowed_mentions.

    Embeds never ping; text displays do. Without allowed_mentions everything in the text counts,
    whether or not the author has the permission to mention everyone.
    """
    text = "\n".join(_pinging_text(message))
    users = {int(found) for found in USER.findall(text)}
    roles = {int(found) for found in ROLE.findall(text)}
    everyone = bool(EVERYONE.search(text))
    if allowed is not None:
        parse = allowed.get("parse") or []
        everyone = everyone and "everyone" in parse
        users = users if "users" in parse else users & _ids(allowed, "users")
        roles = roles if "roles" in parse else roles & _ids(allowed, "roles")
    if message.reference is not None:
        replied = default_reply_ping if allowed is None else bool(allowed.get("replied_user"))
        if replied:
            users.add(message.reference.author.id)
    return Pings(everyone, frozenset(users), frozenset(roles))


def _pinging_text(message: Message) -> Iterator[str]:
    yield message.content
    for item in walk(message.components):
        if item["type"] == 10:
            yield item["content"]


def _ids(allowed: Json, key: str) -> set[int]:
    return {int(each) for each in allowed.get(key) or []}
