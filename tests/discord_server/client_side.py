"""What a real client builds, and refuses to build, from what a person does."""

from typing import Any

from . import payloads, permissions
from .rules_components import value_range
from .state import State
from .world import (
    SELECTS,
    STRING_SELECT,
    TEXT_INPUT,
    Attachment,
    Channel,
    Json,
    Message,
    Modal,
    Role,
    User,
)

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
LINK = 5
FILE_UPLOAD, RADIO, CHECKBOX_GROUP, CHECKBOX = 19, 21, 22, 23


class ClientRefusedError(AssertionError):
    """A real client would not have offered this."""


class Resolved:
    """The objects that an interaction's ids stand for."""

    def __init__(self, state: State, channel: Channel) -> None:
        self.state, self.channel = state, channel
        self.data: Json = {}

    def _put(self, kind: str, number: int, payload: Json) -> str:
        self.data.setdefault(kind, {})[str(number)] = payload
        return str(number)

    def add(self, thing: Any) -> str:
        """Register an object and return its id; a file is given as (name, bytes)."""
        if isinstance(thing, User):
            guild = self.channel.guild
            if guild is not None and thing.id in guild.members:
                member = payloads.member(thing, guild, with_user=False)
                member["permissions"] = str(permissions.in_channel(thing, self.channel))
                self._put("members", thing.id, member)
            return self._put("users", thing.id, payloads.user(thing))
        if isinstance(thing, Role):
            return self._put("roles", thing.id, payloads.role(thing))
        if isinstance(thing, Channel):
            return self._put(
                "channels",
                thing.id,
                payloads.channel(thing) | {"permissions": "0", "name": thing.name},
            )
        if isinstance(thing, Message):
            whole = payloads.message(thing, self.state.bot)
            return self._put("messages", thing.id, whole)
        if isinstance(thing, tuple):
            attached: Attachment = self.state.attach(self.channel, *thing)
            return self._put(
                "attachments", attached.id, payloads.attachment(attached, ephemeral=True)
            )
        raise ClientRefusedError(f"{thing!r} cannot be chosen")


# -- commands ---------------------------------------------------------------------------


def visible_commands(state: State, user: User, channel: Channel, kind: int = 1) -> list[Json]:
    """Return the commands of a kind that the user's client shows in the channel."""
    scopes = (channel.guild.id, 0) if channel.guild is not None else (0,)
    found = [each for scope in scopes for each in state.commands.get(scope, ())]
    return [each for each in found if each["type"] == kind and _is_offered(each, user, channel)]


def _is_offered(command: Json, user: User, channel: Channel) -> bool:
    contexts = command.get("contexts")
    in_guild = channel.guild is not None
    if contexts is not None and (0 if in_guild else 1) not in contexts:
        return False
    if contexts is None and not in_guild and command.get("dm_permission") is False:
        return False
    place = channel.parent or channel
    if command.get("nsfw") and in_guild and not place.is_nsfw:
        return False
    wanted = command.get("default_member_permissions")
    if wanted is None or not in_guild:
        return True
    granted = permissions.in_channel(user, channel)
    if granted == permissions.EVERYTHING:
        return True
    return int(wanted) != 0 and granted & int(wanted) == int(wanted)


def find_command(
    state: State, user: User, channel: Channel, path: str
) -> tuple[Json, list[Json], list[Json]]:
    """Return the command, the chain of subcommands under it, and the options at the end."""
    name, *rest = path.removeprefix("/").split()
    offered = visible_commands(state, user, channel)
    command = next((each for each in offered if each["name"] == name), None)
    if command is None or not permissions.may(user, channel, "use_application_commands"):
        raise ClientRefusedError(
            f"/{name} is not offered; there are {[c['name'] for c in offered]}"
        )
    chain: list[Json] = []
    options: list[Json] = command.get("options") or []
    for part in rest:
        step = next((o for o in options if o["name"] == part and o["type"] in (1, 2)), None)
        if step is None:
            raise ClientRefusedError(f"/{path}: there are {[each['name'] for each in options]}")
        chain.append(step)
        options = step.get("options") or []
    if any(each["type"] in (SUBCOMMAND, GROUP) for each in options):
        raise ClientRefusedError(f"/{path} needs one of {[each['name'] for each in options]}")
    return command, chain, options


def command_data(
    command: Json, chain: list[Json], options: list[Json], resolved: Resolved, guild_id: int | None
) -> Json:
    """Return an interaction's data for a slash command."""
    for step in reversed(chain):
        options = [{"name": step["name"], "type": step["type"], "options": options}]
    data: Json = {
        "id": command["id"],
        "name": command["name"],
        "type": command["type"],
        "options": options,
    }
    if guild_id is not None and command.get("guild_id"):
        data["guild_id"] = str(guild_id)
    return data | ({"resolved": resolved.data} if resolved.data else {})


def fill_options(specs: list[Json], values: dict[str, Any], resolved: Resolved) -> list[Json]:
    """Return the option values as the client sends them, or refuse what it would not let through."""
    by_name = {spec["name"]: spec for spec in specs}
    unknown = [name for name in values if name not in by_name]
    missing = [s["name"] for s in specs if s.get("required") and s["name"] not in values]
    if unknown or missing:
        raise ClientRefusedError(f"unknown options {unknown}, missing {missing}")
    return [
        {
            "name": name,
            "type": by_name[name]["type"],
            "value": _value(by_name[name], value, resolved),
        }
        for name, value in values.items()
    ]


def _value(spec: Json, value: Any, resolved: Resolved) -> Any:
    kind = spec["type"]
    if kind in (USER, CHANNEL, ROLE, MENTIONABLE, ATTACHMENT):
        return resolved.add(value)
    python: Any = {STRING: str, INTEGER: int, BOOLEAN: bool, NUMBER: (int, float)}[kind]
    if not isinstance(value, python) or (kind != BOOLEAN and isinstance(value, bool)):
        raise ClientRefusedError(f"{spec['name']}: {value!r} is of the wrong type")
    choices = spec.get("choices")
    if choices:
        by_name = {each["name"]: each["value"] for each in choices}
        value = by_name.get(value, value)
        if value not in by_name.values():
            raise ClientRefusedError(f"{spec['name']}: {value!r} is not one of {list(by_name)}")
    measure, low, high = value, spec.get("min_value"), spec.get("max_value")
    if kind == STRING:
        measure, low, high = len(value), spec.get("min_length"), spec.get("max_length", 6000)
    if (low is not None and measure < low) or (high is not None and measure > high):
        raise ClientRefusedError(f"{spec['name']}: {value!r} is not within {low} to {high}")
    return value


def focus(specs: list[Json], name: str, typed: str | float) -> Json:
    """Return the option that the person is typing in."""
    spec = next((each for each in specs if each["name"] == name), None)
    if spec is None or not spec.get("autocomplete"):
        raise ClientRefusedError(f"{name} completes nothing")
    return {"name": name, "type": spec["type"], "value": typed, "focused": True}


# -- components ------------------------------------------------------------------------


def find_button(message: Message, key: str) -> Json:
    """Return the enabled button with this label, emoji or custom id."""
    for button in message.buttons:
        emoji = (button.get("emoji") or {}).get("name")
        if key in (button.get("label"), button.get("custom_id"), emoji):
            if button.get("disabled") or button["style"] == LINK:
                raise ClientRefusedError(f"{key!r} cannot be pressed")
            return button
    raise ClientRefusedError(f"no button {key!r}; there are {message.labels}")


def find_select(message: Message, key: str | None) -> Json:
    """Return the select with this custom id or placeholder; the only one when `key` is None."""
    found = [
        each
        for each in message.selects
        if key is None or key in (each["custom_id"], each.get("placeholder"))
    ]
    if len(found) != 1 or found[0].get("disabled"):
        shown = [each.get("placeholder") or each["custom_id"] for each in message.selects]
        raise ClientRefusedError(f"select {key!r}; there are {shown}")
    return found[0]


def chosen(component: Json, values: list[Any], resolved: Resolved) -> list[str]:
    """Return the values of a select; those of a string select may be given by label."""
    low, high = value_range(component)
    if not low <= len(values) <= high and component.get("required", True):
        raise ClientRefusedError(f"{len(values)} values, {low} to {high} are allowed")
    if component["type"] not in (STRING_SELECT, RADIO, CHECKBOX_GROUP):
        return [resolved.add(each) for each in values]
    by_label = {each["label"]: each["value"] for each in component["options"]}
    picked = [by_label.get(each, each) for each in values]
    for each in picked:
        if each not in by_label.values():
            raise ClientRefusedError(f"{each!r} is not one of {list(by_label)}")
    return picked


# -- modals ------------------------------------------------------------------------------


def modal_data(modal: Modal, values: dict[str, Any], resolved: Resolved) -> Json:
    """Return the data of a submitted modal; fields not given keep what they are filled with."""
    used: set[str] = set()
    components: list[Json] = []
    for item in modal.components:
        if item["type"] == 1:
            filled = [
                _answer(each, each.get("label"), values, used, resolved)
                for each in item["components"]
            ]
            components.append({"type": 1, "id": item.get("id", 0), "components": filled})
        elif "component" in item:
            filled_one = _answer(item["component"], item["label"], values, used, resolved)
            components.append({"type": 18, "id": item.get("id", 0), "component": filled_one})
        else:
            components.append({"type": item["type"], "id": item.get("id", 0)})
    unknown = set(values) - used
    if unknown:
        raise ClientRefusedError(f"no fields {sorted(unknown)}; there are {modal.labels}")
    data: Json = {"custom_id": modal.custom_id, "components": components}
    return data | ({"resolved": resolved.data} if resolved.data else {})


def _answer(
    field: Json, label: str | None, values: dict[str, Any], used: set[str], resolved: Resolved
) -> Json:
    key = next((each for each in (field["custom_id"], label) if each in values), None)
    given = None
    if key is not None:
        used.add(key)
        given = values[key]
    answer: Json = {
        "type": field["type"],
        "id": field.get("id", 0),
        "custom_id": field["custom_id"],
    }
    return answer | _content(field, label or "", given, resolved)


def _content(field: Json, label: str, given: Any, resolved: Resolved) -> Json:
    kind = field["type"]
    if kind == TEXT_INPUT:
        return {"value": _typed(field, label, given)}
    if kind == CHECKBOX:
        return {"value": bool(field.get("default", False) if given is None else given)}
    if given is None:
        picked = [each["value"] for each in field.get("options", []) if each.get("default")]
    else:
        listed = given if isinstance(given, list) else [given]
        picked = chosen(field, listed, resolved)
    if field.get("required", True) and not picked:
        raise ClientRefusedError(f"{label!r} is required")
    if kind == RADIO:
        return {"value": picked[0] if picked else None}
    if kind not in (*SELECTS, FILE_UPLOAD, CHECKBOX_GROUP):
        raise ClientRefusedError(f"{label!r} is no input")
    return {"values": picked}


def _typed(field: Json, label: str, given: str | None) -> str:
    text = (field.get("value") or "") if given is None else given
    low, high = field.get("min_length") or 0, field.get("max_length") or 4000
    if field.get("required", True) and not text:
        raise ClientRefusedError(f"{label!r} is required")
    if text and not low <= len(text) <= high:
        raise ClientRefusedError(f"{label!r}: {len(text)} characters, {low} to {high} are allowed")
    return text
