"""Read and write the values of settings.

Invariant: ``parse`` and ``format_value`` are inverse on every valid value; whatever is
typed, ``parse`` returns a valid value or raises an ``InvalidInputError`` that says what
would be right.
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import difflib
import math
import re

from bot.errors import InvalidInputError
from bot.locales import N_
from bot.policy.registry import MAX_WORD_CHARS, MAX_WORDS, REGISTRY, Kind, Scope, Setting, Value


class UnknownSettingError(InvalidInputError):
    """There is no setting of that name."""

    code = "input.setting"
    message = N_("There is no setting {given}. Did you mean {near}?")


class NotABoolError(InvalidInputError):
    """A switch was given something else."""

    code = "input.setting.bool"
    message = N_("{name} is a switch: give on or off, not {given}.")


class NotANumberError(InvalidInputError):
    """A number was given something else."""

    code = "input.setting.number"
    message = N_("{name} is a number from {low} to {high}; {given} is none.")


class NotWholeError(InvalidInputError):
    """A whole number was given a fraction."""

    code = "input.setting.whole"
    message = N_("{name} is a whole number from {low} to {high}; {given} is not.")


class OutOfBoundsError(InvalidInputError):
    """A number lies outside its bounds."""

    code = "input.setting.bounds"
    message = N_("{name} goes from {low} to {high}; {given} is outside.")


class NotAChoiceError(InvalidInputError):
    """A choice was given something else."""

    code = "input.setting.choice"
    message = N_("{name} is one of {choices}, not {given}.")


class BadLengthError(InvalidInputError):
    """A text is too short or too long."""

    code = "input.setting.length"
    message = N_("{name} takes {low} to {high} characters, not {given}.")


class TooManyItemsError(InvalidInputError):
    """A list has too many items."""

    code = "input.setting.items"
    message = N_("{name} takes {high} entries at most, not {given}.")


class BadItemsError(InvalidInputError):
    """A list was given something that it cannot hold, or nothing."""

    code = "input.setting.choices"
    message = N_("{name} takes some of {choices}, separated by commas, not {given}.")


class BadWordError(InvalidInputError):
    """An entry of a word list cannot be looked for."""

    code = "input.setting.word"
    message = N_(
        "“{given}” cannot be an entry of {name}: write words of up to {high} characters, with * only at the end."
    )


class WrongScopeError(InvalidInputError):
    """A setting cannot be set there."""

    code = "input.setting.scope"
    message = N_("{name} can be set for {scopes} only.")


_ON = frozenset({"on", "true", "yes", "1", "enabled", "enable"})
_OFF = frozenset({"off", "false", "no", "0", "disabled", "disable"})
_ENTRY = re.compile(r"[^\W_][\w\s'’·.-]*\*?\Z")


def find_setting(name: str) -> Setting:
    """Return a setting by name, hyphens and capitals forgiven.

    Raises:
        UnknownSettingError: there is none; it names the nearest.
    """
    key = name.strip().casefold().replace("-", "_").replace(" ", "_")
    setting = REGISTRY.get(key)
    if setting is None:
        near = difflib.get_close_matches(key, REGISTRY, n=1, cutoff=0.0)
        raise UnknownSettingError(given=name.strip()[:64], near=near[0])
    return setting


def parse(name: str, raw: str) -> Value:
    """Read a value as somebody typed it or as it is stored.

    Raises:
        InvalidInputError: no such setting, or not such a value; the subclass says which bounds
            or choices it has.
    """
    setting = find_setting(name)
    given = raw.strip()
    match setting.kind:
        case Kind.BOOL:
            return _parse_bool(setting, given)
        case Kind.INT | Kind.FLOAT:
            return _parse_number(setting, given)
        case Kind.CHOICE:
            return _parse_choice(setting, given)
        case Kind.TEXT:
            return _parse_text(setting, given)
        case Kind.LIST:
            return _parse_list(setting, given)


def format_value(value: Value) -> str:
    """Write a value as it is stored and shown; ``parse`` reads it back."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def check_scope(name: str, scope: Scope) -> Setting:
    """Return the setting where it can be set in that scope.

    Raises:
        UnknownSettingError: there is none of that name.
        WrongScopeError: it cannot be set there.
    """
    setting = find_setting(name)
    if scope not in setting.scopes:
        raise WrongScopeError(name=setting.name, scopes=", ".join(sorted(setting.scopes)))
    return setting


def _parse_bool(setting: Setting, given: str) -> bool:
    folded = given.casefold()
    if folded in _ON or folded in _OFF:
        return folded in _ON
    raise NotABoolError(name=setting.name, given=_shown(given))


def _parse_number(setting: Setting, given: str) -> int | float:
    low, high = setting.low or 0, setting.high if setting.high is not None else math.inf
    data = {"name": setting.name, "low": f"{low:g}", "high": f"{high:g}", "given": _shown(given)}
    try:
        # Half of the world writes 0,8.
        number = float(given.replace(",", ".") if given.count(",") == 1 else given)
    except ValueError:
        raise NotANumberError(**data) from None
    if math.isnan(number):
        raise NotANumberError(**data)
    if not low <= number <= high:
        raise OutOfBoundsError(**data)
    if setting.kind is Kind.FLOAT:
        return number
    if number != int(number):
        raise NotWholeError(**data)
    return int(number)


def _parse_choice(setting: Setting, given: str) -> str:
    folded = given.casefold()
    if folded not in setting.choices:
        raise NotAChoiceError(
            name=setting.name, choices=", ".join(setting.choices), given=_shown(given)
        )
    return folded


def _parse_text(setting: Setting, given: str) -> str:
    low, high = int(setting.low or 0), int(setting.high or MAX_WORD_CHARS)
    if not low <= len(given) <= high:
        raise BadLengthError(name=setting.name, low=low, high=high, given=len(given))
    return given


def _parse_list(setting: Setting, given: str) -> tuple[str, ...]:
    entries = dict.fromkeys(
        " ".join(entry.split()) for entry in re.split(r"[,;\n、，]", given) if entry.strip()
    )
    high = int(setting.high or MAX_WORDS)
    if len(entries) > high:
        raise TooManyItemsError(name=setting.name, high=high, given=len(entries))
    if setting.choices:
        folded = tuple(dict.fromkeys(entry.casefold() for entry in entries))
        wrong = next((entry for entry in folded if entry not in setting.choices), None)
        if wrong is not None or len(folded) < (setting.low or 0):
            raise BadItemsError(
                name=setting.name,
                choices=", ".join(setting.choices),
                given=_shown(wrong or "–"),
            )
        return folded
    for entry in entries:
        if len(entry) > MAX_WORD_CHARS or not _ENTRY.match(entry):
            raise BadWordError(name=setting.name, given=_shown(entry), high=MAX_WORD_CHARS)
    return tuple(entries)


def _shown(given: str) -> str:
    return given if len(given) <= MAX_WORD_CHARS else given[: MAX_WORD_CHARS - 1] + "…"
