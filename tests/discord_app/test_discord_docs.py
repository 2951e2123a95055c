"""The documentation names every command, option and setting."""

from pathlib import Path
from typing import Any

import pytest

from bot.discord_app.sync import payload_of
from bot.policy.settings import REGISTRY
from tests.discord_app.discord_world import World

PAGE = Path(__file__).parents[2] / "docs" / "discord.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


async def test_every_command_and_option_is_documented(world: World, page: str) -> None:
    commands: list[dict[str, Any]] = await payload_of(world.client.tree)
    for group in commands:
        for command in group["options"]:
            assert f"`/{group['name']} {command['name']}`" in page
            for option in command.get("options", ()):
                assert f"`{option['name']}`" in page, (command["name"], option["name"])


def test_every_setting_is_documented(page: str) -> None:
    for name, setting in REGISTRY.items():
        assert f"| `{name}` | {setting.explanation}" in page
