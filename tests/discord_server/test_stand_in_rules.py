"""The rules by themselves, and answers given to the server without any bot."""

from typing import Any

import aiohttp
import pytest

from tests.discord_server import DiscordServer
from tests.discord_server.mentions import pings
from tests.discord_server.problems import Problems
from tests.discord_server.rules_commands import check_commands
from tests.discord_server.rules_components import check_modal
from tests.discord_server.rules_message import check_message
from tests.discord_server.traffic import path_pattern
from tests.discord_server.world import COMPONENTS_V2, Channel, Message, User

V2 = COMPONENTS_V2


def button(custom_id: str = "go", **more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": custom_id, **more}


def row(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(children)}


def select(count: int) -> dict[str, Any]:
    options = [{"label": str(each), "value": str(each)} for each in range(count)]
    return {"type": 3, "custom_id": "pick", "options": options}


def text(length: int = 3) -> dict[str, Any]:
    return {"type": 10, "content": "x" * length}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"content": "x" * 2001}, "content"),
        ({"embeds": [{"description": "x" * 4097}]}, "embeds.0.description"),
        ({"embeds": [{"description": "x" * 3001}] * 2}, "embeds"),
        ({"components": [row(button(str(i))) for i in range(6)]}, "components"),
        ({"components": [row(*[button(str(i)) for i in range(6)])]}, "components.0.components"),
        ({"components": [row(select(26))]}, "components.0.components.0.options"),
        ({"components": [row(select(2), button())]}, "components.0"),
        ({"components": [row(button("x" * 101))]}, "components.0.components.0.custom_id"),
        ({"components": [row(button(label="x" * 81))]}, "components.0.components.0.label"),
        ({"components": [row(button()), row(button())]}, "components"),
        ({"components": [text()]}, "components.0.type"),
        ({"components": [text()], "content": "words", "flags": V2}, "content"),
        ({"components": [text(2001), text(2000)], "flags": V2}, "components"),
        ({"components": [text() for _ in range(41)], "flags": V2}, "components"),
        ({"allowed_mentions": {"parse": ["users"], "users": ["1"]}}, "allowed_mentions.users"),
        ({"nonce": "n" * 26}, "nonce"),
    ],
)
def test_a_body_over_a_limit_is_refused_at_its_place(body: dict[str, Any], path: str) -> None:
    problems = check_message({"content": "", **body}, None, 0)
    assert {found for found, _, _ in problems.found} == {path}
    assert problems.error().body["code"] == 50035


def test_a_body_at_its_limits_is_taken() -> None:
    rows = [row(*[button(f"{r}-{c}") for c in range(5)]) for r in range(4)]
    body = {"content": "x" * 2000, "components": [*rows, row(select(25))], "nonce": "n" * 25}
    assert not check_message(body, None, 0).found
    layout = {"type": 17, "components": [text(3999), {"type": 14}, row(button())]}
    assert not check_message({"components": [layout], "flags": V2}, None, 0).found


def test_a_modal_over_a_limit_is_refused() -> None:
    field = {"type": 4, "custom_id": "f", "style": 2, "value": "x" * 11, "max_length": 10}
    label = {"type": 18, "label": "x" * 46, "component": field}
    problems = Problems()
    check_modal({"title": "x" * 46, "custom_id": "m", "components": [label]}, problems)
    assert [path.rpartition(".")[2] for path, _, _ in problems.found] == ["title", "label", "value"]


def test_commands_over_a_limit_are_refused() -> None:
    option = {"name": "o", "description": "d", "type": 3}
    many = [{**option, "name": f"o{i}"} for i in range(26)]
    late = [option, {**option, "name": "p", "required": True}]
    heavy = [{**option, "name": f"o{i}", "description": "d" * 100} for i in range(25)]
    choices = [{"name": f"{i}" * 90, "value": f"{i}" * 90} for i in range(10)]
    heavier = [{**each, "choices": choices} for each in heavy]
    translated = {"name": "t", "description": "d", "description_localizations": {"xx": "d"}}
    for command, is_wrong in (
        ({"name": "Upper", "description": "d"}, True),
        ({"name": "a", "description": ""}, True),
        ({"name": "a", "description": "d", "options": many}, True),
        ({"name": "a", "description": "d", "options": late}, True),
        ({"name": "a", "description": "d", "options": heavy}, False),
        ({"name": "a", "description": "d", "options": heavier}, True),
        (translated, True),
        ({"name": "Say this", "type": 3}, False),
    ):
        assert bool(check_commands([command]).found) is is_wrong, command


def test_pings_are_what_the_allowed_mentions_let_through() -> None:
    channel, author = Channel(1, "c"), User(2, "bot", is_bot=True)
    said = Message(3, channel, author, "@everyone <@5> <@&6>")
    assert pings(said, None).is_mass
    none = pings(said, {"parse": []})
    assert not none.is_mass
    assert not none.users
    assert pings(said, {"parse": ["roles"], "users": ["5"]}).users == {5}
    said.reference = Message(4, channel, User(7, "alice"))
    assert pings(said, {"parse": [], "replied_user": True}).users == {7}


def test_a_star_is_one_segment() -> None:
    assert path_pattern("/channels/*/messages").match("/channels/1/messages")
    assert not path_pattern("/channels/*/messages").match("/channels/1/messages/2")
    assert path_pattern("/webhooks/**").match("/webhooks/1/token/messages/@original")


async def test_an_interaction_is_answered_once_and_in_the_allowed_form() -> None:
    async with DiscordServer() as discord, aiohttp.ClientSession() as http:
        guild = discord.add_guild("Tavern")
        channel = discord.add_channel(guild, "stories")
        alice = discord.add_user("alice", guild=guild)
        discord.state.commands[0] = [{"id": "1", "name": "go", "type": 1}]
        asked = await discord.slash(alice, channel, "go", wait=None)
        base = discord.addresses["STAND_IN_API"]
        url = f"{base}/interactions/{asked.id}/{asked.token}/callback"
        hook = f"{base}/webhooks/{discord.bot.id}/{asked.token}"

        async def post(address: str, body: dict[str, Any]) -> tuple[int, int]:
            async with http.post(address, json=body) as answer:
                data = await answer.json() if answer.status != 204 else {}
                return answer.status, data.get("code", 0)

        assert await post(hook, {"content": "too early"}) == (404, 10015)
        assert await post(url, {"type": 8, "data": {"choices": []}}) == (400, 50035)
        assert await post(url, {"type": 4, "data": {}}) == (400, 50006)
        assert await post(url, {"type": 5, "data": {"flags": 64}}) == (204, 0)
        assert await post(url, {"type": 5}) == (400, 40060)
        assert not asked.replies
        await post(hook, {"content": "done"})
        assert [each.ephemeral for each in asked.replies] == [True]
        assert await post(f"{base}/interactions/1/nothing/callback", {"type": 5}) == (404, 10062)
        assert await post(f"{base}/channels/1/messages", {"content": "no token"}) == (401, 0)
        assert await post(f"{base}/voice", {}) == (404, 0)
        kinds = [each.kind for each in discord.state.violations]
        expected = "webhook_before_ack form double_ack unknown_interaction unknown_route"
        assert kinds == expected.split()
