"""The settings that hold in one place, and where each of them comes from.

Invariant: a value comes from the channel, else from the parent channel (of a thread or
forum post), else from the guild, else it is the default; a stored value that cannot be
read any more counts as not set and is listed in ``ignored``. The declarations stand in
``bot.policy.registry`` and are offered here too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypedDict, cast

from bot.errors import InvalidInputError
from bot.policy.parsing import check_scope, find_setting, format_value, parse
from bot.policy.registry import GROUP_TITLES, REGISTRY, Group, Kind, Scope, Setting, Value

__all__ = [
    "GROUP_TITLES",
    "LENGTHS",
    "REGISTRY",
    "Effective",
    "Group",
    "Kind",
    "PassageBounds",
    "SamplingValues",
    "Scope",
    "Setting",
    "Settings",
    "Source",
    "Value",
    "check_scope",
    "find_setting",
    "format_value",
    "parse",
    "passage_bounds",
    "resolve",
]


class Source(StrEnum):
    """Where an effective value comes from."""

    DEFAULT = "default"
    GUILD = "guild"
    PARENT = "parent"  # the channel that a thread or forum post belongs to
    CHANNEL = "channel"


class SamplingValues(TypedDict):
    """The keywords of the engine's ``SamplingParams``."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    repetition_window: int
    no_repeat_ngram: int
    presence_penalty: float
    frequency_penalty: float
    dry_multiplier: float


@dataclass(frozen=True, slots=True)
class PassageBounds:
    """What a passage length means: words for people, characters for the monitor."""

    words: int
    min_chars: int
    target_chars: int
    max_chars: int


# An English word takes 5.6 characters with its space; every length fits one Discord message.
LENGTHS: Mapping[str, PassageBounds] = MappingProxyType(
    {
        "short": PassageBounds(50, 120, 280, 480),
        "medium": PassageBounds(100, 240, 560, 900),
        "long": PassageBounds(200, 480, 1100, 1700),
    }
)


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting as it holds in one place: its value and where that comes from."""

    setting: Setting
    value: Value
    source: Source


def passage_bounds(length: str) -> PassageBounds:
    """Return what a passage length means.

    Raises:
        InvalidInputError: it is none of ``LENGTHS``.
    """
    return LENGTHS[cast("str", parse("passage_length", length))]


class Settings:
    """The effective settings of one place. Immutable.

    Args:
        values: for every name of the registry its value and source.
        ignored: names of stored values that are unknown or unreadable.
    """

    __slots__ = ("_values", "ignored")

    def __init__(
        self, values: Mapping[str, tuple[Value, Source]], ignored: tuple[str, ...] = ()
    ) -> None:
        self._values = dict(values)
        self.ignored = ignored

    def __getitem__(self, name: str) -> Value:
        return self._values[name][0]

    def source(self, name: str) -> Source:
        """Return where a value comes from."""
        return self._values[name][1]

    def rows(self) -> list[Effective]:
        """Return all settings in the registry's order, with value and source."""
        return [Effective(REGISTRY[name], *self._values[name]) for name in REGISTRY]

    def sampling(self) -> SamplingValues:
        """Return the keywords for the engine's ``SamplingParams``."""
        return SamplingValues(
            temperature=self._float("temperature"),
            top_k=self._int("top_k"),
            top_p=self._float("top_p"),
            min_p=self._float("min_p"),
            repetition_penalty=self._float("repetition_penalty"),
            repetition_window=self._int("repetition_window"),
            no_repeat_ngram=self._int("no_repeat_ngram"),
            presence_penalty=self._float("presence_penalty"),
            frequency_penalty=self._float("frequency_penalty"),
            dry_multiplier=self._float("dry_multiplier"),
        )

    def bounds(self, length: str = "") -> PassageBounds:
        """Return what a passage's length means here; "" is the channel's own length.

        Raises:
            InvalidInputError: there is no such length.
        """
        return passage_bounds(length or self.passage_length)

    @property
    def is_enabled(self) -> bool:
        """Whether stories can be written here."""
        return self._bool("enabled")

    @property
    def takes_replies(self) -> bool:
        """Whether a reply to a passage is a turn."""
        return self._bool("reply_turns")

    @property
    def takes_mentions(self) -> bool:
        """Whether a mention of the bot is a turn."""
        return self._bool("mention_turns")

    @property
    def listens_to_all(self) -> bool:
        """Whether every message is a turn."""
        return self._bool("listen_to_all")

    @property
    def streams(self) -> bool:
        """Whether passages are shown while they grow."""
        return self._bool("streaming")

    @property
    def candidates(self) -> int:
        """How many versions of a passage are written, of which one is kept."""
        return self._int("candidates")

    @property
    def shows_concept_card(self) -> bool:
        """Whether a new story begins with its card."""
        return self._bool("concept_card")

    @property
    def formats(self) -> tuple[str, ...]:
        """Formats that stories can be started in; the first one where none is named."""
        return cast("tuple[str, ...]", self["formats"])

    @property
    def genres(self) -> tuple[str, ...]:
        """Genres that stories can be started in; all where it is empty."""
        return cast("tuple[str, ...]", self["genres"])

    @property
    def screens_input(self) -> bool:
        """Whether members' words are screened."""
        return self._bool("screen_input")

    @property
    def screens_output(self) -> bool:
        """Whether the model's words are screened."""
        return self._bool("screen_output")

    @property
    def word_list(self) -> tuple[str, ...]:
        """Words that are not allowed besides the built-in ones."""
        return cast("tuple[str, ...]", self["word_list"])

    @property
    def passage_length(self) -> str:
        """One of ``LENGTHS``."""
        return cast("str", self["passage_length"])

    @property
    def max_passage_tokens(self) -> int:
        """Most tokens of a passage."""
        return self._int("max_passage_tokens")

    @property
    def context_tokens(self) -> int:
        """Budget of the context in tokens."""
        return self._int("context_tokens")

    @property
    def input_limit(self) -> int:
        """Most characters of a member's turn."""
        return self._int("input_limit")

    @property
    def cooldown_s(self) -> float:
        """Seconds between two passages for one member in one channel."""
        return self._float("cooldown_s")

    @property
    def max_waiting(self) -> int:
        """Most turns that wait in a channel."""
        return self._int("max_waiting")

    def _bool(self, name: str) -> bool:
        return cast("bool", self[name])

    def _int(self, name: str) -> int:
        return cast("int", self[name])

    def _float(self, name: str) -> float:
        return cast("float", self[name])


def resolve(
    guild_values: Mapping[str, str] | None = None,
    channel_values: Mapping[str, str] | None = None,
    parent_values: Mapping[str, str] | None = None,
) -> Settings:
    """Work out what holds in one place from what is stored.

    Args:
        guild_values: the guild's, as ``format_value`` wrote them.
        channel_values: the channel's or thread's own.
        parent_values: of the channel that a thread or forum post belongs to.
    """
    layers = (
        (Source.GUILD, Scope.GUILD, guild_values or {}),
        (Source.PARENT, Scope.CHANNEL, parent_values or {}),
        (Source.CHANNEL, Scope.CHANNEL, channel_values or {}),
    )
    values = {name: (setting.default, Source.DEFAULT) for name, setting in REGISTRY.items()}
    ignored: dict[str, None] = {}
    for source, scope, stored in layers:
        for name, raw in stored.items():
            try:
                check_scope(name, scope)
                values[find_setting(name).name] = (parse(name, raw), source)
            except InvalidInputError:
                ignored.setdefault(name)
    return Settings(values, tuple(ignored))
