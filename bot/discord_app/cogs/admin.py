"""``/storyadmin``: what admins set for their server and its channels."""

import asyncio
import logging

from discord import app_commands
from discord.app_commands import Choice, locale_str

from bot.discord_app.answers import Answer
from bot.discord_app.place import AnyInteraction
from bot.discord_app.settings_panel import SettingsActs
from bot.locales import N_, Words
from bot.policy.settings import GROUP_TITLES, REGISTRY, Group, Kind, Scope

log = logging.getLogger(__name__)

_MAX_CHOICES = 25
_SCOPES = [
    Choice(name=locale_str(N_("this channel")), value="channel"),
    Choice(name=locale_str(N_("the whole server")), value="guild"),
]


@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.default_permissions(manage_guild=True)
class AdminCommands(
    app_commands.Group,
    name=locale_str("storyadmin"),
    description=locale_str(N_("What admins set for stories")),
):
    """The commands of admins; that they manage the server is checked again in the acts.

    Args:
        acts: what admins can do.
    """

    def __init__(self, acts: SettingsActs) -> None:
        super().__init__()
        self._acts = acts

    @app_commands.command(
        name=locale_str("settings"),
        description=locale_str(N_("See and change the settings of this channel and server")),
    )
    @app_commands.describe(group=locale_str(N_("Which settings")))
    @app_commands.choices(
        group=[Choice(name=locale_str(GROUP_TITLES[one]), value=one.value) for one in Group]
    )
    async def settings(self, interaction: AnyInteraction, group: str = "channel") -> None:
        """Show the panel."""
        await self._acts.show(Answer(interaction), Group(group))

    @app_commands.command(name=locale_str("set"), description=locale_str(N_("Change one setting")))
    @app_commands.describe(
        name=locale_str(N_("Which setting")),
        value=locale_str(N_("Its new value")),
        scope=locale_str(N_("For what; this channel if left out")),
    )
    @app_commands.choices(scope=_SCOPES)
    async def set_value(
        self,
        interaction: AnyInteraction,
        name: app_commands.Range[str, 1, 64],
        value: app_commands.Range[str, 1, 2000],
        scope: str = "channel",
    ) -> None:
        """Change one setting."""
        await self._acts.set(Answer(interaction), name, value, Scope(scope))

    @app_commands.command(
        name=locale_str("reset"),
        description=locale_str(N_("Take back what was set, for one setting or all")),
    )
    @app_commands.describe(
        name=locale_str(N_("Which setting; all if left out")),
        scope=locale_str(N_("For what; this channel if left out")),
    )
    @app_commands.choices(scope=_SCOPES)
    async def reset(
        self,
        interaction: AnyInteraction,
        name: app_commands.Range[str, 1, 64] | None = None,
        scope: str = "channel",
    ) -> None:
        """Take settings back."""
        await self._acts.reset(Answer(interaction), name, Scope(scope))

    @set_value.autocomplete("name")
    @reset.autocomplete("name")
    async def _complete_name(self, interaction: AnyInteraction, typed: str) -> list[Choice[str]]:
        await asyncio.sleep(0)
        words = Words(interaction.locale.value)
        return complete_name(typed, words)

    @set_value.autocomplete("value")
    async def _complete_value(self, interaction: AnyInteraction, typed: str) -> list[Choice[str]]:
        await asyncio.sleep(0)
        return complete_value(str(interaction.namespace["name"] or ""), typed)


def complete_name(typed: str, words: Words) -> list[Choice[str]]:
    """Return settings whose name or explanation holds what was typed."""
    wanted = typed.casefold().strip()
    return [
        Choice(name=f"{name}: {words(setting.explanation)}"[:100], value=name)
        for name, setting in REGISTRY.items()
        if wanted in name or wanted in words(setting.explanation).casefold()
    ][:_MAX_CHOICES]


def complete_value(name: str, typed: str) -> list[Choice[str]]:
    """Return the values that a setting can take, where they are few; else what was typed."""
    setting = REGISTRY.get(name)
    known: tuple[str, ...] = ()
    if setting is not None:
        known = ("on", "off") if setting.kind is Kind.BOOL else setting.choices
    before = ""
    if setting is not None and setting.kind is Kind.LIST and "," in typed:
        head, _, typed = typed.rpartition(",")
        before = f"{head.strip()}, "
        known = tuple(one for one in known if one not in before)
    wanted = typed.casefold().strip()
    found = [f"{before}{one}"[:100] for one in known if wanted in one]
    if not known and typed.strip():
        found = [f"{before}{typed.strip()}"[:100]]
    return [Choice(name=one, value=one) for one in found]
