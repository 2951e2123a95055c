"""Where the bot may not write, and what is missing is said before anything is committed."""

import discord
import pytest

from bot.discord_app.place import missing_permissions
from tests.discord_app.discord_world import World


def _deny(world: World, name: str, **denied: bool) -> object:
    """Create a channel in which the bot lacks permissions."""
    me = world.client.user
    assert me is not None
    overwrite = discord.PermissionOverwrite(**denied)
    return world.guild.create_text_channel(name, overwrites={world.guild.default_role: overwrite})


async def test_a_command_names_the_permission_that_the_bot_lacks(world: World) -> None:
    channel = _deny(world, "quiet", send_messages=False)
    result = await world.admin.slash(channel, "story start", opening="It was late.")  # type: ignore[arg-type]
    assert result.response is not None
    assert "Send Messages" in result.response.content
    assert result.response.ephemeral
    async with world.store.read() as unit:
        assert await unit.stories.current(f"discord:{channel.id}") is None  # type: ignore[attr-defined]


async def test_a_form_is_not_opened_where_its_words_could_not_be_shown(world: World) -> None:
    channel = _deny(world, "quiet", send_messages=False)
    result = await world.admin.slash(channel, "story start")  # type: ignore[arg-type]
    assert result.modal is None
    assert "Send Messages" in result.response.content  # type: ignore[union-attr]


async def test_permissions_taken_away_in_the_middle_keep_the_passage(world: World) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.bob.slash(world.channel, "story continue")
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=403, code=50013, times=None)
    world.env.inject_error("POST", "/channels/*/messages", status=403, code=50013, times=None)
    gate.set()
    await world.env.settle()
    assert len(await world.texts()) == 3


async def test_a_channel_deleted_in_the_middle_keeps_the_passage(world: World) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.bob.slash(world.channel, "story continue")
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=404, code=10003, times=None)
    gate.set()
    await world.env.settle()
    story = await world.story()
    async with world.store.read() as unit:
        rows = await unit.outbox.for_story(story.id)
    assert len(await world.texts()) == 3
    assert {row.status.value for row in rows} == {"gone"}


async def test_a_passage_message_deleted_in_the_middle_is_sent_anew(world: World) -> None:
    await world.begin()
    gate = world.backend.hold_in_the_middle()
    await world.bob.slash(world.channel, "story continue")
    growing = world.said()[-1]
    await world.admin.delete(growing)
    gate.set()
    await world.env.settle()
    assert world.said()[-1].content == (await world.texts())[-1]
    assert world.said()[-1].id != growing.id


async def test_deleted_messages_are_remembered(world: World) -> None:
    await world.begin()
    gone = world.newest()
    await world.admin.delete(gone)
    async with world.store.read() as unit:
        row = await unit.outbox.by_message(gone.id)
    assert row is not None
    assert row.status.value == "gone"
    # The next act shows the newest passage again, since its buttons are needed.
    await world.bob.slash(world.channel, "story continue")
    await world.bob.slash(world.channel, "story undo")
    assert world.newest().content == (await world.texts())[-1]


async def test_switched_off_channels_say_so(world: World) -> None:
    await world.admin.slash(world.channel, "storyadmin set", name="enabled", value="off")
    result = await world.begin()
    assert "switched off" in result.response.content  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("permissions", "is_thread", "missing"),
    [
        (discord.Permissions.none(), False, ["view_channel", "send_messages"]),
        (discord.Permissions(view_channel=True, send_messages=True), False, []),
        (
            discord.Permissions(view_channel=True, send_messages=True),
            True,
            ["send_messages_in_threads"],
        ),
    ],
)
def test_a_thread_needs_its_own_permission(
    permissions: discord.Permissions, is_thread: bool, missing: list[str]
) -> None:
    assert missing_permissions(permissions, is_thread=is_thread) == missing
