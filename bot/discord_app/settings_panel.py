"""What admins can do: see settings and where they come from, change them, take them back.

Invariant: whoever is not allowed to manage the server is refused here and once more
by the use case, whatever command, select or form they came by.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord

from bot.discord_app.answers import Answer
from bot.discord_app.custom_ids import Ref
from bot.discord_app.errors import OnlyAdminsError, OutdatedControlError
from bot.discord_app.escaping import neutralise_inline
from bot.discord_app.forms import choice_field, form, value_field
from bot.discord_app.services import Services
from bot.discord_app.views.base import action_row, button, panel, select
from bot.locales import N_, Words
from bot.policy.settings import (
    GROUP_TITLES,
    Effective,
    Group,
    Kind,
    Scope,
    Setting,
    Source,
    find_setting,
    format_value,
)

BACK = "reset!"  # a choice's value that takes the setting back
_VALUE_LIMIT = 300
_SOURCES = {
    Source.DEFAULT: N_("default"),
    Source.GUILD: N_("server"),
    Source.PARENT: N_("parent channel"),
    Source.CHANNEL: N_("this channel"),
}
_SCOPES = {Scope.CHANNEL: N_("this channel"), Scope.GUILD: N_("the whole server")}


class SettingsActs:
    """The acts of admins.

    Args:
        services: the use cases.
    """

    def __init__(self, services: Services) -> None:
        self._settings = services.settings
        self.components: Mapping[str, Callable[[Answer, Ref], Awaitable[None]]] = {
            "set_group": self._turn_to_group,
            "set_scope": self._turn_to_scope,
            "set_pick": self._open_value,
        }
        self.forms: Mapping[str, Callable[[Answer, Ref, Mapping[str, str]], Awaitable[None]]] = {
            "set_value": self._submit_value,
        }

    async def show(
        self,
        answer: Answer,
        group: Group = Group.CHANNEL,
        scope: Scope = Scope.CHANNEL,
        *,
        turns: bool = False,
    ) -> None:
        """Show the panel."""
        _require_admin(answer)
        if not answer.interaction.response.is_done():
            await answer.acknowledge()
        rows = await self._settings.listing(answer.actor, answer.place)
        shown = settings_panel(
            rows, group, scope, answer.words, has_guild=answer.place.guild_id is not None
        )
        await answer.show(shown, replaces=turns)

    async def set(self, answer: Answer, name: str, value: str, scope: Scope) -> None:
        """Set a value."""
        await answer.acknowledge()
        _require_admin(answer)
        row = await self._settings.set(answer.actor, answer.place, scope.value, name, value)
        said = answer.words(
            N_("**{name}** is **{value}** here now (from {source})."),
            name=neutralise_inline(row.setting.name),
            value=_shown(row, answer.words),
            source=answer.words(_SOURCES[row.source]),
        )
        await answer.tell(said)

    async def reset(self, answer: Answer, name: str | None, scope: Scope) -> None:
        """Take one value back, or all."""
        await answer.acknowledge()
        _require_admin(answer)
        count = await self._settings.reset(answer.actor, answer.place, scope.value, name)
        said = answer.words.plural(
            "{n} value was taken back for {scope}.",
            "{n} values were taken back for {scope}.",
            count,
            scope=answer.words(_SCOPES[scope]),
        )
        await answer.tell(said)

    async def _turn_to_group(self, answer: Answer, ref: Ref) -> None:
        data: Mapping[str, Any] = answer.interaction.data or {}
        values = data.get("values") or [""]
        scope, _ = _read_extra(ref.extra)
        await self.show(answer, _group(str(values[0])), scope, turns=True)

    async def _turn_to_scope(self, answer: Answer, ref: Ref) -> None:
        scope, group = _read_extra(ref.extra)
        await self.show(answer, _group(group), scope, turns=True)

    async def _open_value(self, answer: Answer, ref: Ref) -> None:
        _require_admin(answer)
        data: Mapping[str, Any] = answer.interaction.data or {}
        values = data.get("values") or [""]
        scope, _ = _read_extra(ref.extra)
        setting = find_setting(str(values[0]))
        effective = await self._settings.effective(answer.place)
        current = format_value(effective[setting.name])
        await answer.open(_value_form(setting, current, scope, answer.words))

    async def _submit_value(self, answer: Answer, ref: Ref, fields: Mapping[str, str]) -> None:
        await answer.acknowledge()
        _require_admin(answer)
        scope, name = _read_extra(ref.extra)
        value = fields.get("value", "").strip()
        if value in {"", BACK}:
            await self._settings.reset(answer.actor, answer.place, scope.value, name)
        else:
            await self._settings.set(answer.actor, answer.place, scope.value, name, value)
        await self.show(answer, find_setting(name).group, scope, turns=True)


def settings_panel(
    rows: Sequence[Effective], group: Group, scope: Scope, words: Words, *, has_guild: bool
) -> discord.ui.LayoutView:
    """Return the settings of a group with their values and where these come from."""
    shown = [row for row in rows if row.setting.group is group]
    title = words(
        N_("## ⚙️ {group}\nChanges are made for **{scope}**."),
        group=words(GROUP_TITLES[group]),
        scope=words(_SCOPES[scope]),
    )
    lines = [
        f"**{neutralise_inline(row.setting.name)}**: {_shown(row, words)} · {words(_SOURCES[row.source])}\n"
        f"-# {words(row.setting.explanation)}"
        for row in shown
    ]
    groups = [
        discord.SelectOption(label=words(GROUP_TITLES[one]), value=one.value, default=one is group)
        for one in Group
    ]
    options = [
        discord.SelectOption(
            label=row.setting.name,
            value=row.setting.name,
            description=words(row.setting.explanation)[:100],
        )
        for row in shown
        if scope in row.setting.scopes
    ]
    extra = f"{scope.value}.{group.value}"
    children: list[discord.ui.Item[discord.ui.LayoutView]] = [
        discord.ui.TextDisplay("\n".join([title, *lines])),
        action_row(select(Ref("set_group", extra=extra), groups, placeholder=words(N_("Group")))),
    ]
    if options:
        change = words(N_("Change a setting …"))
        children.append(
            action_row(select(Ref("set_pick", extra=extra), options, placeholder=change))
        )
    if has_guild:
        other = Scope.GUILD if scope is Scope.CHANNEL else Scope.CHANNEL
        label = words(N_("Change for {scope} instead"), scope=words(_SCOPES[other]))
        ref = Ref("set_scope", extra=f"{other.value}.{group.value}")
        children.append(action_row(button(ref, label)))
    return panel(*children)


def _value_form(setting: Setting, current: str, scope: Scope, words: Words) -> discord.ui.Modal:
    """Return the form for one setting's value."""
    ref = Ref("set_value", extra=f"{scope.value}.{setting.name}")
    explanation = words(setting.explanation)
    known = ("on", "off") if setting.kind is Kind.BOOL else setting.choices
    if setting.kind is Kind.LIST:  # several at once are typed
        known = ()
    if known:
        choices = [(one, words(one)) for one in known]
        choices.append((BACK, words(N_("take back what was set here"))))
        field = choice_field("value", setting.name, choices, value=current, hint=explanation)
    else:
        hint = explanation
        if setting.kind in {Kind.INT, Kind.FLOAT}:
            hint = words(
                N_("{low} to {high}; empty takes it back."),
                low=f"{setting.low:g}",
                high=f"{setting.high:g}",
            )
        field = value_field("value", setting.name, value=current, hint=hint)
    return form(ref, words(N_("Change a setting")), field)


def _shown(row: Effective, words: Words) -> str:
    value = format_value(row.value)
    if not value:
        return words(N_("nothing"))
    return neutralise_inline(
        value if len(value) <= _VALUE_LIMIT else value[: _VALUE_LIMIT - 1] + "…"
    )


def _require_admin(answer: Answer) -> None:
    if not (answer.actor.is_admin or answer.place.is_direct):
        raise OnlyAdminsError


def _read_extra(extra: str) -> tuple[Scope, str]:
    scope, _, rest = extra.partition(".")
    try:
        return Scope(scope), rest
    except ValueError as error:
        raise OutdatedControlError from error


def _group(name: str) -> Group:
    try:
        return Group(name)
    except ValueError as error:
        raise OutdatedControlError from error
