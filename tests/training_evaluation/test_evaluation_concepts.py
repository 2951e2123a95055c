"""Concept cards are counted by what they say of themselves."""

from dataclasses import replace

import pytest

from bot.engine.scripted import Script, ScriptedBackend
from bot.engine.types import GenerationRequest
from bot.errors import EngineStoppedError
from bot.story.concept import ConceptField
from bot.training.evaluation.concept_writing import Drafted, draft_concepts, judge_concepts
from bot.training.evaluation.goals import Verdict
from bot.training.evaluation.goals import judge_concepts as judge_goals
from bot.training.evaluation.plan import Plan

FIELDS = tuple(field.value for field in ConceptField)


def titled(request: GenerationRequest) -> str | Script:
    """Give a title, and nothing that could be used for other fields."""
    is_title = "title" in (request.cache_key or "")
    return f" The Lamp of {request.seed % 7} Hills\n" if is_title else "\n"


async def test_fields_from_tables_are_counted(plan: Plan) -> None:
    reported: list[tuple[int, int]] = []
    found = await draft_concepts(
        ScriptedBackend(titled),
        replace(plan, concepts=4),
        report=lambda done, total: reported.append((done, total)),
    )
    assert found is not None
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (found.complete.mean, found.complete.n) == (1.0, 4)
    assert found.fields.n == 4 * len(FIELDS)
    assert found.by_field["title"].mean < 1.0
    others = [found.by_field[name].mean for name in FIELDS if name != "title"]
    assert others == [1.0] * (len(FIELDS) - 1)
    assert found.cards.mean == 1.0
    assert found.late.mean == 0.0


async def test_a_model_that_fails_gives_cards_of_tables(plan: Plan) -> None:
    found = await draft_concepts(
        ScriptedBackend(lambda _: EngineStoppedError()),
        replace(plan, concepts=2),
        report=lambda done, total: None,
    )
    assert found is not None
    assert (found.complete.mean, found.fields.mean) == (1.0, 1.0)


async def test_no_cards_are_drafted_unless_they_are_asked_for(plan: Plan) -> None:
    backend = ScriptedBackend(titled)
    assert await draft_concepts(backend, plan, report=lambda done, total: None) is None
    assert not backend.requests


def card(*invented: str, took_s: float = 1.0, is_complete: bool = True) -> Drafted:
    return Drafted(is_complete, FIELDS, frozenset(invented), took_s)


def test_shares_have_intervals_over_cards() -> None:
    found = judge_concepts([*[card()] * 180, *[card("title", "plot")] * 20], draws=500)
    assert found.fields.mean == pytest.approx(20 * 2 / (200 * len(FIELDS)))
    assert found.cards.mean == pytest.approx(0.1)
    assert found.cards.low < 0.1 < found.cards.high
    assert (found.by_field["cast"].mean, found.by_field["cast"].high) == (0.0, 3 / 200)
    assert (found.complete.mean, found.complete.low) == (1.0, 1 - 3 / 200)
    assert {goal.verdict for goal in judge_goals("ours", found)} == {Verdict.MET}


def test_goals_are_missed_and_left_open() -> None:
    bad = [card(*FIELDS[:2], took_s=9.0, is_complete=False)] * 200
    missed = judge_concepts(bad, draws=50)
    assert [goal.verdict for goal in judge_goals("ours", missed)] == [Verdict.MISSED] * 2
    assert missed.late.mean == 1.0
    few = judge_concepts([card()] * 20, draws=50)
    assert [goal.verdict for goal in judge_goals("ours", few)] == [Verdict.TOO_FEW] * 2
