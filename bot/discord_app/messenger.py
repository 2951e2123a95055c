"""Sends, edits and deletes regular messages, and says in few words what went wrong.

Invariants:
    - Nothing that is sent can ping anybody or unfurl a link.
    - Whatever Discord answers becomes one of four errors here; nobody above looks at
      status codes. discord.py has by then retried 429 and 5xx by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Protocol

import aiohttp
import discord

from bot.discord_app.custom_ids import parse

NO_MENTIONS: Final = discord.AllowedMentions.none()
CALL_LIMIT_S = 60.0
"""How long one call may take, discord.py's own retries and rate-limit waits included."""

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_UNKNOWN_CHANNEL = 10003
_OLD_EDITS_LIMIT = 30046
_THREAD_ARCHIVED = 50083
_THREAD_LOCKED = 160005
_HISTORY = 50  # messages that are looked through for one whose receipt was lost
_SERVER_ERROR = 500


class MessengerError(Exception):
    """A message could not be written."""


class MessageGoneError(MessengerError):
    """The message was deleted."""


class PlaceGoneError(MessengerError):
    """The channel is gone, closed, or the bot may not write there."""

    def __init__(self, *, is_deleted: bool) -> None:
        self.is_deleted = is_deleted
        super().__init__("deleted" if is_deleted else "not permitted")


class TooOldError(MessengerError):
    """Discord takes no more edits of so old a message for now (30046)."""


class UnreachableError(MessengerError):
    """Discord does not answer, or not in time; it may do so later."""


class Messenger(Protocol):
    """What showing passages needs of Discord."""

    async def send(
        self, channel_id: int, content: str, *, view: discord.ui.View | None, nonce: str
    ) -> tuple[int, str]:
        """Send a message once for each nonce of the last minutes; return its id and its text."""
        ...

    async def edit(
        self, channel_id: int, message_id: int, content: str, *, view: discord.ui.View | None
    ) -> None:
        """Replace a message's text and buttons."""
        ...

    async def disarm(self, channel_id: int, message_id: int) -> None:
        """Take a message's buttons away."""
        ...

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Delete a message."""
        ...

    async def type_in(self, channel_id: int) -> None:
        """Show for ten seconds that something is being written."""
        ...

    async def find(
        self, channel_id: int, *, passage_id: int, content: str, since: datetime
    ) -> int | None:
        """Return the bot's own message whose receipt was lost: by its buttons or its text."""
        ...


class DiscordMessenger(Messenger):
    """The messenger over a client; it needs no cached channel."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)

    async def send(
        self, channel_id: int, content: str, *, view: discord.ui.View | None, nonce: str
    ) -> tuple[int, str]:
        """Send a message once for each nonce of the last minutes; return its id and its text."""
        channel = self._channel(channel_id)
        async with _in_few_words(is_send=True):
            if view is None:
                message = await channel.send(
                    content, nonce=nonce, suppress_embeds=True, allowed_mentions=NO_MENTIONS
                )
            else:
                message = await channel.send(
                    content,
                    view=view,
                    nonce=nonce,
                    suppress_embeds=True,
                    allowed_mentions=NO_MENTIONS,
                )
        return message.id, message.content

    async def edit(
        self, channel_id: int, message_id: int, content: str, *, view: discord.ui.View | None
    ) -> None:
        """Replace a message's text and buttons."""
        message = self._channel(channel_id).get_partial_message(message_id)
        async with _in_few_words():
            await message.edit(content=content, view=view, allowed_mentions=NO_MENTIONS)

    async def disarm(self, channel_id: int, message_id: int) -> None:
        """Take a message's buttons away."""
        message = self._channel(channel_id).get_partial_message(message_id)
        async with _in_few_words():
            await message.edit(view=None)

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Delete a message."""
        message = self._channel(channel_id).get_partial_message(message_id)
        async with _in_few_words():
            await message.delete()

    async def type_in(self, channel_id: int) -> None:
        """Show for ten seconds that something is being written."""
        async with _in_few_words(is_send=True):
            await self._client.http.send_typing(channel_id)

    async def find(
        self, channel_id: int, *, passage_id: int, content: str, since: datetime
    ) -> int | None:
        """Return the bot's own message whose receipt was lost: by its buttons or its text."""
        user = self._client.user
        async with _in_few_words():
            async for message in self._channel(channel_id).history(
                limit=_HISTORY, after=since, oldest_first=False
            ):
                if user is not None and message.author.id != user.id:
                    continue
                if message.content == content or _carries(message, passage_id):
                    return message.id
        return None


def _carries(message: discord.Message, passage_id: int) -> bool:
    """Whether a button under the message names the passage."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            ref = parse(getattr(item, "custom_id", None) or "")
            if ref is not None and ref.b == passage_id:
                return True
    return False


@asynccontextmanager
async def _in_few_words(*, is_send: bool = False) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            yield
    except discord.HTTPException as error:
        raise describe(error, is_send=is_send) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UnreachableError(type(error).__name__) from error


_BY_CODE: Final[dict[int, Callable[[], MessengerError]]] = {
    _UNKNOWN_CHANNEL: lambda: PlaceGoneError(is_deleted=True),
    _OLD_EDITS_LIMIT: TooOldError,
    _THREAD_ARCHIVED: lambda: PlaceGoneError(is_deleted=False),
    _THREAD_LOCKED: lambda: PlaceGoneError(is_deleted=False),
}


def describe(error: discord.HTTPException, *, is_send: bool = False) -> Exception:
    """Return which of the four errors it is; the error itself where it is none of them."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]()
    if isinstance(error, discord.NotFound):
        return PlaceGoneError(is_deleted=False) if is_send else MessageGoneError(str(error.code))
    if isinstance(error, discord.Forbidden):
        return PlaceGoneError(is_deleted=False)
    if error.status >= _SERVER_ERROR:
        return UnreachableError(str(error.status))
    return error
