"""The application, its commands, people, guilds, channels and threads."""

from . import payloads
from .problems import ApiError, Problems
from .rest import Answer, Request, Route
from .rest_messages import CHANNEL, MESSAGES, checked, need, need_send, seen_channel
from .rules_commands import check_commands
from .state import GUILDS, State
from .world import FORUM, PUBLIC_THREAD, Channel, Json, Message, User

APPLICATION = "/applications/{application}"
GUILD = "/guilds/{guild}"


def me(state: State, request: Request) -> Answer:
    return payloads.user(state.bot) | {"verified": True, "mfa_enabled": False, "locale": "en-US"}


def gateway_bot(state: State, request: Request) -> Answer:
    url = state.cdn_url.replace("http", "ws", 1).removesuffix("/cdn") + "/gateway"
    limit = {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1}
    return {"url": url, "shards": 1, "session_start_limit": limit}


def application(state: State, request: Request) -> Answer:
    granted = {1: 1 << 15, 8: 1 << 13, 15: 1 << 19}
    flags = sum(flag for bit, flag in granted.items() if state.approved_intents & 1 << bit)
    owner = next((each for each in state.users.values() if not each.is_bot), state.bot)
    return {
        "id": str(state.bot.id),
        "name": state.bot.name,
        "icon": None,
        "description": "",
        "summary": "",
        "verify_key": "0" * 64,
        "bot_public": True,
        "bot_require_code_grant": False,
        "flags": flags,
        "owner": payloads.user(owner),
        "team": None,
        "bot": payloads.user(state.bot),
        "approximate_guild_count": len(state.guilds),
        "install_params": None,
        "integration_types_config": {"0": {}},
    }


# -- commands ----------------------------------------------------------------------------


def _set(state: State, request: Request) -> int:
    if request.ids["application"] != state.bot.id:
        raise ApiError(
            403, 20012, "You are not authorized to perform this action on this application"
        )
    return request.ids.get("guild", 0)


def _registered(state: State, request: Request, command: Json, scope: int) -> Json:
    kept = next(
        (
            each
            for each in state.commands.get(scope, [])
            if each["name"] == command["name"] and each["type"] == command.get("type", 1)
        ),
        None,
    )
    number = kept["id"] if kept else str(state.snowflakes.next())
    defaults: Json = {
        "type": 1,
        "description": "",
        "default_member_permissions": None,
        "nsfw": False,
        "integration_types": [0],
        "contexts": None,
        "dm_permission": True,
    }
    fixed: Json = {
        "id": number,
        "application_id": str(state.bot.id),
        "version": str(state.snowflakes.next()),
    }
    if scope:
        fixed["guild_id"] = str(scope)
    given = {key: value for key, value in command.items() if value is not None}
    return defaults | given | fixed


def _check(state: State, request: Request, commands: list[Json]) -> None:
    problems: Problems = check_commands(commands)
    if problems.found:
        state.violate("form", request.call.path, problems.describe())
        raise problems.error()


def overwrite_commands(state: State, request: Request) -> Answer:
    scope = _set(state, request)
    _check(state, request, request.items)
    state.commands[scope] = [_registered(state, request, each, scope) for each in request.items]
    state.command_syncs += 1
    return list(state.commands[scope])


def list_commands(state: State, request: Request) -> Answer:
    return list(state.commands.get(_set(state, request), []))


def upsert_command(state: State, request: Request) -> Answer:
    scope = _set(state, request)
    new = _registered(state, request, request.body, scope)
    others = [each for each in state.commands.get(scope, []) if each["id"] != new["id"]]
    _check(state, request, [*others, request.body])
    state.commands[scope] = [*others, new]
    state.command_syncs += 1
    return new


def _command(state: State, request: Request) -> Json:
    number = str(request.ids["command"])
    for command in state.commands.get(_set(state, request), []):
        if command["id"] == number:
            return command
    raise ApiError(404, 10063, "Unknown application command")


def get_command(state: State, request: Request) -> Answer:
    return _command(state, request)


def edit_command(state: State, request: Request) -> Answer:
    command = _command(state, request)
    _check(state, request, [command | request.body])
    command.update(request.body)
    return command


def delete_command(state: State, request: Request) -> Answer:
    command = _command(state, request)
    state.commands[_set(state, request)].remove(command)
    return None


# -- people and guilds ---------------------------------------------------------------------


def open_dm(state: State, request: Request) -> Answer:
    user = state.users.get(int(request.body["recipient_id"]))
    if user is None:
        raise ApiError(404, 10013, "Unknown User")
    return payloads.channel(state.dm_channel(user))


def get_user(state: State, request: Request) -> Answer:
    user = state.users.get(request.ids["user"])
    if user is None:
        raise ApiError(404, 10013, "Unknown User")
    return payloads.user(user)


def get_guild(state: State, request: Request) -> Answer:
    guild = state.guild(request.ids["guild"])
    full = payloads.guild(guild, state.bot, with_members=False)
    unseen = ("channels", "threads", "members", "presences", "voice_states")
    return {key: value for key, value in full.items() if key not in unseen}


def guild_channels(state: State, request: Request) -> Answer:
    guild = state.guild(request.ids["guild"])
    return [payloads.channel(each) for each in guild.channels.values() if not each.is_thread]


def guild_roles(state: State, request: Request) -> Answer:
    return [payloads.role(each) for each in state.guild(request.ids["guild"]).roles.values()]


def get_member(state: State, request: Request) -> Answer:
    guild = state.guild(request.ids["guild"])
    member = guild.members.get(request.ids["user"])
    if member is None:
        raise ApiError(404, 10007, "Unknown Member")
    return payloads.member(member.user, guild)


def active_threads(state: State, request: Request) -> Answer:
    guild = state.guild(request.ids["guild"])
    threads = [each for each in guild.channels.values() if each.is_thread and not each.is_archived]
    return {"threads": [payloads.channel(each) for each in threads], "members": []}


# -- channels and threads --------------------------------------------------------------------


def get_channel(state: State, request: Request) -> Answer:
    return payloads.channel(seen_channel(state, request))


def edit_channel(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    is_own = channel.is_thread and channel.owner is state.bot
    if not is_own:
        need(state, request, channel, "manage_threads" if channel.is_thread else "manage_channels")
    body = request.body
    channel.name = body.get("name", channel.name)
    channel.is_nsfw = body.get("nsfw", channel.is_nsfw)
    channel.is_archived = body.get("archived", channel.is_archived)
    channel.is_locked = body.get("locked", channel.is_locked)
    event = "THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE"
    state.emit(event, payloads.channel(channel), 1 << GUILDS, channel.guild)
    return payloads.channel(channel)


def delete_channel(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    need(state, request, channel, "manage_threads" if channel.is_thread else "manage_channels")
    payload = payloads.channel(channel)
    forget_channel(state, channel)
    return payload


def forget_channel(state: State, channel: Channel) -> None:
    """Delete a channel with all its messages and threads, and tell the bot."""
    channel.is_deleted = True
    for message in list(channel.messages):
        message.is_deleted = True
    guild = channel.guild
    if guild is not None:
        guild.channels.pop(channel.id, None)
        for thread in [each for each in guild.channels.values() if each.parent is channel]:
            forget_channel(state, thread)
    event = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
    state.emit(event, payloads.channel(channel), 1 << GUILDS, guild)
    state.pulse()


def open_thread(
    state: State, parent: Channel, name: str, owner: User | None, starter: Message | None
) -> Channel:
    """Make a public thread or forum post and tell the bot."""
    number = starter.id if starter is not None else state.snowflakes.next()
    thread = Channel(number, name, PUBLIC_THREAD, parent.guild, parent)
    thread.owner = owner
    thread.is_nsfw = parent.is_nsfw
    state.channels[number] = thread
    if parent.guild is not None:
        parent.guild.channels[number] = thread
    if starter is not None:
        starter.thread = thread
    payload = payloads.channel(thread) | {"newly_created": True}
    state.emit("THREAD_CREATE", payload, 1 << GUILDS, parent.guild)
    state.pulse()
    return thread


def start_thread(state: State, request: Request) -> Answer:
    channel = seen_channel(state, request)
    need(state, request, channel, "create_public_threads")
    problems = Problems()
    problems.at("name").check_length(request.body.get("name"), 1, 100)
    if problems.found:
        state.violate("form", request.call.path, problems.describe())
        raise problems.error()
    if channel.type == FORUM:
        return _start_post(state, request, channel)
    starter = None
    if "message" in request.ids:
        starter = state.message(channel, request.ids["message"])
        if starter.thread is not None:
            raise ApiError(400, 160004, "A thread has already been created for this message")
    thread = open_thread(state, channel, request.body["name"], state.bot, starter)
    return payloads.channel(thread)


def _start_post(state: State, request: Request, forum: Channel) -> Answer:
    need_send(state, request, forum)
    body = checked(state, request, request.body.get("message") or {}, None)
    thread = open_thread(state, forum, request.body["name"], state.bot, None)
    message = state.new_message(thread, state.bot)
    message.id = thread.id
    state.fill(message, body, request.files)
    state.publish(message)
    return payloads.channel(thread) | {"message": state.payload(message)}


def join_thread(state: State, request: Request) -> Answer:
    seen_channel(state, request)
    return None


ROUTES = [
    Route("GET", "/users/@me", me, "users"),
    Route("POST", "/users/@me/channels", open_dm, "users"),
    Route("GET", "/users/{user}", get_user, "users"),
    Route("GET", "/gateway/bot", gateway_bot, "gateway"),
    Route("GET", "/gateway", gateway_bot, "gateway", needs_token=False),
    Route("GET", "/oauth2/applications/@me", application, "application"),
    Route("GET", "/applications/@me", application, "application"),
    *(
        Route(method, f"{APPLICATION}{scope}/commands{tail}", handler, "commands")
        for scope in ("", GUILD)
        for method, tail, handler in (
            ("PUT", "", overwrite_commands),
            ("GET", "", list_commands),
            ("POST", "", upsert_command),
            ("GET", "/{command}", get_command),
            ("PATCH", "/{command}", edit_command),
            ("DELETE", "/{command}", delete_command),
        )
    ),
    Route("GET", GUILD, get_guild, "guilds"),
    Route("GET", f"{GUILD}/channels", guild_channels, "guilds"),
    Route("GET", f"{GUILD}/roles", guild_roles, "guilds"),
    Route("GET", f"{GUILD}/members/{{user}}", get_member, "guilds"),
    Route("GET", f"{GUILD}/threads/active", active_threads, "guilds"),
    Route("GET", CHANNEL, get_channel, "channels"),
    Route("PATCH", CHANNEL, edit_channel, "channels"),
    Route("DELETE", CHANNEL, delete_channel, "channels"),
    Route("POST", f"{CHANNEL}/threads", start_thread, "threads"),
    Route("POST", f"{MESSAGES}/{{message}}/threads", start_thread, "threads"),
    Route("PUT", f"{CHANNEL}/thread-members/@me", join_thread, "threads"),
]
