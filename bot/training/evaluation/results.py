"""What was found, as plain data.

Invariant: what JSON holds is the same that the report shows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bot.training.evaluation.concept_writing import ConceptFigures
from bot.training.evaluation.figures import Column
from bot.training.evaluation.forms import FormFigures, GenreFigures
from bot.training.evaluation.genres import TagFigures, WhyNot
from bot.training.evaluation.goals import Goal
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.retention import Retention
from bot.training.intervals import Interval, bootstrap, paired, ratio
from bot.training.scores import TextScore, perplexity_change, total

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """How well a model foretells people's text.

    Attributes:
        model: its name.
        precision: in which it computed.
        scores: by tale.
        bits_per_byte: with its interval over tales.
        change: of the perplexity by token against the first model's, a share, in pairs by tale;
            None for the first, and where the tokenizers differ.
    """

    model: str
    precision: str
    scores: Mapping[str, TextScore]
    bits_per_byte: Interval
    change: Interval | None = None

    @property
    def token_perplexity(self) -> float:
        """By token: depends on the tokenizer."""
        return math.exp(self._total.nats / self._total.tokens)

    @property
    def word_perplexity(self) -> float:
        """By word."""
        return math.exp(self._total.nats / self._total.words)

    @property
    def byte_perplexity(self) -> float:
        """By byte of UTF-8."""
        return math.exp(self._total.nats / self._total.size_bytes)

    @property
    def tokens(self) -> int:
        """All that were scored."""
        return self._total.tokens

    @property
    def _total(self) -> TextScore:
        return total(self.scores.values())


def held_out(
    model: str,
    precision: str,
    scores: Mapping[str, TextScore],
    first: HeldOut | None,
    *,
    draws: int,
) -> HeldOut:
    """Put a model's scores together, beside the first model's."""
    change = None
    if first is not None and all(
        scores[name].tokens == score.tokens for name, score in first.scores.items()
    ):
        change = perplexity_change(first.scores, scores, draws=draws)
    bits = {name: score.nats / math.log(2) for name, score in scores.items()}
    sizes = {name: float(score.size_bytes) for name, score in scores.items()}
    return HeldOut(
        model=model,
        precision=precision,
        scores=scores,
        bits_per_byte=ratio(bits, sizes, draws=draws),
        change=change,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One evaluation.

    Attributes:
        plan: the sizes.
        judge: the model that told how likely passages are.
        words_known: what non-words were told by.
        human: people's text.
        snippet: the essay's; None where it wrote too little.
        columns: the models' and settings'.
        held_out: by model.
        retention: by model.
        forms: by model and format; none where they were not asked for.
        concepts: by model; none where they were not asked for.
        tags: by model; none of one without genre tags.
        goals: how they stand.
        versions: of libraries.
        took_s: seconds.
        is_quick: whether the plan was a quick one.
    """

    plan: Plan
    judge: str
    words_known: str
    human: Column
    snippet: Column | None
    columns: tuple[Column, ...]
    held_out: tuple[HeldOut, ...]
    retention: Mapping[str, Sequence[Retention]]
    tags: Mapping[str, TagFigures]
    goals: tuple[Goal, ...]
    forms: Mapping[str, Mapping[str, FormFigures]] = field(default_factory=dict)
    concepts: Mapping[str, ConceptFigures] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    is_quick: bool = False

    @property
    def every_column(self) -> list[Column]:
        """People's first, then the essay's, then what was asked for."""
        return [self.human, *([self.snippet] if self.snippet else []), *self.columns]

    def differences(self) -> dict[str, dict[str, Interval]]:
        """Return by column how its figures differ from the first one's, in pairs by opening."""
        if not self.columns:
            return {}
        first = self.columns[0]
        return {
            column.name: {
                name: paired(first.values[name], values, draws=self.plan.draws)
                for name, values in column.values.items()
                if name in first.values
            }
            for column in self.columns[1:]
        }

    def as_json(self) -> dict[str, object]:
        """Return everything but the stories."""
        return {
            "schema": SCHEMA,
            "quick": self.is_quick,
            "took_s": round(self.took_s, 1),
            "plan": asdict(self.plan),
            "versions": dict(self.versions),
            "judge": self.judge,
            "words_known": self.words_known,
            "columns": {column.name: _column(column) for column in self.every_column},
            "differences": {
                name: {figure: each.as_json() for figure, each in found.items()}
                for name, found in self.differences().items()
            },
            "held_out": {each.model: _held_out(each) for each in self.held_out},
            "retention": {
                model: [_retention(each, self.plan.draws) for each in found]
                for model, found in self.retention.items()
            },
            "forms": {
                model: {form: each.as_json() for form, each in found.items()}
                for model, found in self.forms.items()
            },
            "concepts": {model: each.as_json() for model, each in self.concepts.items()},
            "genre_tags": {model: _tags(found) for model, found in self.tags.items()},
            "goals": [asdict(goal) for goal in self.goals],
        }


def retention_odds(found: Retention, draws: int) -> Interval:
    """Return how much likelier the true name is, nats, with its interval over facts."""
    return _over_facts(found.log_odds, draws)


def retention_right(found: Retention, draws: int) -> Interval:
    """Return how often the true name is the likelier, with its interval over facts."""
    return _over_facts(found.right, draws)


def _over_facts(values: Sequence[float], draws: int) -> Interval:
    return bootstrap({str(at): [value] for at, value in enumerate(values)}, draws=draws)


def _column(column: Column) -> dict[str, object]:
    return {
        "passages": len(column.samples),
        "short": column.short,
        "failed": column.failed,
        "figures": {name: each.as_json() for name, each in column.figures.items()},
        "over_seeds": {name: each.as_json() for name, each in column.by_seed.items()},
    }


def _held_out(found: HeldOut) -> dict[str, object]:
    return {
        "precision": found.precision,
        "tales": len(found.scores),
        "tokens": found.tokens,
        "bits_per_byte": found.bits_per_byte.as_json(),
        "token_perplexity": found.token_perplexity,
        "word_perplexity": found.word_perplexity,
        "byte_perplexity": found.byte_perplexity,
        "token_perplexity_change": None if found.change is None else found.change.as_json(),
    }


def _tags(found: TagFigures) -> dict[str, object]:
    return {
        "genres": list(found.genres),
        "books": dict(found.books),
        "trained_on": found.trained_on,
        "held_out": _told(found.held_out),
        "written": _told(found.written),
    }


def _told(found: GenreFigures | WhyNot) -> dict[str, object]:
    if isinstance(found, WhyNot):
        return {"why_not": found.value}
    confusion: dict[str, dict[str, int]] = {}
    for (genre, guess), texts in found.confusion.items():
        confusion.setdefault(genre, {})[guess] = texts
    return {
        "texts": found.texts,
        "accuracy": found.accuracy,
        "chance": found.chance,
        "p": found.p,
        "confusion": confusion,
        "by_book": {book: list(counts) for book, counts in found.by_book.items()},
    }


def _retention(found: Retention, draws: int) -> dict[str, object]:
    return {
        "distance_tokens": found.distance,
        "recap": found.has_recap,
        "log_odds": retention_odds(found, draws).as_json(),
        "right": retention_right(found, draws).as_json(),
    }
