"""What a card leaves open is found here: asked of the model, else taken from tables.

Invariant: a card is always filled, in ``patience_s`` at most; what came from tables is marked
as invented, and nothing that is not allowed in the place gets in.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.types import GenerationRequest, PromptPart, SamplingParams, Score, ScoreRequest
from bot.errors import EngineError, ScreenedError
from bot.policy.rights import Place, is_genre_on
from bot.policy.settings import Settings
from bot.service.desk import Desk
from bot.service.engine_holder import EngineHolder
from bot.service.places import group_key, place_key
from bot.service.ranking import gain
from bot.story.concept import (
    ConceptField,
    FieldPrompt,
    FieldValue,
    concept_from_json,
    concept_to_json,
    fallback,
    field_prompt,
    parse_field,
    with_field,
)
from bot.story.model import Concept

log = logging.getLogger(__name__)

CANDIDATES = 8
_SEEDS = 2**63
_AT_ONCE = 16  # requests of one card
PATIENCE_S = 8.0
LOADING_PATIENCE_S = 1.5
"""Nobody waits longer for a card because the model still loads: the tables have all of it,
and a reroll asks the model later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardBody:
    """What a draft's row holds.

    Attributes:
        given: fields that the member gave.
        seed: of what is found for the others.
    """

    concept: Concept
    opening: str | None
    invented: frozenset[str]
    given: frozenset[str]
    seed: int

    def to_json(self) -> str:
        """Return the row's text."""
        return json.dumps(
            {
                "concept": json.loads(concept_to_json(self.concept)),
                "opening": self.opening,
                "invented": sorted(self.invented),
                "given": sorted(self.given),
                "seed": self.seed,
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, body: str) -> Self:
        """Read a row's text."""
        data = json.loads(body)
        return cls(
            concept=concept_from_json(json.dumps(data["concept"])),
            opening=data["opening"],
            invented=frozenset(data["invented"]),
            given=frozenset(data["given"]),
            seed=data["seed"],
        )

    def without(self, field: ConceptField) -> Self:
        """Return the card with a field emptied."""
        empty: FieldValue = () if field in {ConceptField.CAST, ConceptField.PLOT} else ""
        return replace(self, concept=with_field(self.concept, field, empty))


class FieldFinder:
    """Fills cards.

    Args:
        desk: what is allowed where.
        engine: who is asked for fields.
        patience_s: how long all fields together may take.
        loading_patience_s: how much of that may go to a model that still loads.
    """

    def __init__(
        self, desk: Desk, engine: EngineHolder, *, patience_s: float, loading_patience_s: float
    ) -> None:
        self._desk = desk
        self._engine = engine
        self._patience_s = patience_s
        self._loading_patience_s = min(patience_s, loading_patience_s)

    async def fill(
        self, card: CardBody, wanted: tuple[ConceptField, ...], settings: Settings, place: Place
    ) -> CardBody:
        """Find fields: what the model says, else what the tables have."""
        found = await self._ask_all(card, wanted, place)
        invented = card.invented - {field.value for field in wanted}
        concept = card.concept
        for field in wanted:
            value = found.get(field)
            is_genre = field is ConceptField.GENRE
            if value is not None and not (is_genre and not is_genre_on(str(value), settings)):
                candidate = with_field(concept, field, value)
                try:
                    concept = self._desk.take_concept(candidate, settings)
                except ScreenedError:
                    log.info("a field was screened", extra={"field": field.value})
                else:
                    continue
            invented_value = fallback(field, concept, card.seed)
            if is_genre and settings.genres:
                invented_value = settings.genres[card.seed % len(settings.genres)]
            concept = with_field(concept, field, invented_value)
            invented |= {field.value}
        return replace(card, concept=concept, invented=invented)

    async def _ask_all(
        self, card: CardBody, wanted: tuple[ConceptField, ...], place: Place
    ) -> dict[ConceptField, FieldValue]:
        """Ask the model for all fields at once; what is not there in time is left out."""
        if not wanted:
            return {}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        try:
            backend = await self._engine.get(self._loading_patience_s)
        except EngineError:
            return {}
        model = _Asked(backend, asyncio.Semaphore(_AT_ONCE))
        tasks = {
            asyncio.create_task(self._ask(model, field, card, place), name=f"ask {field}"): field
            for field in wanted
        }
        try:
            done, _ = await asyncio.wait(tasks, timeout=max(deadline - loop.time(), 0.0))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        found: dict[ConceptField, FieldValue] = {}
        for task in done:
            error = task.exception()
            if error is not None:
                log.warning("a field could not be asked for: %s", error)
            elif (value := task.result()) is not None:
                found[tasks[task]] = value
        return found

    async def _ask(
        self, model: "_Asked", field: ConceptField, card: CardBody, place: Place
    ) -> FieldValue | None:
        """Let the model make candidates, and return the one that the story makes likeliest."""
        prompt = field_prompt(field, card.concept, card.seed)
        requests = [self._request(prompt, field, card, place, at) for at in range(CANDIDATES)]
        answers = await asyncio.gather(
            *(model.write(request) for request in requests), return_exceptions=True
        )
        candidates: dict[FieldValue, str] = {}
        for answer in answers:
            if isinstance(answer, str):
                value = parse_field(field, prompt.lead + answer)
                if value is not None:
                    candidates.setdefault(value, answer)
            elif not isinstance(answer, EngineError):
                raise answer
        if not candidates:
            failures = [answer for answer in answers if isinstance(answer, EngineError)]
            if len(failures) == len(answers):
                raise failures[0]
            return None
        return await self._best(model, prompt, candidates, requests[0])

    async def _best(
        self,
        model: "_Asked",
        prompt: FieldPrompt,
        candidates: Mapping[FieldValue, str],
        asked: GenerationRequest,
    ) -> FieldValue:
        """Return the candidate that gains most from what is known of the story."""
        if len(candidates) == 1:
            return next(iter(candidates))

        async def gain_of(text: str) -> float:
            return await gain(
                model.score,
                asked,
                text,
                known=([PromptPart(prompt.text)], f"{asked.cache_key} known"),
                blind=([PromptPart(prompt.blind)], f"{asked.cache_key} unknown"),
            )

        try:
            gains = await asyncio.gather(*map(gain_of, candidates.values()))
        except EngineError as error:
            log.warning("candidates for a field could not be ranked: %s", error)
            return next(iter(candidates))
        return max(zip(gains, candidates, strict=True), key=lambda one: one[0])[1]

    def _request(
        self, prompt: FieldPrompt, field: ConceptField, card: CardBody, place: Place, at: int
    ) -> GenerationRequest:
        return GenerationRequest(
            prompt=[PromptPart(prompt.text)],
            # A title may well take up the premise's words.
            sampling=SamplingParams(
                temperature=prompt.temperature,
                presence_penalty=0.0,
                frequency_penalty=0.0,
                dry_multiplier=0.0,
            ),
            seed=(card.seed + at) % _SEEDS,
            max_tokens=prompt.max_tokens,
            stop=prompt.stop,
            owner=place_key(place),
            group=group_key(place_key(place), place.guild_id),
            cache_key=f"card {card.seed} {field.value}",
            timeout_s=self._patience_s,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The model, of which one card may ask so much at a time: others wait for it too."""

    backend: Backend
    places: asyncio.Semaphore

    async def write(self, request: GenerationRequest) -> str:
        async with self.places:
            return (await collect(self.backend, request)).text

    async def score(self, request: ScoreRequest) -> Score:
        async with self.places:
            return await self.backend.score(request)
