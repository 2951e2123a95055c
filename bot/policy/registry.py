"""The settings that admins make, each declared once.

Invariant: commands, panels, storage, documentation and tests all read ``REGISTRY``;
nothing else knows a setting's name, kind, bounds, default or explanation. ``parse``
and ``format_value`` are inverse on every valid value.
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bot.errors import InvalidInputError
from bot.locales import N_

Value = bool | int | float | str | tuple[str, ...]

MAX_WORDS = 200
MAX_WORD_CHARS = 64


class Kind(StrEnum):
    """What a value is."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    CHOICE = "choice"
    TEXT = "text"
    LIST = "list"


class Scope(StrEnum):
    """Where a value can be set."""

    GUILD = "guild"
    CHANNEL = "channel"


class Group(StrEnum):
    """Under which heading a panel shows it."""

    CHANNEL = "channel"
    WRITING = "writing"
    SAMPLING = "sampling"
    SCREENING = "screening"
    LIMITS = "limits"


GROUP_TITLES: Mapping[Group, str] = MappingProxyType(
    {
        Group.CHANNEL: N_("Channel"),
        Group.WRITING: N_("Writing"),
        Group.SAMPLING: N_("Sampling"),
        Group.SCREENING: N_("Words that are not allowed"),
        Group.LIMITS: N_("Limits"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: as typed and stored.
        kind: decides how it is parsed and shown.
        default: holds where nobody set it.
        explanation: one sentence, a msgid.
        group: for panels.
        low: least number, least length of a text.
        high: greatest number, greatest length of a text, most items of a list.
        choices: of a CHOICE.
        scopes: where it can be set.
    """

    name: str
    kind: Kind
    default: Value
    explanation: str
    group: Group
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    scopes: frozenset[Scope] = frozenset(Scope)


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


def _declare(*settings: Setting) -> Mapping[str, Setting]:
    return MappingProxyType({setting.name: setting for setting in settings})


def _switch(name: str, group: Group, explanation: str, *, default: bool) -> Setting:
    return Setting(name=name, kind=Kind.BOOL, default=default, explanation=explanation, group=group)


def _whole(
    name: str, group: Group, explanation: str, *, default: int, low: int, high: int
) -> Setting:
    return Setting(
        name=name,
        kind=Kind.INT,
        default=default,
        explanation=explanation,
        group=group,
        low=low,
        high=high,
    )


def _number(
    name: str, group: Group, explanation: str, *, default: float, low: float, high: float
) -> Setting:
    return Setting(
        name=name,
        kind=Kind.FLOAT,
        default=default,
        explanation=explanation,
        group=group,
        low=low,
        high=high,
    )


REGISTRY: Mapping[str, Setting] = _declare(
    _switch("enabled", Group.CHANNEL, N_("Stories can be written here."), default=True),
    _switch(
        "reply_turns",
        Group.CHANNEL,
        N_("A reply to a passage is added to the story and answered."),
        default=True,
    ),
    _switch(
        "mention_turns",
        Group.CHANNEL,
        N_("A message that mentions the bot is added to the story and answered."),
        default=True,
    ),
    _switch(
        "listen_to_all",
        Group.CHANNEL,
        N_(
            "Every message in the channel is added to the story. Needs the message content intent,"
            " which the operator switches on."
        ),
        default=False,
    ),
    _switch(
        "streaming",
        Group.WRITING,
        N_("Passages are shown while they are being written."),
        default=True,
    ),
    _switch(
        "concept_card",
        Group.WRITING,
        N_("A new story begins with a card of its title, cast and plot that can be edited."),
        default=True,
    ),
    Setting(
        name="passage_length",
        kind=Kind.CHOICE,
        default="medium",
        choices=("short", "medium", "long"),
        explanation=N_("How much the model writes at once: about 50, 100 or 200 words."),
        group=Group.WRITING,
    ),
    _whole(
        "max_passage_tokens",
        Group.WRITING,
        N_("No passage of the model is longer than this, in tokens."),
        default=400,
        low=16,
        high=1024,
    ),
    _whole(
        "context_tokens",
        Group.WRITING,
        N_("How much of the story the model reads before it writes, in tokens."),
        default=1024,
        low=128,
        high=32768,
    ),
    _number(
        "temperature",
        Group.SAMPLING,
        N_("How daring the model is: 0 always takes the likeliest word."),
        default=0.8,
        low=0.0,
        high=2.0,
    ),
    _whole(
        "top_k",
        Group.SAMPLING,
        N_("The model chooses among so many of the likeliest tokens; 0 is all."),
        default=50,
        low=0,
        high=1000,
    ),
    _number(
        "top_p",
        Group.SAMPLING,
        N_("The model chooses among the likeliest tokens that make up this share; 1 is all."),
        default=0.95,
        low=0.05,
        high=1.0,
    ),
    _number(
        "min_p",
        Group.SAMPLING,
        N_("Tokens less likely than this share of the likeliest one are left out; 0 is off."),
        default=0.0,
        low=0.0,
        high=1.0,
    ),
    _number(
        "repetition_penalty",
        Group.SAMPLING,
        N_("How strongly the model avoids words it has just used; 1 is off."),
        default=1.1,
        low=1.0,
        high=2.0,
    ),
    _whole(
        "repetition_window",
        Group.SAMPLING,
        N_("For how many tokens a word counts as just used."),
        default=128,
        low=0,
        high=1024,
    ),
    _whole(
        "no_repeat_ngram",
        Group.SAMPLING,
        N_("No sequence of so many tokens comes twice in a passage; 0 is off."),
        default=0,
        low=0,
        high=16,
    ),
    _switch("screen_input", Group.SCREENING, N_("What members write is screened."), default=True),
    _switch(
        "screen_output", Group.SCREENING, N_("What the model writes is screened."), default=True
    ),
    Setting(
        name="word_list",
        kind=Kind.LIST,
        default=(),
        explanation=N_(
            "Words that are not allowed, besides the built-in ones, separated by commas; a * at the end"
            " takes every ending."
        ),
        group=Group.SCREENING,
        high=MAX_WORDS,
    ),
    _whole(
        "input_limit",
        Group.LIMITS,
        N_("How many characters a member can add at once."),
        default=4000,
        low=50,
        high=20000,
    ),
    _number(
        "cooldown_s",
        Group.LIMITS,
        N_("How many seconds a member waits between two passages of the model in one channel."),
        default=0.0,
        low=0.0,
        high=3600.0,
    ),
    _whole(
        "max_waiting",
        Group.LIMITS,
        N_("How many turns can wait in a channel while the model writes."),
        default=20,
        low=1,
        high=200,
    ),
)

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
    for entry in entries:
        if len(entry) > MAX_WORD_CHARS or not _ENTRY.match(entry):
            raise BadWordError(name=setting.name, given=_shown(entry), high=MAX_WORD_CHARS)
    return tuple(entries)


def _shown(given: str) -> str:
    return given if len(given) <= MAX_WORD_CHARS else given[: MAX_WORD_CHARS - 1] + "…"
