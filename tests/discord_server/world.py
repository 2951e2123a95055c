"""The things Discord knows: people, guilds, channels, messages, interactions.

Plain records compared by identity. Times named ``at_s`` are ``time.monotonic()`` of the test's process.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

DISCORD_EPOCH_MS = 1_420_070_400_000

TEXT, DM, FORUM = 0, 1, 15
NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD = 10, 11, 12
BUTTON, STRING_SELECT, TEXT_INPUT = 2, 3, 4
LABEL = 18
SELECTS = (3, 5, 6, 7, 8)

EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15


class Snowflakes:
    """Unique, growing ids that carry the time, as Discord's do."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        stamp = (int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(stamp, self._last + 1)
        return self._last


@dataclass(eq=False)
class User:
    id: int
    name: str
    is_bot: bool = False
    locale: str = "en-US"
    takes_dms: bool = True

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: int = 0
    position: int = 1
    is_managed: bool = False

    @property
    def mention(self) -> str:
        return f"<@&{self.id}>"


@dataclass(eq=False)
class Member:
    user: User
    roles: list[Role] = field(default_factory=list)


@dataclass(eq=False)
class Guild:
    id: int
    name: str
    locale: str
    owner: User
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    channels: dict[int, "Channel"] = field(default_factory=dict)
    has_bot: bool = True


@dataclass
class Overwrite:
    is_role: bool
    allow: int = 0
    deny: int = 0


@dataclass(eq=False)
class Channel:
    """A text channel, forum, thread or direct conversation."""

    id: int
    name: str
    type: int = TEXT
    guild: Guild | None = None
    parent: "Channel | None" = None
    owner: User | None = None
    recipient: User | None = None
    is_nsfw: bool = False
    is_archived: bool = False
    is_locked: bool = False
    is_deleted: bool = False
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    messages: list["Message"] = field(default_factory=list)
    typing_at_s: list[float] = field(default_factory=list)

    @property
    def is_thread(self) -> bool:
        return self.type in (NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD)

    @property
    def mention(self) -> str:
        return f"<#{self.id}>"


@dataclass(eq=False)
class Attachment:
    id: int
    filename: str
    data: bytes
    url: str
    content_type: str = "application/octet-stream"
    description: str | None = None


@dataclass(frozen=True)
class Pings:
    """Whom one body would notify at worst, given the allowed mentions it had."""

    everyone: bool = False
    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()

    @property
    def is_mass(self) -> bool:
        return self.everyone or bool(self.roles)


@dataclass(eq=False)
class Message:
    """A message as people see it; `versions` holds every text it ever showed."""

    id: int
    channel: Channel
    author: User
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    type: int = 0
    nonce: str | int | None = None
    reference: "Message | None" = None
    reference_id: int | None = None
    reply_pings: bool = False
    interaction: "Interaction | None" = None
    viewer: User | None = None
    thread: Channel | None = None
    is_pinned: bool = False
    is_deleted: bool = False
    created_at_s: float = 0.0
    changed_at_s: float = 0.0
    edited_wall_s: float | None = None
    edits_at_s: list[float] = field(default_factory=list)
    versions: list[tuple[float, str]] = field(default_factory=list)
    pings: list[Pings] = field(default_factory=list)
    reactions: dict[str, list[User]] = field(default_factory=dict)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """All that is read in it: content, embeds and components' text."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("title") or "", embed.get("description") or ""]
            parts += [f"{f.get('name', '')}\n{f.get('value', '')}" for f in embed.get("fields", ())]
            parts.append((embed.get("footer") or {}).get("text") or "")
        parts += [item["content"] for item in walk(self.components) if item["type"] == 10]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[Json]:
        return [item for item in walk(self.components) if item["type"] == BUTTON]

    @property
    def labels(self) -> list[str]:
        """The words on its buttons, or their emoji where there are none."""
        return [button_name(button) for button in self.buttons]

    @property
    def selects(self) -> list[Json]:
        return [item for item in walk(self.components) if item["type"] in SELECTS]

    @property
    def files(self) -> dict[str, bytes]:
        return {attachment.filename: attachment.data for attachment in self.attachments}

    @property
    def edit_gaps_s(self) -> list[float]:
        """Seconds between its creation and its edits, one after the other."""
        moments = [self.created_at_s, *self.edits_at_s]
        return [after - before for before, after in itertools.pairwise(moments)]


@dataclass(eq=False)
class Modal:
    """An open modal; `fields` are its inputs in order, each a component with its label added."""

    custom_id: str
    title: str
    components: list[Json]

    @property
    def fields(self) -> list[Json]:
        found: list[Json] = []
        for item in self.components:
            if item["type"] == LABEL:
                found.append({**item["component"], "label": item["label"]})
            elif item["type"] == 1:
                found += item["components"]
        return found

    @property
    def labels(self) -> list[str]:
        return [each.get("label") or "" for each in self.fields]

    @property
    def values(self) -> dict[str, str]:
        """The text each text field is filled with already, by label."""
        texts = (each for each in self.fields if each["type"] == TEXT_INPUT)
        return {each.get("label") or "": each.get("value") or "" for each in texts}


@dataclass(eq=False)
class Interaction:
    """One thing a person did, and how the bot answered.

    kind: None (not answered), message, deferred, deferred_update, update, autocomplete or modal.
    failed: the person saw "did not respond".
    """

    id: int
    token: str
    type: int
    user: User
    channel: Channel
    data: Json
    message: Message | None = None
    parent: "Interaction | None" = None
    at_s: float = 0.0
    kind: str | None = None
    acked_after_s: float | None = None
    failed: bool = False
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: Modal | None = None
    choices: list[Json] = field(default_factory=list)

    @property
    def replies(self) -> list[Message]:
        """What the bot said in answer, without the message a component sits on."""
        own = self.original
        first = [own] if own is not None and own is not self.message and not own.loading else []
        return [each for each in (*first, *self.followups) if not each.is_deleted]

    @property
    def reply(self) -> Message | None:
        return next(iter(self.replies), None)


def walk(components: list[Json]) -> Iterator[Json]:
    """Yield every component, parents before their children."""
    for item in components:
        yield item
        yield from walk(item.get("components", []))
        for key in ("component", "accessory"):
            if key in item:
                yield from walk([item[key]])


def button_name(button: Json) -> str:
    """Return a button's label, or its emoji, or its custom id."""
    emoji = (button.get("emoji") or {}).get("name")
    return button.get("label") or emoji or button.get("custom_id") or ""
