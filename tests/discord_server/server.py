"""The server: builds the world, runs HTTP and gateway on loopback, and is what a test talks to."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from . import payloads, permissions, rest_interactions, rest_messages, rest_world
from .gateway import Gateway
from .people import People
from .process import BotProcess
from .rest import PREFIX, Rest
from .rest_world import forget_channel, open_thread
from .state import GUILDS, Found, State
from .traffic import Call, Crash, Fault, RateLimits, path_pattern
from .world import FORUM, TEXT, Channel, Guild, Member, Message, Overwrite, Role, User

KINDS = {"text": TEXT, "announcement": 5, "forum": FORUM, "voice": 2}


class DiscordServer(People):
    """A small stand-in of Discord in the test's own event loop.

    Use as an async context manager. `approved_intents` are the privileged intents the application has.
    """

    def __init__(self, *, approved_intents: int = 0) -> None:
        self.state = State(approved_intents)
        self.gateway = Gateway(self.state)
        self._rest = Rest(
            self.state, [*rest_interactions.ROUTES, *rest_messages.ROUTES, *rest_world.ROUTES]
        )
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/cdn/attachments/{channel}/{number}/{name}", self._download)
        app.router.add_route("*", PREFIX + "/{tail:.*}", self._rest.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}"
        self.state.cdn_url = f"{self.base_url}/cdn"
        self.gateway.url = f"ws://127.0.0.1:{port}/gateway"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.gateway.drop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self.state.errors and error is None:
            raise AssertionError("\n".join(["the stand-in failed:", *self.state.errors]))

    async def _download(self, request: web.Request) -> web.Response:
        found = self.state.attachments.get(int(request.match_info["number"]))
        if found is None:
            return web.Response(status=404)
        return web.Response(body=found.data, headers={"Content-Type": found.content_type})

    # -- where the bot finds it ------------------------------------------------------

    @property
    def token(self) -> str:
        return self.state.token

    @property
    def bot(self) -> User:
        return self.state.bot

    @property
    def addresses(self) -> dict[str, str]:
        """The environment that points the shim at this server."""
        return {
            "STAND_IN_API": self.base_url + PREFIX,
            "STAND_IN_GATEWAY": self.gateway.url,
            "STAND_IN_CDN": self.state.cdn_url,
        }

    # -- building the world ------------------------------------------------------------

    def add_user(
        self,
        name: str,
        *,
        guild: Guild | None = None,
        permissions: Iterable[str] = (),
        locale: str = "en-US",
        takes_dms: bool = True,
    ) -> User:
        """Add a person, in a guild if one is given, with these permissions beside the usual ones."""
        user = User(self.state.snowflakes.next(), name, locale=locale, takes_dms=takes_dms)
        self.state.users[user.id] = user
        if guild is not None:
            self.add_member(guild, user, permissions)
        return user

    def add_member(self, guild: Guild, user: User, names: Iterable[str] = ()) -> None:
        """Let a person join a guild."""
        granted = permissions.bits(names)
        roles = [self.add_role(guild, user.name, granted)] if granted else []
        guild.members[user.id] = Member(user, roles)

    def add_role(self, guild: Guild, name: str, granted: int = 0) -> Role:
        role = Role(self.state.snowflakes.next(), name, granted)
        guild.roles[role.id] = role
        if self.gateway.connected:
            data = {"guild_id": str(guild.id), "role": payloads.role(role)}
            self.state.emit("GUILD_ROLE_CREATE", data, 1 << GUILDS, guild)
        return role

    def add_guild(self, name: str, *, locale: str = "en-US", has_bot: bool = True) -> Guild:
        """Add a guild; the bot is in it with a member's usual permissions."""
        state = self.state
        owner = User(state.snowflakes.next(), f"{name.lower()}-owner")
        state.users[owner.id] = owner
        guild = Guild(state.snowflakes.next(), name, locale, owner, has_bot=has_bot)
        guild.roles[guild.id] = Role(guild.id, "@everyone", permissions.MEMBER_DEFAULT, position=0)
        own = Role(state.snowflakes.next(), state.bot.name, permissions.BOT_DEFAULT, 1, True)
        guild.roles[own.id] = own
        guild.members = {owner.id: Member(owner), state.bot.id: Member(state.bot, [own])}
        state.guilds[guild.id] = guild
        if has_bot:
            self._announce(guild)
        return guild

    def _announce(self, guild: Guild) -> None:
        data = payloads.guild(guild, self.bot, with_members=bool(self.state.intents & 2))
        self.state.emit("GUILD_CREATE", data, 1 << GUILDS, guild)

    def add_channel(
        self, guild: Guild, name: str, *, nsfw: bool = False, kind: str = "text"
    ) -> Channel:
        """Add a channel; `kind` is text, announcement, forum or voice."""
        number = self.state.snowflakes.next()
        channel = Channel(number, name, KINDS[kind], guild, is_nsfw=nsfw)
        guild.channels[number] = self.state.channels[number] = channel
        self.state.emit("CHANNEL_CREATE", payloads.channel(channel), 1 << GUILDS, guild)
        return channel

    def add_thread(
        self, parent: Channel, name: str, *, owner: User | None = None, text: str | None = None
    ) -> Channel:
        """Let a person open a thread, or a post in a forum with `text` as its first message."""
        thread = open_thread(self.state, parent, name, owner, None)
        if text is not None and owner is not None:
            message = self.state.new_message(thread, owner)
            message.id, message.content = thread.id, text
            self.state.publish(message)
        return thread

    def dm_channel(self, user: User) -> Channel:
        return self.state.dm_channel(user)

    # -- changing it ----------------------------------------------------------------------

    def set_permissions(
        self,
        channel: Channel,
        who: User | Role,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
    ) -> None:
        """Overwrite what a role or person (the bot is one) may do in a channel."""
        overwrite = Overwrite(
            isinstance(who, Role), permissions.bits(allow), permissions.bits(deny)
        )
        channel.overwrites[who.id] = overwrite
        self.state.emit("CHANNEL_UPDATE", payloads.channel(channel), 1 << GUILDS, channel.guild)

    def deny_bot(self, channel: Channel, *names: str) -> None:
        """Take permissions from the bot in a channel; call without names to give them back."""
        self.set_permissions(channel, self.bot, deny=names)

    def archive(self, thread: Channel, *, locked: bool = False) -> None:
        thread.is_archived, thread.is_locked = True, locked
        self.state.emit("THREAD_UPDATE", payloads.channel(thread), 1 << GUILDS, thread.guild)

    def delete_channel(self, channel: Channel) -> None:
        forget_channel(self.state, channel)

    def remove_bot(self, guild: Guild) -> None:
        """Throw the bot out of a guild."""
        guild.has_bot = False
        data = {"id": str(guild.id), "unavailable": False}
        self.state.emit("GUILD_DELETE", data, 1 << GUILDS, guild)

    def remove_member(self, guild: Guild, user: User) -> None:
        """Let a person leave a guild."""
        guild.members.pop(user.id, None)
        data = {"guild_id": str(guild.id), "user": payloads.user(user)}
        self.state.emit("GUILD_MEMBER_REMOVE", data, 1 << 1, guild)

    def join_guild(self, guild: Guild) -> None:
        """Invite the bot to a guild that was made without it."""
        guild.has_bot = True
        self._announce(guild)

    # -- trouble ----------------------------------------------------------------------------

    @property
    def limits(self) -> RateLimits:
        return self.state.limits

    def add_fault(self, method: str, path: str, **how: Any) -> Fault:
        """Spoil matching requests; see `Fault` for how. `*` is one segment of the path."""
        fault = Fault(method, path, **how)
        self.state.faults.append(fault)
        return fault

    def remove_fault(self, fault: Fault) -> None:
        self.state.faults.remove(fault)

    def crash_on(
        self, method: str, path: str, *, bot: BotProcess, nth: int = 1, after: bool = True
    ) -> Crash:
        """Kill the bot's process at its nth matching request from now on.

        after=True: Discord has done the work and the answer never arrives; False: it has not.
        """
        crash = Crash(method, path, nth, bot, after=after)
        self.state.crashes.append(crash)
        return crash

    @contextlib.asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Let Discord be down: every request answers 503, the gateway is cut and refuses."""
        fault = self.add_fault("*", "/**", status=503, times=None)
        self.gateway.refuses = True
        await self.gateway.drop()
        try:
            yield
        finally:
            self.gateway.refuses = False
            self.remove_fault(fault)

    # -- waiting ----------------------------------------------------------------------------

    async def wait_for(
        self, predicate: Callable[[], Found], timeout_s: float = 30.0, what: str = "the condition"
    ) -> Found:
        """Return the predicate's value once it is true; it is asked after every change."""
        return await self.state.wait_for(predicate, timeout_s, what)

    async def wait_message(
        self,
        channel: Channel,
        predicate: Callable[[Message], object] = lambda _: True,
        *,
        since_s: float = 0.0,
        timeout_s: float = 30.0,
    ) -> Message:
        """Wait for a message of the bot in the channel, made after the moment `since_s`."""

        def first() -> Message | None:
            made = (each for each in self.bot_messages(channel) if each.created_at_s >= since_s)
            return next((each for each in made if predicate(each)), None)

        found = await self.wait_for(first, timeout_s, "a message of the bot")
        if found is None:
            raise AssertionError
        return found

    async def wait_settled(
        self, message: Message, quiet_s: float = 0.5, timeout_s: float = 30.0
    ) -> Message:
        """Wait until the message has not changed for `quiet_s` seconds."""
        ends_at_s = self.now() + timeout_s
        while (left_s := message.changed_at_s + quiet_s - self.now()) > 0:
            if self.now() > ends_at_s:
                raise AssertionError(f"still changing after {timeout_s} s: {message.text!r}")
            await self.state.next_change(left_s)
        return message

    # -- looking ---------------------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def messages(self, channel: Channel, *, viewer: User | None = None) -> list[Message]:
        """Return a channel's messages as everybody, or one person with the ephemeral ones, sees them."""
        if viewer is None:
            return list(channel.messages)
        here = (each for each in self.state.messages.values() if each.channel is channel)
        seen = (each for each in here if not each.ephemeral or each.viewer is viewer)
        return [each for each in seen if not each.is_deleted]

    def bot_messages(self, channel: Channel) -> list[Message]:
        """Return the bot's messages that everybody sees."""
        return [each for each in channel.messages if each.author is self.bot]

    def calls(self, method: str = "*", path: str = "/**", *, since_s: float = 0.0) -> list[Call]:
        """Return the matching requests, in the order they came."""
        pattern = path_pattern(path)
        return [
            each
            for each in self.state.calls
            if method in ("*", each.method) and pattern.match(each.path) and each.at_s >= since_s
        ]

    # -- judging ------------------------------------------------------------------------------

    def assert_clean(self, *, allow: Iterable[str] = ()) -> None:
        """Fail if the bot broke a rule of Discord (of a kind not allowed), or the stand-in itself failed."""
        wrong = [each for each in self.state.violations if each.kind not in set(allow)]
        if wrong or self.state.errors:
            listed = [f"{each.kind} {each.where}: {each.detail}" for each in wrong]
            raise AssertionError("\n".join([*listed, *self.state.errors]))

    def assert_no_mass_pings(self) -> None:
        """Fail if a body of the bot could have pinged everyone or a role."""
        for message in self.state.messages.values():
            if message.author is self.bot and any(each.is_mass for each in message.pings):
                raise AssertionError(f"this could ping: {message.text!r} {message.pings}")
