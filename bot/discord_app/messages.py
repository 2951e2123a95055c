"""Turns by message: replies to passages, mentions, direct messages.

Invariants:
    - None of it needs the message-content intent: Discord gives the text of messages
      that mention the bot, that reply to it with a ping, and of direct messages.
    - The member's own message is the passage; it is never copied and never edited.
    - Bots, webhooks and the bot itself are never answered. What cannot be answered
      ephemerally is answered by a reaction or by a reply that deletes itself.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord

from bot.discord_app.custom_ids import Ref
from bot.discord_app.errors import (
    ClosingError,
    MissingPermissionsError,
    judge,
    permission_names,
)
from bot.discord_app.messenger import NO_MENTIONS
from bot.discord_app.phrases import find_phrase
from bot.discord_app.place import author_of, missing_permissions, place_of_message
from bot.discord_app.services import Services
from bot.discord_app.views.base import button
from bot.errors import InvalidInputError, StaleError
from bot.locales import N_, Words
from bot.policy.rights import Actor, Place
from bot.service.api import Origin, ReceiptKind
from bot.service.places import place_key
from bot.story.model import StoryId

if TYPE_CHECKING:
    from bot.discord_app.client import RoundtaleClient

log = logging.getLogger(__name__)

HINT_S = 15.0
OFFER_S = 120.0
_WAITS = "✒️"
_DONE = "✅"
_TROUBLE = "⚠️"
_TYPES = frozenset({discord.MessageType.default, discord.MessageType.reply})


@dataclass(frozen=True, slots=True)
class Turn:
    """A message that is meant for the bot."""

    message: discord.Message
    actor: Actor
    place: Place
    words: Words
    text: str
    story_id: StoryId | None = None  # of the passage that it replies to

    @property
    def key(self) -> str:
        """The key under which it is taken once."""
        return f"m:{self.message.id}"


class Messages:
    """Hears messages and makes turns of them.

    Args:
        client: who hears.
        services: the use cases.
        hears_all: whether the text of every message is given (message-content intent).
    """

    def __init__(self, client: "RoundtaleClient", services: Services, *, hears_all: bool) -> None:
        self._client = client
        self._services = services
        self._stories = services.stories
        self._hears_all = hears_all
        self._phrases: Mapping[str, Callable[[Turn], Awaitable[None]]] = {
            "continue": lambda turn: self._take(turn, None),
            "retry": self._retry,
            "undo": self._undo,
            "redo": self._redo,
            "stop": self._stop,
            "end": self._end,
            "help": self._help,
        }

    async def hear(self, message: discord.Message) -> None:
        """Be the root of a message's task."""
        me = self._client.user
        if me is None or message.author.bot or message.webhook_id is not None:
            return
        if message.type not in _TYPES:
            return
        words = Words(message.guild.preferred_locale.value if message.guild else "en")
        try:
            turn = await self._turn_of(message, me, words)
            if turn is not None:
                await self._act(turn)
        except Exception as error:  # noqa: BLE001 -- the root of a task; the handler logs it
            told = judge(error, words, where="a message")
            if told.sentence:
                await self._hint(message, f"{_TROUBLE} {told.sentence}")

    async def _turn_of(
        self, message: discord.Message, me: discord.ClientUser, words: Words
    ) -> Turn | None:
        """Return the message as a turn; None where it is not meant for the bot."""
        is_direct = message.guild is None
        is_mention = any(user.id == me.id for user in message.mentions)
        replied_id = _replied_id(message, me)
        story_id: StoryId | None = None
        if replied_id is not None:
            found = await self._stories.passage_by_message(replied_id)
            story_id = None if found is None else found[0]
        if not (is_direct or is_mention or story_id is not None or self._hears_all):
            return None
        place = place_of_message(await self._with_channel(message))
        settings = await self._services.settings.effective(place)
        is_wanted = (
            is_direct
            or (story_id is not None and settings.takes_replies)
            or (is_mention and story_id is None and settings.takes_mentions)
            or (self._hears_all and settings.listens_to_all and settings.is_enabled)
        )
        if not is_wanted:
            return None
        actor = author_of(message)
        return Turn(message, actor, place, words, _plain_text(message, me), story_id)

    async def _with_channel(self, message: discord.Message) -> discord.Message:
        """Fetch the channel of a message in a thread that the cache does not know."""
        if isinstance(message.channel, discord.PartialMessageable) and message.guild is not None:
            channel = await message.guild.fetch_channel(message.channel.id)
            if isinstance(channel, discord.abc.Messageable):
                message.channel = channel
        return message

    async def _act(self, turn: Turn) -> None:
        if self._client.is_closing:
            raise ClosingError
        self._require_writable(turn)
        phrase = find_phrase(turn.text, turn.words)
        if phrase is not None:
            await self._phrases[phrase](turn)
            return
        if not turn.text and turn.message.attachments:
            raise InvalidInputError(reason=turn.words(N_("I read text, not files.")))
        if not turn.text and turn.story_id is not None:
            await self._hint(
                turn.message,
                turn.words(
                    N_(
                        "I cannot read a reply whose ping is off. Reply again with the @ switched on, or use /story continue."
                    )
                ),
            )
            return
        await self._take(turn, turn.text or None)

    async def _take(self, turn: Turn, text: str | None) -> None:
        async with self._services.store.read() as unit:
            current = await unit.stories.current_id(place_key(turn.place))
        if current is None:
            await self._offer(turn)
            return
        if turn.story_id not in {None, current}:
            raise StaleError
        origin = Origin(channel_id=turn.message.channel.id, message_id=turn.message.id)
        receipt = await self._stories.take_turn(
            turn.actor,
            turn.place,
            text,
            key=turn.key,
            origin=origin if text is not None else None,
        )
        if receipt.kind is ReceiptKind.WAITING:
            await self._react(turn.message, _WAITS)

    async def _retry(self, turn: Turn) -> None:
        await self._stories.retry(turn.actor, turn.place, key=turn.key)

    async def _undo(self, turn: Turn) -> None:
        await self._stories.undo(turn.actor, turn.place, key=turn.key)
        await self._react(turn.message, _DONE)

    async def _redo(self, turn: Turn) -> None:
        await self._stories.redo(turn.actor, turn.place, key=turn.key)
        await self._react(turn.message, _DONE)

    async def _stop(self, turn: Turn) -> None:
        await self._stories.stop(turn.actor, turn.place)
        await self._react(turn.message, _DONE)

    async def _end(self, turn: Turn) -> None:
        await self._stories.end(turn.actor, turn.place, key=turn.key)

    async def _help(self, turn: Turn) -> None:
        await self._say(turn.message, self._client.help_text(turn.words), fades_s=OFFER_S)

    async def _offer(self, turn: Turn) -> None:
        """Say how a story begins, where none is open."""
        view = discord.ui.View(timeout=None)
        view.add_item(button(Ref("start"), turn.words(N_("Begin a story")), emoji="📖"))
        sentence = turn.words(
            N_("No story is open here. Begin one with the button or /story start.")
        )
        await self._say(turn.message, sentence, view=view, fades_s=OFFER_S)

    def _require_writable(self, turn: Turn) -> None:
        missing = _missing(turn.message)
        if missing:
            raise MissingPermissionsError(missing=permission_names(missing, turn.words))

    async def _hint(self, message: discord.Message, sentence: str) -> None:
        await self._say(message, sentence, fades_s=HINT_S)

    async def _say(
        self,
        message: discord.Message,
        sentence: str,
        *,
        fades_s: float,
        view: discord.ui.View | None = None,
    ) -> None:
        """Reply with a sentence that deletes itself; react where no reply is possible."""
        if _missing(message, "read_message_history"):  # without it nothing can be replied to
            await self._react(message, _TROUBLE)
            return
        reference = message.to_reference(fail_if_not_exists=False)
        content = sentence[:2000]
        try:
            if view is None:
                await message.channel.send(
                    content,
                    reference=reference,
                    delete_after=fades_s,
                    mention_author=False,
                    allowed_mentions=NO_MENTIONS,
                )
            else:
                await message.channel.send(
                    content,
                    reference=reference,
                    view=view,
                    delete_after=fades_s,
                    mention_author=False,
                    allowed_mentions=NO_MENTIONS,
                )
        except discord.HTTPException as error:
            log.info("a message could not be answered: %s", error.code)
            await self._react(message, _TROUBLE)

    async def _react(self, message: discord.Message, emoji: str) -> None:
        permissions = _permissions(message)
        if not (permissions.add_reactions and permissions.read_message_history):
            return
        try:
            await message.add_reaction(emoji)
        except discord.HTTPException as error:
            log.info("a reaction was not possible: %s", error.code)  # it is a courtesy


def _permissions(message: discord.Message) -> discord.Permissions:
    """Return what the bot may do where a message stands; all where nothing is known of it."""
    channel, guild = message.channel, message.guild
    if guild is None or isinstance(channel, discord.PartialMessageable):
        return discord.Permissions.all()
    return channel.permissions_for(guild.me)


def _missing(message: discord.Message, *needed: str) -> list[str]:
    """Return what the bot lacks to answer a message, by Discord's names."""
    is_thread = isinstance(message.channel, discord.Thread)
    return missing_permissions(_permissions(message), is_thread=is_thread, needed=needed)


def _replied_id(message: discord.Message, me: discord.ClientUser) -> int | None:
    """Return the id of the message that this one replies to, unless it is surely somebody else's."""
    reference = message.reference
    if reference is None or reference.type is not discord.MessageReferenceType.reply:
        return None
    resolved = reference.resolved
    if isinstance(resolved, discord.Message) and resolved.author.id != me.id:
        return None
    return reference.message_id


def _plain_text(message: discord.Message, me: discord.ClientUser) -> str:
    """Return the text without the mention of the bot, other mentions as names."""
    text = re.sub(rf"<@!?{me.id}>", "", message.content)
    for user in message.mentions:
        for form in (f"<@{user.id}>", f"<@!{user.id}>"):
            text = text.replace(form, f"@{user.display_name}")
    return text.strip()
