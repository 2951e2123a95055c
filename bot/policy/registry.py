"""The settings that admins make, each declared once.

Invariant: commands, panels, storage, documentation and tests all read ``REGISTRY``;
nothing else knows a setting's name, kind, bounds, default or explanation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bot.locales import N_
from bot.story.formats import FORMATS

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
        low: least number, least length of a text, fewest items of a list.
        high: greatest number, greatest length of a text, most items of a list.
        choices: of a CHOICE; all that a LIST may hold, any words where there are none.
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
        name="formats",
        kind=Kind.LIST,
        default=FORMATS,
        choices=FORMATS,
        low=1,
        explanation=N_(
            "Formats that members can start stories in, separated by commas; the first one where they name none."
        ),
        group=Group.WRITING,
    ),
    Setting(
        name="genres",
        kind=Kind.LIST,
        default=(),
        high=MAX_WORDS,
        explanation=N_(
            "Genres that members can start stories in, separated by commas; all where there are none."
        ),
        group=Group.WRITING,
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
        default=0.95,
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
        default=1.0,
        low=0.05,
        high=1.0,
    ),
    _number(
        "min_p",
        Group.SAMPLING,
        N_("Tokens less likely than this share of the likeliest one are left out; 0 is off."),
        default=0.08,
        low=0.0,
        high=1.0,
    ),
    _number(
        "repetition_penalty",
        Group.SAMPLING,
        N_("How strongly the model avoids words it has just used; 1 is off."),
        default=1.05,
        low=1.0,
        high=2.0,
    ),
    _whole(
        "repetition_window",
        Group.SAMPLING,
        N_("For how many tokens a word counts as just used."),
        default=64,
        low=0,
        high=1024,
    ),
    _whole(
        "no_repeat_ngram",
        Group.SAMPLING,
        N_("No sequence of so many tokens comes twice in a passage; 0 is off."),
        default=6,
        low=0,
        high=16,
    ),
    _whole(
        "candidates",
        Group.SAMPLING,
        N_(
            "So many versions of a passage are written at once, and the one that follows best from the story is kept. "
            "With more than one, nothing is shown before it is chosen."
        ),
        default=1,
        low=1,
        high=8,
    ),
    _number(
        "presence_penalty",
        Group.SAMPLING,
        N_("How strongly the model avoids nouns, verbs and the like that the story has just used."),
        default=0.3,
        low=0.0,
        high=2.0,
    ),
    _number(
        "frequency_penalty",
        Group.SAMPLING,
        N_("The same, for each time that the word was used: against a story that dwells on one."),
        default=0.15,
        low=0.0,
        high=2.0,
    ),
    _number(
        "dry_multiplier",
        Group.SAMPLING,
        N_(
            "How strongly the model avoids going on with a phrase that the story has had; 0 is off."
        ),
        default=0.4,
        low=0.0,
        high=5.0,
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
