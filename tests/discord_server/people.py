"""What people do in Discord, and what they see of the answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from . import payloads, permissions
from .client_side import (
    ClientRefusedError,
    Resolved,
    chosen,
    command_data,
    fill_options,
    find_button,
    find_command,
    find_select,
    focus,
    modal_data,
    visible_commands,
)
from .mentions import pings
from .state import State
from .world import Channel, Interaction, Json, Message, User

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
BUTTON = 2
Wait = Literal["ack", "reply"] | None


class People:
    """The actions of people; mixed into the server."""

    state: State

    # -- commands --------------------------------------------------------------------

    async def slash(
        self,
        user: User,
        channel: Channel,
        command: str,
        options: dict[str, Any] | None = None,
        *,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        """Use a slash command, given as "story start"; options by name."""
        found, chain, specs = find_command(self.state, user, channel, command)
        resolved = Resolved(self.state, channel)
        filled = fill_options(specs, options or {}, resolved)
        guild_id = channel.guild.id if channel.guild else None
        data = command_data(found, chain, filled, resolved, guild_id)
        return await self._interact(COMMAND, user, channel, data, wait=wait, timeout_s=timeout_s)

    async def autocomplete(
        self,
        user: User,
        channel: Channel,
        command: str,
        option: str,
        typed: str,
        *,
        others: dict[str, Any] | None = None,
        timeout_s: float = 30.0,
    ) -> list[Json]:
        """Type into an option; return the choices shown, each with name and value."""
        found, chain, specs = find_command(self.state, user, channel, command)
        resolved = Resolved(self.state, channel)
        optional = [{**spec, "required": False} for spec in specs]
        filled = [*fill_options(optional, others or {}, resolved), focus(specs, option, typed)]
        guild_id = channel.guild.id if channel.guild else None
        data = command_data(found, chain, filled, resolved, guild_id)
        interaction = await self._interact(AUTOCOMPLETE, user, channel, data, timeout_s=timeout_s)
        return interaction.choices

    async def context_menu(
        self,
        user: User,
        channel: Channel,
        name: str,
        target: Message | User,
        *,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        """Use a command of a message's or member's context menu."""
        kind = 3 if isinstance(target, Message) else 2
        offered = visible_commands(self.state, user, channel, kind)
        command = next((each for each in offered if each["name"] == name), None)
        if command is None:
            raise ClientRefusedError(f"{name!r} is not among {[each['name'] for each in offered]}")
        resolved = Resolved(self.state, channel)
        resolved.add(target)
        data: Json = {
            "id": command["id"],
            "name": name,
            "type": kind,
            "target_id": str(target.id),
            "resolved": resolved.data,
        }
        return await self._interact(COMMAND, user, channel, data, wait=wait, timeout_s=timeout_s)

    def visible_commands(self, user: User, channel: Channel) -> list[str]:
        """Return the names of the slash commands the user is offered."""
        return [each["name"] for each in visible_commands(self.state, user, channel)]

    # -- components ---------------------------------------------------------------------

    async def click(
        self,
        user: User,
        message: Message,
        key: str,
        *,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        """Press a button, by its label, emoji or custom id."""
        await self._look_at(user, message)
        button = find_button(message, key)
        data = {"custom_id": button["custom_id"], "component_type": BUTTON}
        return await self._press(user, message, data, wait, timeout_s)

    async def press_raw(
        self,
        user: User,
        message: Message,
        custom_id: str,
        *,
        component_type: int = BUTTON,
        values: list[str] | None = None,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        """Press what may be gone by now: a click that races, unchecked by the client."""
        data: Json = {"custom_id": custom_id, "component_type": component_type}
        if values is not None:
            data["values"] = values
        return await self._press(user, message, data, wait, timeout_s)

    async def select(
        self,
        user: User,
        message: Message,
        key: str | None,
        values: list[Any],
        *,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        """Choose in a select, found by custom id or placeholder (None: the only one)."""
        await self._look_at(user, message)
        component = find_select(message, key)
        resolved = Resolved(self.state, message.channel)
        data: Json = {
            "custom_id": component["custom_id"],
            "component_type": component["type"],
            "values": chosen(component, values, resolved),
        }
        if resolved.data:
            data["resolved"] = resolved.data
        return await self._press(user, message, data, wait, timeout_s)

    async def submit_modal(
        self,
        interaction: Interaction,
        values: dict[str, Any],
        *,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        """Send the modal an interaction opened; values by label or custom id, the rest as filled."""
        if interaction.modal is None:
            raise ClientRefusedError("no modal is open")
        await asyncio.sleep(self.state.reaction_time_s)
        resolved = Resolved(self.state, interaction.channel)
        data = modal_data(interaction.modal, values, resolved)
        return await self._interact(
            MODAL_SUBMIT,
            interaction.user,
            interaction.channel,
            data,
            message=interaction.message,
            parent=interaction,
            wait=wait,
            timeout_s=timeout_s,
        )

    async def _press(
        self, user: User, message: Message, data: Json, wait: Wait, timeout_s: float
    ) -> Interaction:
        return await self._interact(
            COMPONENT, user, message.channel, data, message=message, wait=wait, timeout_s=timeout_s
        )

    async def _look_at(self, user: User, message: Message) -> None:
        """Take the time a person needs; a bot learns its message's id only from the HTTP answer."""
        if message.is_deleted or (message.ephemeral and message.viewer is not user):
            raise ClientRefusedError("the message is not there")
        self._must(user, message.channel, "view_channel")
        left_s = message.changed_at_s + self.state.reaction_time_s - time.monotonic()
        if left_s > 0:
            await asyncio.sleep(left_s)

    # -- interactions -----------------------------------------------------------------------

    async def _interact(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: Json,
        *,
        message: Message | None = None,
        parent: Interaction | None = None,
        wait: Wait = "ack",
        timeout_s: float = 30.0,
    ) -> Interaction:
        self._must(user, channel, "view_channel")
        state = self.state
        number = state.snowflakes.next()
        interaction = Interaction(number, f"token-{number:x}", kind, user, channel, data)
        interaction.message, interaction.parent = message, parent
        interaction.at_s = time.monotonic()
        state.interactions[interaction.token] = interaction
        asyncio.get_running_loop().call_later(state.ack_timeout_s, self._expire, interaction)
        payload = payloads.interaction(interaction, state.bot)
        state.emit("INTERACTION_CREATE", payload, 0, channel.guild)
        state.pulse()
        if wait is not None:
            await self.wait_ack(interaction, timeout_s)
        if wait == "reply":
            await state.wait_for(
                lambda: interaction.reply or interaction.failed, timeout_s, "a reply"
            )
        return interaction

    def _expire(self, interaction: Interaction) -> None:
        if interaction.kind is None:
            interaction.failed = True
            self.state.pulse()

    async def wait_ack(self, interaction: Interaction, timeout_s: float = 30.0) -> Interaction:
        """Wait until the bot answered or Discord gave up on it."""
        await self.state.wait_for(
            lambda: interaction.kind or interaction.failed, timeout_s, "an acknowledgement"
        )
        return interaction

    async def wait_reply(
        self,
        to: Interaction | Message,
        predicate: Callable[[Message], object] = lambda _: True,
        timeout_s: float = 30.0,
    ) -> Message:
        """Wait for the answer to an interaction, or for the bot's reply to a message."""

        def answer() -> Message | None:
            found = to.replies if isinstance(to, Interaction) else self._replies(to)
            return next((each for each in found if predicate(each)), None)

        found = await self.state.wait_for(answer, timeout_s, "the bot's answer")
        if found is None:
            raise AssertionError
        return found

    def _replies(self, message: Message) -> list[Message]:
        bot = self.state.bot
        own = (each for each in message.channel.messages if each.author is bot)
        return [each for each in own if each.reference_id == message.id]

    # -- messages -----------------------------------------------------------------------------

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        mentions_bot: bool = False,
        reply_to: Message | None = None,
        ping_reply: bool = True,
        files: list[tuple[str, bytes]] | None = None,
    ) -> Message:
        """Write a message; a reply pings the one it answers unless `ping_reply` is off."""
        state = self.state
        if not permissions.may(user, channel, "view_channel") or not permissions.may_send(
            user, channel
        ):
            raise ClientRefusedError(f"{user.name} may not write there")
        if reply_to is not None:
            await self._look_at(user, reply_to)
        message = state.new_message(channel, user)
        message.content = f"{state.bot.mention} {text}" if mentions_bot else text
        if reply_to is not None:
            message.type, message.reference, message.reference_id = 19, reply_to, reply_to.id
            message.reply_pings = ping_reply
        message.attachments = [state.attach(channel, *each) for each in files or ()]
        message.pings.append(pings(message, None, ping_reply))
        return state.publish(message)

    async def edit_say(self, message: Message, text: str) -> Message:
        """Edit what a person wrote."""
        return self.state.revise(message, {"content": text}, [])

    async def react(self, user: User, message: Message, emoji: str) -> None:
        await self._look_at(user, message)
        self.state.react(message, user, emoji)

    async def delete_message(self, message: Message) -> None:
        self.state.remove(message)

    def _must(self, user: User, channel: Channel, name: str) -> None:
        if channel.is_deleted or not permissions.may(user, channel, name):
            raise ClientRefusedError(f"{user.name} lacks {name} there")
