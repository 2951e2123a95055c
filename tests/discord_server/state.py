"""What the server knows and how it changes.

Invariant: whatever changes ends in `pulse`, so that whoever waits looks again; nothing polls.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from . import mentions, payloads, permissions
from .problems import ApiError
from .rules_components import number
from .traffic import Call, Crash, Fault, RateLimits, Violation
from .world import (
    COMPONENTS_V2,
    DM,
    EPHEMERAL,
    LOADING,
    Attachment,
    Channel,
    Guild,
    Interaction,
    Json,
    Message,
    Snowflakes,
    User,
    walk,
)

GUILDS, GUILD_MEMBERS, PRESENCES, GUILD_MESSAGES, GUILD_REACTIONS = 0, 1, 8, 9, 10
DM_MESSAGES, DM_REACTIONS, MESSAGE_CONTENT = 12, 13, 15
PRIVILEGED = 1 << GUILD_MEMBERS | 1 << PRESENCES | 1 << MESSAGE_CONTENT
KEPT_FLAGS = (1 << 2) | (1 << 6) | (1 << 12) | COMPONENTS_V2

Files = list[tuple[str, bytes]]
Found = TypeVar("Found")


class StandInTimeoutError(AssertionError):
    """What the test waited for did not happen."""


class State:
    """The world, its rules' switches and records, and the operations that change messages."""

    def __init__(self, approved_intents: int) -> None:
        self.snowflakes = Snowflakes()
        self.bot = User(self.snowflakes.next(), "roundtale", is_bot=True)
        owner_part = base64.b64encode(str(self.bot.id).encode()).decode().rstrip("=")
        self.token = f"{owner_part}.GstanD.{'x' * 38}"
        self.approved_intents = approved_intents
        self.intents = 0
        self.cdn_url = ""

        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.dms: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.attachments: dict[int, Attachment] = {}
        self.commands: dict[int, list[Json]] = {}
        self.command_syncs = 0
        self.interactions: dict[str, Interaction] = {}

        self.ack_timeout_s = 3.0
        self.token_lifetime_s = 900.0
        self.nonce_window_s = 300.0
        self.reaction_time_s = 0.05
        self.limits = RateLimits()
        self.faults: list[Fault] = []
        self.crashes: list[Crash] = []

        self.calls: list[Call] = []
        self.violations: list[Violation] = []
        self.errors: list[str] = []
        self.emit: Callable[[str, Json, int, Guild | None], None] = lambda *_: None
        self._waiters: set[asyncio.Future[None]] = set()

    # -- waiting ------------------------------------------------------------------

    def pulse(self) -> None:
        """Wake everybody who waits for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def next_change(self, timeout_s: float) -> bool:
        """Wait for any change; False when there was none in time."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    async def wait_for(
        self, predicate: Callable[[], Found], timeout_s: float = 30.0, what: str = "the condition"
    ) -> Found:
        """Return what the predicate returns as soon as it is true; look after every change."""
        ends_at_s = time.monotonic() + timeout_s
        while not (found := predicate()):
            left_s = ends_at_s - time.monotonic()
            if left_s <= 0 or not await self.next_change(left_s):
                found = predicate()
                if found:
                    return found
                raise StandInTimeoutError(f"{what}: not within {timeout_s} s\n{self.describe()}")
        return found

    def describe(self) -> str:
        """Return the last requests, what was wrong and what failed in the server, for a message."""
        last = [f"  {call.method} {call.path} -> {call.status}" for call in self.calls[-12:]]
        wrong = [f"  {each.kind} {each.where}: {each.detail}" for each in self.violations]
        return "\n".join(["last requests:", *last, "violations:", *wrong, *self.errors])

    # -- records ------------------------------------------------------------------

    def violate(self, kind: str, where: str, detail: str) -> None:
        self.violations.append(Violation(kind, where, detail))
        self.pulse()

    # -- look-ups -----------------------------------------------------------------

    def channel(self, channel_id: int) -> Channel:
        found = self.channels.get(channel_id)
        if found is None or found.is_deleted:
            raise ApiError(404, 10003, "Unknown Channel")
        return found

    def message(self, channel: Channel, message_id: int) -> Message:
        found = self.messages.get(message_id)
        if found is None or found.is_deleted or found.channel is not channel or found.ephemeral:
            raise ApiError(404, 10008, "Unknown Message")
        return found

    def guild(self, guild_id: int) -> Guild:
        found = self.guilds.get(guild_id)
        if found is None or not found.has_bot:
            raise ApiError(404, 10004, "Unknown Guild")
        return found

    def dm_channel(self, user: User) -> Channel:
        """Return the bot's direct conversation with the user, the same one every time."""
        if user.id not in self.dms:
            channel = Channel(self.snowflakes.next(), "", DM, recipient=user)
            self.dms[user.id] = self.channels[channel.id] = channel
        return self.dms[user.id]

    def bot_sees(self, channel: Channel) -> bool:
        if channel.guild is None:
            return True
        return channel.guild.has_bot and permissions.may(self.bot, channel, "view_channel")

    def is_censored(self, message: Message) -> bool:
        """Say whether the bot gets this message without its words.

        Without the privileged intent it gets those of its own messages, of direct ones, of those that
        mention it, and of replies that ping one of its regular messages (not an interaction's response).
        """
        if self.intents & 1 << MESSAGE_CONTENT:
            return False
        if message.author is self.bot or message.channel.guild is None:
            return False
        if str(self.bot.id) in mentions.USER.findall(message.content):
            return False
        replied = message.reference
        return not (
            message.reply_pings
            and replied is not None
            and replied.author is self.bot
            and replied.interaction is None
        )

    def payload(self, message: Message) -> Json:
        return payloads.message(message, self.bot, censored=self.is_censored(message))

    # -- messages -----------------------------------------------------------------

    def attach(self, channel: Channel, filename: str, data: bytes) -> Attachment:
        """Store a file where the bot can fetch it."""
        number_ = self.snowflakes.next()
        url = f"{self.cdn_url}/attachments/{channel.id}/{number_}/{filename}"
        is_text = filename.endswith((".txt", ".md", ".json"))
        kind = "text/plain; charset=utf-8" if is_text else "application/octet-stream"
        self.attachments[number_] = Attachment(number_, filename, data, url, kind)
        return self.attachments[number_]

    def new_message(self, channel: Channel, author: User) -> Message:
        """Make an empty message that nobody sees yet."""
        now = time.monotonic()
        message = Message(self.snowflakes.next(), channel, author, created_at_s=now)
        message.changed_at_s = now
        return message

    def fill(self, message: Message, body: Json, files: Files) -> None:
        """Put what a checked body gives into the message; what it leaves out stays."""
        if "flags" in body:
            message.flags |= int(body["flags"] or 0) & KEPT_FLAGS
        if "content" in body:
            message.content = body["content"] or ""
        if "embeds" in body:
            message.embeds = [{"type": "rich", **embed} for embed in body["embeds"] or []]
        if "components" in body:
            message.components = number(body["components"] or [])
        self._fill_files(message, body.get("attachments"), files)
        self._resolve_media(message)
        message.pings.append(mentions.pings(message, body.get("allowed_mentions")))

    def _fill_files(self, message: Message, listed: list[Json] | None, files: Files) -> None:
        if listed is not None:
            kept = {int(each["id"]) for each in listed}
            message.attachments = [each for each in message.attachments if each.id in kept]
        for filename, data in files:
            message.attachments.append(self.attach(message.channel, filename, data))

    def _resolve_media(self, message: Message) -> None:
        by_name = {each.filename: each for each in message.attachments}
        for item in walk(message.components):
            holders = item.get("items") or [item]
            for holder in holders:
                media = holder.get("media") or holder.get("file")
                if media and media.get("url", "").startswith("attachment://"):
                    found = by_name.get(media["url"].removeprefix("attachment://"))
                    if found is not None:
                        media |= {"url": found.url, "proxy_url": found.url}
                        media["attachment_id"] = str(found.id)
                        item |= {"name": found.filename, "size": len(found.data)}

    def publish(self, message: Message) -> Message:
        """Let people see a new message, and the bot hear of it."""
        self.messages[message.id] = message
        if not message.ephemeral:
            message.channel.messages.append(message)
            if message.channel.is_archived:
                message.channel.is_archived = False
        if not message.loading:
            message.versions.append((time.monotonic(), message.text))
        message.changed_at_s = time.monotonic()
        self._tell("MESSAGE_CREATE", message)
        self.pulse()
        return message

    def revise(self, message: Message, body: Json, files: Files) -> Message:
        """Edit a message; a loading one is filled by it and keeps its ephemeral state."""
        was_loading = message.loading
        if int(body.get("flags") or 0) & EPHEMERAL and not message.ephemeral:
            self.violate("ephemeral_lost", f"message {message.id}", "it stays public")
        body = {**body, "flags": int(body.get("flags") or 0) & ~EPHEMERAL}
        message.flags &= ~LOADING
        self.fill(message, body, files)
        message.changed_at_s = time.monotonic()
        if not was_loading:
            message.edited_wall_s = time.time()
            message.edits_at_s.append(message.changed_at_s)
        if not message.versions or message.versions[-1][1] != message.text or was_loading:
            message.versions.append((time.monotonic(), message.text))
        self._tell("MESSAGE_UPDATE", message)
        self.pulse()
        return message

    def remove(self, message: Message) -> None:
        message.is_deleted = True
        if message in message.channel.messages:
            message.channel.messages.remove(message)
        if not message.ephemeral:
            self.tell_of(message, "MESSAGE_DELETE", {"id": str(message.id)}, GUILD_MESSAGES)
        self.pulse()

    def react(self, message: Message, user: User, emoji: str) -> None:
        by = message.reactions.setdefault(emoji, [])
        if user not in by:
            by.append(user)
            self.tell_of(message, "MESSAGE_REACTION_ADD", self._reaction(message, user, emoji), 10)
        self.pulse()

    def unreact(self, message: Message, users: Iterable[User], emoji: str) -> None:
        by = message.reactions.get(emoji, [])
        for user in [each for each in users if each in by]:
            by.remove(user)
            data = self._reaction(message, user, emoji)
            self.tell_of(message, "MESSAGE_REACTION_REMOVE", data, GUILD_REACTIONS)
        if not by:
            message.reactions.pop(emoji, None)
        self.pulse()

    def _reaction(self, message: Message, user: User, emoji: str) -> Json:
        guild = message.channel.guild
        data: Json = {
            "user_id": str(user.id),
            "message_id": str(message.id),
            "message_author_id": str(message.author.id),
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        return data | ({"member": payloads.member(user, guild)} if guild else {})

    # -- telling the bot ------------------------------------------------------------

    def tell_of(self, message: Message, event: str, data: Json, guild_intent: int) -> None:
        """Send an event about a message to the bot if it sees the channel and asked for such events."""
        channel = message.channel
        if not self.bot_sees(channel):
            return
        data |= {"channel_id": str(channel.id)}
        if channel.guild is not None:
            data |= {"guild_id": str(channel.guild.id)}
        intent = guild_intent if channel.guild is not None else guild_intent + 3
        self.emit(event, data, 1 << intent, channel.guild)

    def _tell(self, event: str, message: Message) -> None:
        if message.ephemeral:
            return
        data = self.payload(message)
        guild = message.channel.guild
        if guild is not None and message.interaction is None:
            data["member"] = payloads.member(message.author, guild, with_user=False)
        self.tell_of(message, event, data, GUILD_MESSAGES)
