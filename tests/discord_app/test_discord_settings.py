"""``/storyadmin`` by command and by panel."""

import json

from bot.locales import Words
from tests.discord_app.discord_world import World, press, words_of


async def test_a_value_is_set_and_taken_back(world: World) -> None:
    result = await world.admin.slash(
        world.channel, "storyadmin set", name="temperature", value="0,5", scope="guild"
    )
    assert "**temperature** is **0.5**" in result.response.content  # type: ignore[union-attr]
    result = await world.admin.slash(
        world.channel, "storyadmin reset", name="temperature", scope="guild"
    )
    assert "1 value was taken back" in result.response.content  # type: ignore[union-attr]


async def test_a_wrong_value_names_the_bounds(world: World) -> None:
    result = await world.admin.slash(world.channel, "storyadmin set", name="temperature", value="9")
    assert "from 0 to 2" in result.response.content  # type: ignore[union-attr]


async def test_names_and_values_are_offered(world: World) -> None:
    choices = await world.admin.autocomplete(world.channel, "storyadmin set", "name", "top")
    assert [choice["value"] for choice in choices] == ["top_k", "top_p"]
    choices = await world.admin.autocomplete(
        world.channel, "storyadmin set", "value", "", name="streaming"
    )
    assert [choice["value"] for choice in choices] == ["on", "off"]
    choices = await world.admin.autocomplete(
        world.channel, "storyadmin set", "value", "0.4", name="temperature"
    )
    assert [choice["value"] for choice in choices] == ["0.4"]
    choices = await world.admin.autocomplete(
        world.channel, "storyadmin set", "value", "prose, fa", name="formats"
    )
    assert [choice["value"] for choice in choices] == ["prose, fable"]


async def test_the_panel_shows_values_with_their_source_and_changes_them(world: World) -> None:
    await world.admin.slash(
        world.channel, "storyadmin set", name="streaming", value="off", scope="guild"
    )
    result = await world.admin.slash(world.channel, "storyadmin settings", group="writing")
    panel = result.response
    assert panel is not None
    assert "**streaming**: off · server" in words_of(panel.components)
    group, change = _selects(panel.components)
    form = await world.admin.select(panel, ["streaming"], custom_id=change)
    assert form.modal is not None
    await world.admin.submit_modal(form, {"value": ["on"]})
    assert "**streaming**: on · this channel" in words_of(panel.components)
    form = await world.admin.select(panel, ["streaming"], custom_id=change)
    await world.admin.submit_modal(form, {"value": ["reset!"]})
    assert "**streaming**: off · server" in words_of(panel.components)
    await world.admin.select(panel, ["sampling"], custom_id=group)
    assert "temperature" in words_of(panel.components)
    await world.admin.click(panel, label="Change for the whole server instead")
    assert "**the whole server**" in words_of(panel.components)
    _, change = _selects(panel.components)
    form = await world.admin.select(panel, ["temperature"], custom_id=change)
    await world.admin.submit_modal(form, {"value": "1.5"})
    assert "**temperature**: 1.5 · server" in words_of(panel.components)
    form = await world.admin.select(panel, ["temperature"], custom_id=change)
    done = await world.admin.submit_modal(form, {"value": "hot"})
    assert "is a number" in done.followups[0].content


async def test_members_are_refused_whatever_they_come_by(world: World) -> None:
    result = await world.admin.slash(world.channel, "storyadmin settings")
    panel = result.response
    assert panel is not None
    _, change = _selects(panel.components)

    await world.begin()
    button = next(
        part.split('"')[0]
        for part in json.dumps(panel.components).split('"custom_id": "')[1:]
        if "set_scope" in part
    )
    said = await press(world, world.newest(), button, user=world.bob)
    assert "Manage Server" in said
    assert change


async def test_a_direct_conversation_has_its_own_settings(world: World) -> None:
    await world.bob.user.send_dm("help")
    result = await world.bob.user.slash("storyadmin set", name="temperature", value="0.3")
    assert "0.3" in result.response.content
    result = await world.bob.user.slash("storyadmin reset", scope="guild")
    assert "no server here" in result.response.content


def test_every_explanation_fits_a_panel() -> None:
    from bot.discord_app.settings_panel import settings_panel  # noqa: PLC0415
    from bot.policy.settings import Group, Scope, resolve  # noqa: PLC0415

    rows = resolve().rows()
    for group in Group:
        view = settings_panel(rows, group, Scope.CHANNEL, Words(), has_guild=True)
        assert view.content_length() < 4000
        assert view.total_children_count <= 40


def _selects(components: object) -> list[str]:
    found = []
    for part in json.dumps(components).split('"custom_id": "')[1:]:
        custom_id = part.split('"')[0]
        if "set_group" in custom_id or "set_pick" in custom_id:
            found.append(custom_id)
    return sorted(found)
