"""The client: Discord's events in, the use cases behind, everything by the constructor.

Invariants:
    - Only what is needed is asked of the gateway: guilds, messages of guilds and of
      direct messages; the message-content intent only where the operator wants it.
    - The token is given to discord.py and kept nowhere else; it is never logged.
    - What a crash left is taken up once, when the first connection is ready.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
from discord import app_commands
from pydantic import SecretStr

from bot.discord_app import sync
from bot.discord_app.acts import Acts
from bot.discord_app.answers import report, typed_words
from bot.discord_app.cogs.admin import AdminCommands
from bot.discord_app.cogs.story import StoryCommands
from bot.discord_app.editor import EDIT_INTERVAL_S, GRANT_S, Editors, Pace
from bot.discord_app.errors import ClosingError
from bot.discord_app.help import help_text
from bot.discord_app.messages import Messages
from bot.discord_app.messenger import NO_MENTIONS, DiscordMessenger
from bot.discord_app.place import AnyInteraction
from bot.discord_app.router import Router
from bot.discord_app.services import Services
from bot.discord_app.settings_panel import SettingsActs
from bot.discord_app.stage import DiscordStage
from bot.discord_app.translator import GettextTranslator
from bot.discord_app.views.base import ActItem
from bot.errors import ConfigurationError
from bot.locales import N_, Words
from bot.policy.rights import Place
from bot.service.failures import new_reference
from bot.story.ports import Clock, OutboxStatus

log = logging.getLogger(__name__)

CLOSE_LIMIT_S = 10.0

# Voice is not used; discord.py would warn at every start that its libraries are missing.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordOptions:
    """What the operator decides.

    Attributes:
        wants_message_content: ask for the privileged intent, so that admins may let
            every message of a channel be a turn.
        sync_commands: "auto", "always" or "never".
        drain_s: how long passages may take to end when the bot is told to.
        edit_interval_s: least time between two edits of a growing passage.
        edit_grant_s: the time in which a channel takes no more than four edits.
    """

    wants_message_content: bool = False
    sync_commands: str = sync.AUTO
    drain_s: float = 10.0
    edit_interval_s: float = EDIT_INTERVAL_S
    edit_grant_s: float = GRANT_S


class StoryTree(app_commands.CommandTree["RoundtaleClient"]):
    """The commands; what they raise goes to the error handler."""

    async def interaction_check(self, interaction: AnyInteraction, /) -> bool:
        """Take nothing new while the bot ends."""
        if not self.client.is_closing:
            return True
        # What is raised here reaches no handler in discord.py 2.7 unless it is its own.
        fields = typed_words(interaction)
        await report(interaction, ClosingError(), where="a command", fields=fields)
        return False

    async def on_error(
        self, interaction: AnyInteraction, error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the one who asked, and the log."""
        command = interaction.command
        where = f"/{command.qualified_name}" if command is not None else "a command"
        await report(interaction, error, where=where, fields=typed_words(interaction))


def intents_for(options: DiscordOptions) -> discord.Intents:
    """Return what is asked of the gateway."""
    intents = discord.Intents.none()
    intents.guilds = True
    intents.guild_messages = True
    intents.dm_messages = True
    intents.message_content = options.wants_message_content
    return intents


class RoundtaleClient(discord.AutoShardedClient):
    """The bot.

    Args:
        services: the use cases; ``stage`` is set as theirs.
        clock: the time.
        new_id: gives ids.
        options: what the operator decides.
        before_connecting: waited for between the login and the gateway.
        **client_options: for discord.py (a shard range, a proxy).
    """

    def __init__(
        self,
        services: Services,
        *,
        clock: Clock,
        new_id: Callable[[], int],
        options: DiscordOptions | None = None,
        before_connecting: Callable[[], Awaitable[None]] | None = None,
        **client_options: Any,
    ) -> None:
        self.options = options or DiscordOptions()
        super().__init__(
            intents=intents_for(self.options),
            allowed_mentions=NO_MENTIONS,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            **client_options,
        )
        self._services = services
        self._before_connecting = before_connecting
        self.is_closing = False
        self._has_recovered = False
        self._command_ids: Mapping[str, int] = {}
        pace = Pace(self.options.edit_interval_s, self.options.edit_grant_s)
        self.stage = DiscordStage(
            DiscordMessenger(self),
            services.store,
            clock=clock,
            new_id=new_id,
            editors=Editors(pace),
            words_for=self._words_for,
        )
        services.stories.set_stage(self.stage)
        self.acts = Acts(services, self.stage, self.help_text)
        settings = SettingsActs(services)
        self.router = Router(self.acts, settings, services, lambda: self.is_closing)
        self.messages = Messages(self, services, hears_all=self.options.wants_message_content)
        self.tree = StoryTree(self)
        self.tree.add_command(StoryCommands(self.acts, self.router, services))
        self.tree.add_command(AdminCommands(settings))

    async def setup_hook(self) -> None:
        """Prepare components and commands; called once, after the login."""
        await self.tree.set_translator(GettextTranslator())
        self.add_dynamic_items(ActItem)
        application_id = self.application_id
        if application_id is not None:
            self._command_ids = await sync.sync(
                self.tree, self._services.store, application_id, mode=self.options.sync_commands
            )
        if self._before_connecting is not None:
            await self._before_connecting()

    def help_text(self, words: Words) -> str:
        """Return the help with commands that can be clicked."""
        return help_text(words, self._command_ids)

    def _words_for(self, place: Place) -> Words:
        """Return the language of a channel: its guild's."""
        guild = self.get_guild(place.guild_id) if place.guild_id is not None else None
        return Words(guild.preferred_locale.value if guild is not None else "en")

    # ----------------------------------------------------------------- events

    async def on_ready(self) -> None:
        """Take up what the last end left, at the first of possibly many times."""
        if self._has_recovered or self.is_closing:
            return
        self._has_recovered = True
        log.info("connected as %s in %s guilds", self.user, len(self.guilds))
        taken_up = await self._services.stories.recover()
        if taken_up:
            log.info("took up %s passages", taken_up)

    async def on_interaction(self, interaction: AnyInteraction) -> None:
        """Serve the components and forms that nothing else took."""
        await self.router.sweep(interaction)

    async def on_message(self, message: discord.Message) -> None:
        """Take messages that are meant for the bot as turns."""
        await self.messages.hear(message)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Remember that a passage's message is gone."""
        await self._note_gone([payload.message_id])

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Remember that passages' messages are gone."""
        await self._note_gone(list(payload.message_ids))

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """Remember that a channel is gone."""
        await self.stage.note_gone(channel_id=channel.id)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """Remember that a thread is gone."""
        await self.stage.note_gone(channel_id=payload.thread_id)

    async def _note_gone(self, message_ids: list[int]) -> None:
        """Write only what concerns a passage: most messages that are deleted do not."""
        async with self._services.store.read() as unit:
            found = [await unit.outbox.by_message(message_id) for message_id in message_ids]
        gone = [
            item.message_id
            for item in found
            if item is not None
            and item.message_id is not None
            and item.status is not OutboxStatus.GONE
        ]
        if gone:
            await self.stage.note_gone(message_ids=gone)

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        """Log what an event's handler raised, without the event's content."""
        log.error(
            "failed in %s",
            event_method,
            exc_info=sys.exc_info()[1],
            extra={"reference": new_reference()},
        )

    # -------------------------------------------------------------------- end

    async def drain(self) -> None:
        """Take nothing new, let running passages end within the deadline, then pause them."""
        self.is_closing = True
        await self._services.stories.drain(self.options.drain_s)
        await self.stage.aclose()


async def run_discord(
    token: SecretStr,
    services: Services,
    *,
    clock: Clock,
    new_id: Callable[[], int],
    options: DiscordOptions,
    stop: asyncio.Event,
    on_client: Callable[[RoundtaleClient], Awaitable[None]] | None = None,
    before_connecting: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Be the bot until ``stop`` is set or the connection is lost for good.

    Args:
        token: the bot's.
        services: the use cases; their stage becomes the client's.
        clock: the time.
        new_id: gives ids.
        options: what the operator decides.
        stop: set by whoever wants the bot to end.
        on_client: called once with the client before it connects (metrics).
        before_connecting: waited for once Discord knows the token, before events come.

    Raises:
        ConfigurationError: Discord refuses the token or an intent.
    """
    client = RoundtaleClient(
        services,
        clock=clock,
        new_id=new_id,
        options=options,
        before_connecting=before_connecting,
    )
    if on_client is not None:
        await on_client(client)
    async with client:
        running = asyncio.create_task(client.start(token.get_secret_value()), name="discord")
        stopping = asyncio.create_task(stop.wait(), name="wait for the end")
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                await client.drain()
        finally:
            stopping.cancel()
            try:
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await client.close()
            except TimeoutError:
                log.warning("the connection did not close in time")
            if not running.done():
                running.cancel()
            await asyncio.wait({running})
        if not running.cancelled() and (error := running.exception()) is not None:
            raise explain(error) from error


def explain(error: BaseException) -> BaseException:
    """Return what the operator can do about a failed start; the error itself where that is unknown."""
    if isinstance(error, discord.LoginFailure):
        return ConfigurationError(
            setting="DISCORD_TOKEN",
            reason=N_(
                "Discord does not know this token. Copy it anew from the developer portal (Bot, Reset Token)."
            ),
        )
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return ConfigurationError(
            setting="ROUNDTALE_LISTEN_TO_ALL",
            reason=N_(
                "the message content intent is not enabled for this bot. Enable it in the developer portal (Bot, Privileged Gateway Intents), or switch this setting off."
            ),
        )
    if isinstance(error, aiohttp.ClientConnectionError):
        return ConfigurationError(
            setting=N_("network"),
            reason=N_("Discord cannot be reached from this machine. Check its network."),
        )
    return error
