from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord.app_commands import TranslationContextLocation, locale_str

from bot.discord_app import sync, translator
from bot.discord_app.sync import SIZE_LIMIT, Synced, digest_of, payload_of, size_of
from bot.discord_app.translator import GettextTranslator
from bot.locales import catalogue
from tests.discord_app.discord_world import World


async def test_every_command_is_small_enough_and_has_few_enough_children(world: World) -> None:
    payload = await payload_of(world.client.tree)
    assert {command["name"] for command in payload} == {"story", "storyadmin"}
    for command in payload:
        assert size_of(command) <= SIZE_LIMIT
        assert len(command["options"]) <= 25
        for child in command["options"]:
            assert child["description"]
            assert len(child.get("options", ())) <= 25
    admin = next(command for command in payload if command["name"] == "storyadmin")
    assert int(admin["default_member_permissions"]) == discord.Permissions(manage_guild=True).value
    for command in payload:
        assert command["contexts"] == [0, 1]
        assert command["integration_types"] == [0]


def test_of_each_field_the_longest_localisation_counts() -> None:
    command = {
        "name": "ab",
        "description": "abc",
        "description_localizations": {"de": "abcdef"},
        "options": [{"name": "x", "description": "y", "choices": [{"name": "n", "value": "vv"}]}],
    }
    assert size_of(command) == 2 + 6 + 1 + 1 + 1 + 2


async def test_commands_are_registered_only_when_they_changed(world: World) -> None:
    def count() -> int:
        return sum(
            1
            for one in world.env.http_requests
            if one.method == "PUT" and one.path.endswith("/commands")
        )

    assert count() == 1
    await world.restart()
    assert count() == 1
    assert world.client._command_ids["story"]
    world.client.tree.remove_command("storyadmin")
    ids = await _sync(world)
    assert count() == 2
    assert set(ids) == {"story"}
    assert set(await _sync(world)) == {"story"}
    assert count() == 2
    await _sync(world, mode=sync.ALWAYS)
    assert count() == 3
    world.client.tree.clear_commands(guild=None)
    assert set(await _sync(world, mode=sync.NEVER)) == {"story"}
    assert count() == 3


async def test_a_failure_to_register_is_not_the_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.env.inject_error("PUT", "/applications/*/commands", status=400, code=50035)
    assert set(await _sync(world, mode=sync.ALWAYS)) == {"story", "storyadmin"}
    assert "could not be registered" in caplog.text


async def _sync(world: World, mode: str = sync.AUTO) -> Any:
    application_id = world.client.application_id
    assert application_id is not None
    with world.env._bot_scope():
        return await sync.sync(world.client.tree, world.store, application_id, mode=mode)


def test_the_digest_does_not_depend_on_order() -> None:
    one, two = {"name": "a", "x": 1}, {"name": "b", "y": {"p": 1, "q": 2}}
    assert digest_of([one, two]) == digest_of([{"y": {"q": 2, "p": 1}, "name": "b"}, one])
    assert digest_of([one]) != digest_of([two])


@pytest.mark.parametrize("stored", [None, "", "nonsense", "[]", '{"digest": "x", "ids": 3}'])
def test_what_cannot_be_read_counts_as_nothing(stored: str | None) -> None:
    assert Synced.from_json(stored) == Synced("", {})


class _Catalogue:
    def __init__(self, found: str) -> None:
        self.found = found

    def gettext(self, message: str) -> str:
        return self.found if message == "start" else message


@pytest.mark.parametrize(
    ("found", "location", "expected"),
    [
        ("beginnen", TranslationContextLocation.command_name, "beginnen"),
        ("Nicht Erlaubt!", TranslationContextLocation.command_name, None),
        ("Beginnen!", TranslationContextLocation.command_description, "Beginnen!"),
        ("start", TranslationContextLocation.command_name, None),
    ],
)
async def test_a_translation_that_discord_would_refuse_stays_english(
    monkeypatch: pytest.MonkeyPatch,
    found: str,
    location: TranslationContextLocation,
    expected: str | None,
) -> None:
    monkeypatch.setattr(translator, "catalogue", lambda _: _Catalogue(found))
    context: Any = SimpleNamespace(location=location)
    string = locale_str("start")
    assert await GettextTranslator().translate(string, discord.Locale.german, context) == expected
    assert catalogue("de").gettext("start") == "start"
