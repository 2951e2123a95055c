"""What people send that nobody hopes for: a clear sentence, nothing lost, nothing pings."""

import discord
import pytest
from simcord.results import InteractionResult

from tests.discord_app.discord_world import World

BOMB = (
    "# big\n> quote\n-# small\n* list\n1. one\n||spoiler|| `code` **bold** [a](https://x.y) <t:1:R>"
)


async def _given_back(result: InteractionResult) -> str:
    """Return what stands in the file beside a refusal."""
    assert result.response is not None
    (file,) = result.response.attachments
    assert file.filename == "your-text.txt"
    return (await file.read()).decode()


@pytest.mark.parametrize(
    "text",
    [" ", "\u200b\u200b", "\x00\x07", " \n\t ", "\u2066\u2069"],
    ids=["space", "zero-width", "control", "white", "isolates"],
)
async def test_nothing_readable_is_refused(world: World, text: str) -> None:
    await world.begin()
    result = await world.bob.slash(world.channel, "story add", text=text)
    assert "no words" in result.response.content  # type: ignore[union-attr]
    assert not result.response.attachments  # type: ignore[union-attr]
    assert len(await world.texts()) == 2


@pytest.mark.parametrize("command", ["continue", "add", "edit"])
async def test_too_much_is_refused_with_the_limit_and_given_back(
    world: World, command: str
) -> None:
    await world.begin()
    before = await world.texts()
    text = ("word " * 1100).strip()
    result = await world.bob.slash(world.channel, f"story {command}", text=text)
    assert "5499 characters long; 4000 are taken at once" in result.response.content  # type: ignore[union-attr]
    assert await _given_back(result) == text
    assert await world.texts() == before


@pytest.mark.parametrize(
    "text",
    [
        "@everyone @here <@1> <@&2> <#3>",
        BOMB,
        "مرحبا بالعالم",
        "a\u200bb \u202egnirts\u202c",
        "👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪👍🏽",
        "<:custom:123456789012345678> <a:moving:123456789012345678>",
        "很久很久以前，在一个小村庄里。",  # noqa: RUF001 -- a full-width comma is meant
    ],
    ids=["mentions", "bomb", "rtl", "zero-width", "emoji", "custom", "chinese"],
)
async def test_anything_else_is_kept_shown_literally_and_pings_nobody(
    world: World, text: str
) -> None:
    await world.begin()
    await world.bob.slash(world.channel, "story continue", text=text)
    posted = world.said()[-2].content
    assert posted.startswith("-# **Bob** writes\n")
    body = posted.split("\n", 1)[1]
    for line in body.split("\n"):
        assert not line.lstrip().startswith(("#", ">", "-#", "* ", "1. "))
    assert "<@" not in body.replace("\\<@", "")
    assert "||" not in body.replace("\\|", "")
    for request in world.env.http_requests:
        if request.method == "POST" and request.path.endswith("/messages"):
            assert isinstance(request.json, dict)
            assert request.json["allowed_mentions"]["parse"] == []


async def test_a_premise_larger_than_the_window_is_refused_and_given_back(world: World) -> None:
    premise = "A long idea. " * 150 + "So be it."
    result = await world.alice.slash(
        world.channel, "story start", premise=premise, opening="It was late."
    )
    assert result.response is not None
    assert result.response.ephemeral
    assert "tokens; the model has room for" in result.response.content
    assert "Shorten them" in result.response.content
    # Both that were written, not the longer one alone.
    assert await _given_back(result) == f"{premise}\n\nIt was late."
    async with world.store.read() as unit:
        assert await unit.stories.current(f"discord:{world.channel.id}") is None


async def test_words_are_given_back_where_the_bot_may_not_write(world: World) -> None:
    denied = discord.PermissionOverwrite(send_messages=False)
    channel = world.guild.create_text_channel(
        "quiet", overwrites={world.guild.default_role: denied}
    )
    result = await world.admin.slash(channel, "story start", opening="It was late.")
    assert "Send Messages" in result.response.content  # type: ignore[union-attr]
    assert await _given_back(result) == "It was late."


async def test_words_are_given_back_while_the_bot_ends(world: World) -> None:
    await world.begin()
    world.client.is_closing = True
    result = await world.bob.slash(world.channel, "story add", text="My precious words.")
    assert "restarting" in result.response.content  # type: ignore[union-attr]
    assert await _given_back(result) == "My precious words."
    assert len(await world.texts()) == 2


async def test_a_title_cannot_format_or_turn_round(world: World) -> None:
    await world.begin(title="**x** \u202e <@1>\n# y")
    assert world.said()[0].content.startswith("## 📖 \\*\\*x\\*\\* \\<@1> # y")


@pytest.mark.parametrize("story", ["nonsense", "???", "7zzzzzzzzzzzz", "0"])
async def test_a_story_that_does_not_exist(world: World, story: str) -> None:
    for command in ("open", "show", "delete", "export"):
        result = await world.bob.slash(world.channel, f"story {command}", story=story)
        assert "not found" in result.response.content  # type: ignore[union-attr]


async def test_a_long_passage_is_split_and_only_its_end_has_buttons(world: World) -> None:
    await world.begin()
    text = "\n\n".join("The sea was loud and the wind was cold. " * 15 for _ in range(6)).strip()
    await world.bob.slash(world.channel, "story add", text=text)
    parts = world.said()[3:]
    assert len(parts) == 2
    assert all(len(part.content) <= 2000 for part in parts)
    assert [bool(part.components) for part in parts] == [False, True]
    await world.bob.slash(world.channel, "story undo")
    assert [part.content for part in world.said()[3:]] == [
        "-# ↶ Undone. Redo brings it back.",
        "-# ↶",
    ]
    await world.bob.slash(world.channel, "story redo")
    assert [part.content for part in world.said()[3:]] == [part.content for part in parts]
    await world.bob.slash(world.channel, "story edit", text="Short.")
    assert world.said()[3:][-1].content == "-# **Bob** writes\nShort."
    assert len(world.said()) == 4
