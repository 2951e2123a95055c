"""Concept cards as members get them: are they complete, and how much of them did the model find?

Invariants:
    - What is counted is what a card says of itself: a field that came from tables is marked as
      invented.
    - Every second card begins with a premise (the first sentence of an opening), the others with
      nothing; the same number gives the same card.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.engine.backend import Backend
from bot.service.concept_fields import PATIENCE_S
from bot.service.concepts import ConceptService, DraftCard
from bot.story.concept import ConceptField, Wish, missing_fields
from bot.training.evaluation.openings import openings
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.watching import seed_of
from bot.training.evaluation.writing import AUTHOR, open_services, place_of
from bot.training.intervals import Interval, bootstrap, honest

_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Drafted:
    """A card.

    Attributes:
        is_complete: it leaves nothing open.
        asked: fields that nobody gave.
        invented: those of them that came from tables.
        took_s: seconds.
    """

    is_complete: bool
    asked: tuple[str, ...]
    invented: frozenset[str]
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptFigures:
    """What cards are like; shares, with intervals over cards.

    Attributes:
        complete: cards that leave nothing open.
        fields: fields that came from tables, of all that nobody gave.
        cards: cards that have such a field.
        by_field: for each field, how often it came from tables.
        late: cards that took longer than members wait, after which tables fill them.
        took_s: seconds for a card.
    """

    complete: Interval
    fields: Interval
    cards: Interval
    by_field: dict[str, Interval]
    late: Interval
    took_s: Interval

    def as_json(self) -> dict[str, object]:
        """Return the numbers."""
        return {
            "complete": self.complete.as_json(),
            "fields_from_tables": self.fields.as_json(),
            "cards_with_tables": self.cards.as_json(),
            "by_field": {name: each.as_json() for name, each in self.by_field.items()},
            "late": self.late.as_json(),
            "took_s": self.took_s.as_json(),
        }


async def draft_concepts(
    backend: Backend, plan: Plan, *, report: Callable[[int, int], None]
) -> ConceptFigures | None:
    """Draft ``plan.concepts`` cards, one after the other; None where that is 0.

    Args:
        backend: writes; stays open.
        plan: the sizes.
        report: hears how many cards of how many are there.
    """
    if not plan.concepts:
        return None
    found: list[Drafted] = []
    numbers = itertools.count()
    async with open_services(backend, {}, new_seed=lambda: seed_of(f"concept {next(numbers)}")) as (
        service,
        store,
    ):
        desk = service.desk
        concepts = ConceptService(
            store,
            desk.engine,
            stories=service,
            settings=desk.settings,
            clock=desk.clock,
            new_id=desk.new_id,
            # How soon a card is there depends on the machine, what is on it does not.
            patience_s=_PATIENCE_S,
            loading_patience_s=_PATIENCE_S,
        )
        for number in range(plan.concepts):
            place, wish = place_of(f"concept/{number}"), _wish(number)
            begun_s = desk.clock.monotonic()
            card = await concepts.draft(AUTHOR, place, wish, None, key=place.name)
            found.append(_drafted(card, wish, desk.clock.monotonic() - begun_s))
            report(len(found), plan.concepts)
    return judge_concepts(found, draws=plan.draws)


def judge_concepts(found: Sequence[Drafted], *, draws: int) -> ConceptFigures:
    """Count cards; at least one."""

    def over_cards(values: Sequence[Sequence[float]]) -> Interval:
        clusters = {str(at): each for at, each in enumerate(values)}
        return honest(bootstrap(clusters, draws=draws), units=len(values))

    def of_field(name: str) -> Interval:
        return over_cards([[float(name in one.invented)] for one in found if name in one.asked])

    times = {str(at): [one.took_s] for at, one in enumerate(found)}
    return ConceptFigures(
        complete=over_cards([[float(one.is_complete)] for one in found]),
        fields=over_cards([[float(name in one.invented) for name in one.asked] for one in found]),
        cards=over_cards([[float(bool(one.invented))] for one in found]),
        by_field={field.value: of_field(field.value) for field in ConceptField},
        late=over_cards([[float(one.took_s > PATIENCE_S)] for one in found]),
        took_s=bootstrap(times, draws=draws),
    )


def _drafted(card: DraftCard, wish: Wish, took_s: float) -> Drafted:
    given = {field.value for field in ConceptField if getattr(wish, field.value)}
    return Drafted(
        is_complete=not missing_fields(card.concept),
        asked=tuple(field.value for field in ConceptField if field.value not in given),
        invented=card.invented,
        took_s=took_s,
    )


def _wish(number: int) -> Wish:
    if number % 2 == 0:
        return Wish()
    every = openings()
    return Wish(premise=every[number // 2 % len(every)].text)
