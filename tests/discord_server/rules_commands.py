"""The limits of application commands."""

import re
from typing import Any

from .problems import BAD_CHOICE, Problems
from .world import Json

NAME = re.compile(r"^[-_'\w\u0900-\u097f\u0e00-\u0e7f]{1,32}$")
LOCALES = frozenset(
    [
        "id",
        "da",
        "de",
        "en-GB",
        "en-US",
        "es-ES",
        "es-419",
        "fr",
        "hr",
        "it",
        "lt",
        "hu",
        "nl",
        "no",
        "pl",
        "pt-BR",
        "ro",
        "fi",
        "sv-SE",
        "vi",
        "tr",
        "cs",
        "el",
        "bg",
        "ru",
        "uk",
        "hi",
        "th",
        "zh-CN",
        "ja",
        "zh-TW",
        "ko",
    ]
)
CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
MOST = {CHAT_INPUT: 100, USER_MENU: 15, MESSAGE_MENU: 15}
SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, NUMBER = 3, 4, 10
MAX_COMMAND_CHARACTERS = 8000


def check_commands(commands: list[Json]) -> Problems:
    """Check a whole set of commands as a bulk overwrite gives it."""
    problems = Problems()
    names = [(each.get("type", CHAT_INPUT), each.get("name")) for each in commands]
    for kind, most in MOST.items():
        if sum(each[0] == kind for each in names) > most:
            problems.add("APPLICATION_COMMANDS_MAX", f"over {most} commands of type {kind}")
    if len(names) != len(set(names)):
        problems.add("APPLICATION_COMMANDS_DUPLICATE_NAME", "two commands with one name")
    for index, command in enumerate(commands):
        _check_command(command, problems.at(index))
    return problems


def _check_command(command: Json, here: Problems) -> None:
    if command.get("type", CHAT_INPUT) != CHAT_INPUT:
        here.at("name").check_length(command.get("name"), 1, 32)
        if command.get("description") or command.get("options"):
            here.add("APPLICATION_COMMAND_CONTEXT_MENU", "has neither description nor options")
        _check_localised(command, "name", here, 32)
        return
    _check_names(command, here)
    _check_options(command.get("options") or [], here.at("options"), depth=0)
    if weight(command) > MAX_COMMAND_CHARACTERS:
        here.add("APPLICATION_COMMAND_TOO_LARGE", f"{weight(command)} characters")


def weight(command: Json) -> int:
    """Return the characters that count towards the limit of 8000 a command."""
    total = sum(_longest(command, key) for key in ("name", "description"))
    for option in command.get("options") or []:
        total += weight(option)
    for choice in command.get("choices") or []:
        total += _longest(choice, "name") + len(str(choice.get("value", "")))
    return total


def _longest(holder: Json, key: str) -> int:
    translated = (holder.get(f"{key}_localizations") or {}).values()
    return max(map(len, (holder.get(key) or "", *translated)))


def _check_names(holder: Json, here: Problems) -> None:
    _check_name(holder.get("name"), here.at("name"))
    for locale, name in (holder.get("name_localizations") or {}).items():
        _check_name(name, here.at("name_localizations", locale))
    here.at("description").check_length(holder.get("description"), 1, 100)
    _check_localised(holder, "name", here, 32)
    _check_localised(holder, "description", here, 100)


def _check_name(name: Any, here: Problems) -> None:
    if not isinstance(name, str) or not NAME.match(name) or name != name.lower():
        here.add("APPLICATION_COMMAND_INVALID_NAME", f"{name!r} is no command name")


def _check_localised(holder: Json, key: str, here: Problems, most: int) -> None:
    for locale, text in (holder.get(f"{key}_localizations") or {}).items():
        spot = here.at(f"{key}_localizations", locale)
        if locale not in LOCALES:
            spot.add(BAD_CHOICE, "no locale of Discord")
        spot.check_length(text, 1, most)


def _check_options(options: list[Json], here: Problems, depth: int) -> None:
    here.check_count(options, 0, 25)
    names = [option.get("name") for option in options]
    if len(names) != len(set(names)):
        here.add("APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATE", "two options with one name")
    kinds = {option.get("type") in (SUBCOMMAND, GROUP) for option in options}
    if len(kinds) > 1:
        here.add("APPLICATION_COMMAND_OPTIONS_TYPE_MIXED", "subcommands beside values")
    seen_optional = False
    for index, option in enumerate(options):
        spot = here.at(index)
        _check_names(option, spot)
        if option.get("type") in (SUBCOMMAND, GROUP):
            _check_nested(option, spot, depth)
            continue
        if option.get("required") and seen_optional:
            spot.add("APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "required after optional")
        seen_optional = seen_optional or not option.get("required")
        _check_value_option(option, spot)


def _check_nested(option: Json, here: Problems, depth: int) -> None:
    is_group = option["type"] == GROUP
    if depth > 1 or (is_group and depth > 0):
        here.at("type").add(BAD_CHOICE, "nested too deep")
    children = option.get("options") or []
    if is_group and not children:
        here.at("options").check_count(children, 1, 25)
    _check_options(children, here.at("options"), depth + 1)


def _check_value_option(option: Json, here: Problems) -> None:
    if option.get("type") not in range(3, 12):
        here.at("type").add(BAD_CHOICE, f"type {option.get('type')}")
    choices = option.get("choices") or []
    here.at("choices").check_count(choices, 0, 25)
    if choices and option.get("autocomplete"):
        here.at("choices").add("APPLICATION_COMMAND_OPTIONS_CHOICES", "with autocomplete")
    check_choices(choices, option["type"], here.at("choices"))


def check_choices(choices: list[Json], kind: int, here: Problems) -> None:
    """Check the choices of an option, or those of an autocomplete answer."""
    here.check_count(choices, 0, 25)
    names = [choice.get("name") for choice in choices]
    if len(names) != len(set(names)):
        here.add("APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATE", "two choices with one name")
    for index, choice in enumerate(choices):
        here.at(index, "name").check_length(choice.get("name"), 1, 100)
        value = choice.get("value")
        if kind == STRING:
            here.at(index, "value").check_length(value, 0, 100)
        elif kind in (INTEGER, NUMBER) and not isinstance(value, (int, float)):
            here.at(index, "value").add(BAD_CHOICE, "must be a number")
