"""Messages, reactions, typing: what the bot may do to them and what it is told when it may not."""

import time
from urllib.parse import unquote

from . import permissions
from .problems import ApiError
from .rest import Answer, Request, Route
from .rules_message import check_message, check_not_empty
from .state import State
from .world import FORUM, Channel, Json, Message, User

CHANNEL = "/channels/{channel}"
MESSAGES = f"{CHANNEL}/messages"
MESSAGE = f"{MESSAGES}/{{message}}"
EMOJI = f"{MESSAGE}/reactions/{{emoji}}"


def seen_channel(state: State, request: Request) -> Channel:
    """Return the channel of the path, if the bot sees it."""
    channel = state.channel(request.ids["channel"])
    if not state.bot_sees(channel):
        state.violate("permission", request.call.path, "view_channel")
        raise ApiError(403, 50001, "Missing Access")
    return channel


def need(state: State, request: Request, channel: Channel, *names: str) -> None:
    """Refuse what the bot has no permission for."""
    if not permissions.may(state.bot, channel, *names):
        state.violate("permission", f"{request.call.method} {request.call.path}", ", ".join(names))
        raise ApiError(403, 50013, "Missing Permissions")


def need_send(state: State, request: Request, channel: Channel) -> None:
    """Refuse writing where the bot may not, or to a person who does not want it."""
    name = "send_messages_in_threads" if channel.is_thread else "send_messages"
    need(state, request, channel, name)
    if channel.recipient is not None and not channel.recipient.takes_dms:
        raise ApiError(403, 50007, "Cannot send messages to this user")
    if channel.is_locked and channel.is_archived:
        raise ApiError(400, 50083, "Thread is archived")


def checked(state: State, request: Request, body: Json, before: Message | None) -> Json:
    """Return the body if it keeps the rules of a message; refuse and record it otherwise."""
    problems = check_message(body, before, len(request.files))
    if problems.found:
        where = f"{request.call.method} {request.call.path}"
        state.violate("form", where, problems.describe())
        raise problems.error()
    return body


def create(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    if channel.type == FORUM:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    need_send(state, request, channel)
    if request.files:
        need(state, request, channel, "attach_files")
    body = checked(state, request, request.body, None)
    check_not_empty(body, len(request.files))
    earlier = _same_nonce(state, channel, body)
    if earlier is not None:
        return state.payload(earlier)
    message = state.new_message(channel, state.bot)
    message.nonce = body.get("nonce")
    _refer(state, request, message, body)
    state.fill(message, body, request.files)
    if not permissions.may(state.bot, channel, "embed_links"):
        message.embeds = []
    return state.payload(state.publish(message))


def _same_nonce(state: State, channel: Channel, body: Json) -> Message | None:
    if not body.get("enforce_nonce") or body.get("nonce") is None:
        return None
    since_s = time.monotonic() - state.nonce_window_s
    for message in reversed(list(state.messages.values())):
        is_same = message.author is state.bot and str(message.nonce) == str(body["nonce"])
        if is_same and message.channel is channel and message.created_at_s > since_s:
            return message
    return None


def _refer(state: State, request: Request, message: Message, body: Json) -> None:
    reference = body.get("message_reference")
    if not reference:
        return
    need(state, request, message.channel, "read_message_history")
    found = state.messages.get(int(reference["message_id"]))
    if found is None or found.is_deleted or found.channel is not message.channel:
        if reference.get("fail_if_not_exists", True):
            raise ApiError(
                400,
                50035,
                "Invalid Form Body",
                {
                    "message_reference": {
                        "_errors": [
                            {"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}
                        ]
                    }
                },
            )
        return
    message.type, message.reference, message.reference_id = 19, found, found.id


def edit(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    message = state.message(channel, request.ids["message"])
    if message.author is not state.bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    if channel.is_archived:
        raise ApiError(400, 50083, "Thread is archived")
    body = checked(state, request, request.body, message)
    return state.payload(state.revise(message, body, request.files))


def delete(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    message = state.message(channel, request.ids["message"])
    if message.author is not state.bot:
        if channel.guild is None:
            raise ApiError(403, 50003, "Cannot execute action on a DM channel")
        need(state, request, channel, "manage_messages")
    state.remove(message)
    return None


def bulk_delete(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    need(state, request, channel, "manage_messages")
    for each in request.body["messages"]:
        state.remove(state.message(channel, int(each)))
    return None


def get(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    need(state, request, channel, "read_message_history")
    return state.payload(state.message(channel, request.ids["message"]))


def history(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    if not permissions.may(state.bot, channel, "read_message_history"):
        return []
    query = request.call.query
    limit = int(query.get("limit", 50))
    found = channel.messages
    if "around" in query:
        middle = int(query["around"])
        older = [each for each in found if each.id <= middle][-(limit // 2 + 1) :]
        found = (older + [each for each in found if each.id > middle])[:limit]
    elif "after" in query:
        found = [each for each in found if each.id > int(query["after"])][:limit]
    else:
        before = int(query.get("before", 1 << 63))
        found = [each for each in found if each.id < before][-limit:]
    return [state.payload(each) for each in reversed(found)]


def typing(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    need_send(state, request, channel)
    channel.typing_at_s.append(time.monotonic())
    return None


def _reacted(state: State, request: Request) -> tuple[Message, str]:
    channel = seen_channel(state, request)
    message = state.message(channel, request.ids["message"])
    return message, unquote(request.texts["emoji"])


def add_reaction(state: State, request: Request) -> Answer:
    message, emoji = _reacted(state, request)
    need(state, request, message.channel, "read_message_history")
    if emoji not in message.reactions:
        need(state, request, message.channel, "add_reactions")
    state.react(message, state.bot, emoji)
    return None


def remove_own_reaction(state: State, request: Request) -> Answer:
    message, emoji = _reacted(state, request)
    state.unreact(message, [state.bot], emoji)
    return None


def remove_reaction(state: State, request: Request) -> Answer:
    message, emoji = _reacted(state, request)
    need(state, request, message.channel, "manage_messages")
    state.unreact(message, [_user(state, request.ids["user"])], emoji)
    return None


def clear_reactions(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    message = state.message(channel, request.ids["message"])
    need(state, request, channel, "manage_messages")
    for emoji, by in list(message.reactions.items()):
        state.unreact(message, list(by), emoji)
    return None


def _user(state: State, user_id: int) -> User:
    if user_id not in state.users:
        raise ApiError(404, 10013, "Unknown User")
    return state.users[user_id]


def pin(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    need(state, request, channel, "pin_messages")
    message = state.message(channel, request.ids["message"])
    message.is_pinned = request.call.method == "PUT"
    return None


ROUTES = [
    Route("POST", MESSAGES, create, "message_create"),
    Route("GET", MESSAGES, history, "message_read"),
    Route("POST", f"{MESSAGES}/bulk-delete", bulk_delete, "bulk_delete"),
    Route("GET", MESSAGE, get, "message_read"),
    Route("PATCH", MESSAGE, edit, "message_edit"),
    Route("DELETE", MESSAGE, delete, "message_delete"),
    Route("POST", f"{CHANNEL}/typing", typing, "typing"),
    Route("PUT", f"{EMOJI}/@me", add_reaction, "reaction"),
    Route("DELETE", f"{EMOJI}/@me", remove_own_reaction, "reaction"),
    Route("DELETE", f"{EMOJI}/{{user}}", remove_reaction, "reaction"),
    Route("DELETE", f"{MESSAGE}/reactions", clear_reactions, "reaction"),
    Route("PUT", f"{MESSAGES}/pins/{{message}}", pin, "pin"),
    Route("DELETE", f"{MESSAGES}/pins/{{message}}", pin, "pin"),
]
