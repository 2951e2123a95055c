"""What is left: waits for a channel that is not cached, files that are too large, lost ways."""

from datetime import timedelta
from typing import Any

import discord
import pytest

from bot.discord_app import acts as acts_module
from bot.discord_app.answers import Answer, report
from bot.discord_app.messages import Turn
from bot.discord_app.messenger import DiscordMessenger, MessageGoneError, PlaceGoneError
from bot.discord_app.place import author_of, place_of_message
from bot.errors import EngineStoppedError, NotFoundError
from bot.locales import Words
from tests.discord_app.discord_world import World, words_of


async def test_the_messenger_finds_a_message_by_its_buttons_or_its_text(world: World) -> None:
    await world.begin()
    story = await world.story()
    head = list(story.passages)[-1]
    messenger = DiscordMessenger(world.client)
    since = world.env.now() - timedelta(hours=1)
    await world.bob.send(world.channel, "Something else.")
    with world.env._bot_scope():
        found = await messenger.find(
            world.channel.id, passage_id=head, content="unknown", since=since
        )
        assert found == world.newest().id
        title = world.said()[0]
        found = await messenger.find(
            world.channel.id, passage_id=1, content=title.content, since=since
        )
        assert found == title.id
        found = await messenger.find(world.channel.id, passage_id=1, content="?", since=since)
        assert found is None


async def test_the_messenger_says_what_is_gone(world: World) -> None:
    messenger = DiscordMessenger(world.client)
    with world.env._bot_scope():
        with pytest.raises(MessageGoneError):
            await messenger.edit(world.channel.id, 5, "x", view=None)
        with pytest.raises(MessageGoneError):
            await messenger.delete(world.channel.id, 5)
        with pytest.raises(PlaceGoneError) as raised:
            await messenger.send(5, "x", view=None, nonce="n")
        assert raised.value.is_deleted


async def test_a_file_that_discord_would_not_take_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.begin()
    monkeypatch.setattr(acts_module, "export", lambda *_, **__: _Huge())
    result = await world.bob.slash(world.channel, "story export")
    assert "MiB and Discord takes" in result.response.content  # type: ignore[union-attr]


class _Huge:
    data = b"x" * (30 * 2**20)
    name = "x.txt"


async def test_an_import_that_is_too_large_is_not_even_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts_module, "MAX_IMPORT_BYTES", 3)
    result = await world.bob.slash(world.channel, "story import", file=("x.json", b"12345"))
    assert "larger than" in result.response.content  # type: ignore[union-attr]


async def test_a_story_without_words_cannot_be_read_but_be_renamed(world: World) -> None:
    world.backend.inner = type(world.backend)([EngineStoppedError()]).inner
    await world.alice.slash(world.channel, "story start", title="Empty", card=False)
    assert "⚠️" in world.said()[-1].content
    result = await world.bob.slash(world.channel, "story show")
    assert "not found" in result.response.content  # type: ignore[union-attr]
    result = await world.bob.slash(world.channel, "story edit")
    assert "not found" in result.response.content  # type: ignore[union-attr]
    result = await world.bob.slash(world.channel, "story end", ending=False)
    assert "has ended" in result.response.content  # type: ignore[union-attr]


async def test_words_waiting_for_a_passage_are_announced_to_their_writer(world: World) -> None:
    await world.begin()
    gate = world.backend.hold()
    await world.alice.click(world.newest(), label="Continue")
    result = await world.bob.slash(world.channel, "story continue", text="Bob waits.")
    assert "right after it" in result.response.content  # type: ignore[union-attr]
    gate.set()
    await world.env.settle()
    assert "Bob waits." in await world.texts()


async def test_a_long_list_has_pages(world: World) -> None:
    for number in range(12):
        await world.alice.slash(
            world.channel, "story start", title=f"Story {number}", opening="It began."
        )
    result = await world.bob.slash(world.channel, "story list")
    panel = result.response
    assert panel is not None
    assert "Story 11" in words_of(panel.components)
    assert "Story 1*" not in words_of(panel.components)
    await world.bob.click(panel, label="▶")
    assert "Story 1*" in words_of(panel.components)
    await world.bob.click(panel, label="◀")
    assert "Story 11" in words_of(panel.components)


async def test_an_empty_list_says_how_to_begin(world: World) -> None:
    result = await world.bob.slash(world.channel, "story list")
    assert "/story start" in words_of(result.response.components)  # type: ignore[union-attr]


async def test_autocomplete_offers_nothing_where_the_database_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> Any:
        raise NotFoundError(what="x")

    monkeypatch.setattr(world.stories, "summaries", fail)
    assert await world.bob.autocomplete(world.channel, "story open", "story", "x") == []


async def test_a_slow_database_does_not_keep_a_form_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.begin()
    monkeypatch.setattr("bot.discord_app.router.FORM_LIMIT_S", 0.0)
    shown = await world.bob.click(world.newest(), label="Write")
    assert shown.modal is not None
    result = await world.bob.slash(world.channel, "story edit")
    assert "too slow" in result.response.content  # type: ignore[union-attr]


async def test_a_reply_without_its_ping_gets_a_hint(world: World) -> None:
    await world.begin()
    story = await world.story()
    passage = world.newest()
    turn = Turn(passage, author_of(passage), place_of_message(passage), Words(), "", story.id)
    with world.env._bot_scope():
        await world.client.messages._act(turn)
    await world.env.settle()
    assert "ping is off" in world.said()[-1].content


async def test_where_no_reply_is_possible_a_reaction_must_do(world: World) -> None:
    await world.begin()
    world.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
    old = world.newest()
    await world.begin("Another story.")
    world.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
    world.env.inject_error("PUT", "/channels/*/reactions/*", status=403, code=50013)
    await world.bob.send(world.channel, "Bob went on.", reply_to=old)
    assert len(await world.texts()) == 2


async def test_an_error_that_cannot_be_told_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Interaction:
        def __init__(self, error: Exception) -> None:
            self.error = error
            self.type = discord.InteractionType.component
            self.locale = discord.Locale.german

    async def tell(self: Answer, sentence: str, *, file: object = None) -> None:
        raise self.interaction.error  # type: ignore[attr-defined]

    monkeypatch.setattr(Answer, "__init__", _plain)
    monkeypatch.setattr(Answer, "tell", tell)
    broken: Any = Interaction(ValueError())
    await report(broken, EngineStoppedError(), where="a test")
    assert "the error handler failed" in caplog.text
    assert not world.said()


def _plain(self: Answer, interaction: Any) -> None:
    self.interaction = interaction
    self.words = Words()
