"""What goes into the engine and what comes out of it.

Invariant: everything here is immutable and free of torch, so that it can be
compared, stored and sent to another process. A request determines its text:
for one model, build, precision and processor the same request gives the same
chunks, whoever else shares the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class FinishReason(StrEnum):
    """Why a generation ended."""

    END_OF_TEXT = "end_of_text"  # the model itself ended (one of its end-of-text ids)
    STOP_STRING = "stop_string"  # a stop string appeared; it is not part of the text
    MONITOR = "monitor"  # the monitor was satisfied (a whole passage)
    LENGTH = "length"  # max_tokens were written
    CANCELLED = "cancelled"  # the caller gave up
    DEADLINE = "deadline"  # the deadline passed
    GAVE_UP = "gave_up"  # the monitor rewound too often; the text so far is whole


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How the next token is drawn.

    Attributes:
        temperature: 0 is greedy; otherwise logits are divided by it (0 < t <= 2).
        top_k: keep the k likeliest tokens; 0 keeps all.
        top_p: nucleus sampling, Holtzman et al. 2020 (0 < p <= 1; 1 is off).
        min_p: drop tokens below this share of the likeliest one (0 is off).
        repetition_penalty: divides (multiplies, if negative) the logits of recently
            generated tokens, Keskar et al. 2019 (1 is off).
        repetition_window: how many of the last generated tokens count, 0 to 1024.
        no_repeat_ngram: forbid n-grams of this size to come twice within the
            generated text (0 is off).
        presence_penalty: taken from the logits of content words (no function words, no
            ``exempt`` ones) among the last 256 tokens of prompt and text (0 is off).
        frequency_penalty: the same, for each time the word stands there (0 is off).
        dry_multiplier: what a token costs that would prolong a repetition of two tokens of
            prompt or text; 1.75 times as much for each further one ("Don't Repeat
            Yourself", p-e-w 2024; 0 is off).
    """

    temperature: float = 0.95
    top_k: int = 50
    top_p: float = 1.0
    min_p: float = 0.08
    repetition_penalty: float = 1.05
    repetition_window: int = 64
    no_repeat_ngram: int = 6
    presence_penalty: float = 0.3
    frequency_penalty: float = 0.15
    dry_multiplier: float = 0.4

    def __post_init__(self) -> None:
        bounds = {
            "temperature": (self.temperature, 0.0, 2.0),
            "top_k": (self.top_k, 0, 1000),
            "top_p": (self.top_p, 1e-6, 1.0),
            "min_p": (self.min_p, 0.0, 1.0),
            "repetition_penalty": (self.repetition_penalty, 1.0, 2.0),
            "repetition_window": (self.repetition_window, 0, 1024),
            "no_repeat_ngram": (self.no_repeat_ngram, 0, 16),
            "presence_penalty": (self.presence_penalty, 0.0, 2.0),
            "frequency_penalty": (self.frequency_penalty, 0.0, 2.0),
            "dry_multiplier": (self.dry_multiplier, 0.0, 5.0),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:  # NaN fails here too
                msg = f"{name} must be between {low} and {high}, not {value}"
                raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A piece of the prompt, as text and, where the model wrote it, as its ids.

    The local engine joins ids where ``tokenizer_hash`` is its own and encodes the
    text otherwise; a remote one joins the texts. ``role`` is None for raw text;
    where parts have roles ("system", "user", "assistant") the model's chat template
    joins them, and a last assistant part is continued, not closed.

    A part with ``tags`` is control tags and nothing else: the only way to them, for text
    that spells one is text. Those that the model does not have are left out.
    """

    text: str
    token_ids: tuple[int, ...] | None = None
    tokenizer_hash: str | None = None
    role: str | None = None
    tags: tuple[str, ...] = ()


class Action(StrEnum):
    """What a monitor asks for."""

    GO_ON = "go_on"
    STOP = "stop"  # keep the first ``keep_chars`` characters, and end
    REWIND = "rewind"  # keep the first ``keep_chars`` characters, and sample anew from there


@dataclass(frozen=True, slots=True)
class Verdict:
    """A monitor's answer; ``keep_chars`` counts from the start of the generated text."""

    action: Action = Action.GO_ON
    keep_chars: int = 0


GO_ON = Verdict()


class Monitor(Protocol):
    """Watches a text grow and says when it is whole or must be resampled.

    Called in the engine's thread after each token that completes some text, so it
    must be quick (well under a millisecond), pure in its arguments and thread-safe.
    """

    def check(self, text: str, tokens: int, *, at_end: bool) -> Verdict:
        """Judge the generated ``text`` (all of it so far).

        Args:
            text: everything generated, held-back characters excluded.
            tokens: how many tokens were generated.
            at_end: the generation ends here anyhow (length, end of text, stop
                string); STOP then says how much to keep, GO_ON keeps all.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One text to write.

    Attributes:
        prompt: parts, in order.
        sampling: how tokens are drawn.
        seed: 0 <= seed < 2**63; the same request gives the same text.
        max_tokens: new tokens at most; prompt and these must fit the window.
        min_tokens: before these, the end-of-text ids are not drawn.
        stop: strings that end the text and are cut from it.
        monitor: watches the text; None lets it run.
        max_rewinds: how often the monitor may rewind before GAVE_UP.
        exempt: words (cast names) that the repetition control never touches.
        function_words: words of grammar, which every text needs again and again: the
            presence and frequency penalties leave them alone.
        owner: who is served fairly against others (a channel), for the queue.
        group: what the owner belongs to (a guild): groups are served fairly against each
            other, in a group its owners; None: the owner is its own group.
        cache_key: requests with the same key share a prefix (a story); None: no reuse.
        timeout_s: from submission; None waits without limit.
    """

    prompt: Sequence[PromptPart]
    sampling: SamplingParams = field(default_factory=SamplingParams)
    seed: int = 0
    max_tokens: int = 128
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    monitor: Monitor | None = None
    max_rewinds: int = 6
    exempt: frozenset[str] = frozenset()
    function_words: frozenset[str] = frozenset()
    owner: str = ""
    group: str | None = None
    cache_key: str | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """A text whose likelihood is asked for.

    Attributes:
        prompt: what stands before it.
        text: the text, at least one token.
        owner: as for a ``GenerationRequest``; so are ``group``, ``cache_key`` and ``timeout_s``.
    """

    prompt: Sequence[PromptPart]
    text: str
    owner: str = ""
    group: str | None = None
    cache_key: str | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How likely a model finds a text.

    Attributes:
        log_likelihood: of the whole text after its prompt, in nats.
        tokens: how many that are.
    """

    log_likelihood: float
    tokens: int

    @property
    def mean(self) -> float:
        """Nats a token."""
        return self.log_likelihood / self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a finished generation took."""

    prompt_tokens: int
    cached_tokens: int  # of the prompt, taken from the cache
    completion_tokens: int  # kept ones
    sampled_tokens: int  # with those that were rewound
    rewinds: int
    queued_s: float
    prefill_s: float
    decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A change of the text under way.

    The last chunk has ``finish`` and ``usage`` set, and ``token_ids`` holds the
    ids of the whole kept text (empty where the engine does not know ids).
    A chunk with ``queue_place`` set (1 is next) comes before any text. ``tokens`` are those that
    the text has after the change; 0 where the engine does not tell.
    """

    text: str = ""
    retract: int = 0
    tokens: int = 0
    queue_place: int | None = None
    finish: FinishReason | None = None
    usage: Usage | None = None
    token_ids: tuple[int, ...] = ()

    def change(self, text: str) -> str:
        """Return a text under way as it is after this change."""
        return text[: len(text) - self.retract] + self.text


class PromptStyle(StrEnum):
    """How a story is put to a model."""

    COMPLETION = "completion"  # raw text that goes on
    PREFILL = "prefill"  # the beginning of a chat model's own answer, which it goes on with
    CHAT = "chat"  # a conversation, passage by passage


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What the rest must know of the model that writes.

    Attributes:
        name: hub id or folder name, for people.
        revision: commit or content hash.
        window_tokens: prompt and reply together.
        tokenizer_hash: marks stored ids as this tokenizer's; "" where unknown.
        style: how stories are put to it.
        precision: fp32, bf16, int8 or remote.
        engine_version: for a passage's record.
        parameters: number of weights, 0 where unknown.
        tags: control tags that it was trained with, by name.
    """

    name: str
    revision: str
    window_tokens: int
    tokenizer_hash: str
    style: PromptStyle
    precision: str
    engine_version: str
    parameters: int = 0
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The engine's state, for doctor, metrics and the health endpoint."""

    is_ok: bool
    detail: str
    waiting: int
    active: int
    last_error: str | None = None
