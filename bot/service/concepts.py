"""The concept card: drafted from a wish and the model, changed at will, then begun.

Invariants:
    - What a member gave stays until they change it themselves; the rest is found
      (``concept_fields``).
    - A card is a row that survives a restart; only its owner may touch it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from bot.errors import (
    NotAllowedError,
    NotFoundError,
    UnknownCommandError,
)
from bot.locales import N_
from bot.policy.rights import Actor, Place, Right
from bot.service.api import Receipt
from bot.service.concept_fields import (
    LOADING_PATIENCE_S,
    PATIENCE_S,
    CardBody,
    FieldFinder,
)
from bot.service.desk import Desk
from bot.service.engine_holder import EngineHolder
from bot.service.places import place_key, place_of
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.story.concept import (
    ConceptField,
    Wish,
    concept_of,
    field_text,
    missing_fields,
    read_field,
    with_field,
)
from bot.story.formats import read_age, read_format
from bot.story.model import Concept
from bot.story.ports import Clock, Draft, Store, UnitOfWork

_REROLL_TRIES = 4
OTHER_FIELDS = ("premise", "opening", "format", "age")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftCard:
    """A concept card as it stands.

    Attributes:
        id: the draft's.
        concept: what the story will be about.
        opening: its first words, if the member gave any.
        invented: fields that came from tables, because the model had nothing good.
        owner_user_id: the one member who may touch it.
    """

    id: int
    concept: Concept
    opening: str | None
    invented: frozenset[str]
    owner_user_id: int


class ConceptService:
    """Stage one of a story.

    Args:
        store: where cards are kept.
        engine: who is asked for fields.
        stories: begins the story.
        settings: what holds where.
        clock: the time.
        new_id: gives cards their ids.
        patience_s: how long all fields together may take.
        loading_patience_s: how much of that may go to a model that still loads.
    """

    def __init__(
        self,
        store: Store,
        engine: EngineHolder,
        *,
        stories: StoryService,
        settings: SettingsService,
        clock: Clock,
        new_id: Callable[[], int],
        patience_s: float = PATIENCE_S,
        loading_patience_s: float = LOADING_PATIENCE_S,
    ) -> None:
        self._store = store
        self._stories = stories
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._desk: Desk = stories.desk
        self._finder = FieldFinder(
            self._desk, engine, patience_s=patience_s, loading_patience_s=loading_patience_s
        )

    async def draft(
        self, actor: Actor, place: Place, wish: Wish, opening: str | None, *, key: str
    ) -> DraftCard:
        """Make a card of a wish; what it leaves open is found.

        Args:
            actor: whose card it will be.
            place: where the story will live.
            wish: what the member gave.
            opening: the first words, if any.
            key: of the interaction or message; the same key gives the same card.

        Raises:
            NotAllowedError: its format or genre cannot be started here.
            PinnedTooLargeError: what was given would crowd out the story.
            ScreenedError: it holds what is not allowed here.
        """
        desk = self._desk
        settings = await desk.admit(actor, place, Right.START)
        words = desk.take_words(opening, settings) if opening else None
        concept = desk.take_new_concept(concept_of(wish), settings)
        desk.check_pinned(concept)
        draft_id = self._stories.draft_of(key)
        if draft_id is not None:
            async with self._store.read() as unit:
                known = await unit.drafts.get(draft_id)
            if known is not None:
                return _card_of(known)
        missing = missing_fields(concept)
        given = frozenset(field.value for field in ConceptField if field not in missing)
        card = CardBody(
            concept=concept,
            opening=words,
            invented=frozenset(),
            given=given,
            seed=desk.new_seed(),
        )
        card = await self._finder.fill(card, missing, settings, place)
        row = Draft(
            id=self._new_id(),
            place=place_key(place),
            guild_id=place.guild_id,
            user_id=actor.user_id,
            body=card.to_json(),
            created_at=self._clock.now(),
        )
        async with self._store.write() as unit:
            await unit.drafts.purge(self._clock.now() - self._desk.limits.card_life)
            await unit.drafts.put(row)
            await unit.commit()
        self._stories.remember_draft(key, row.id)
        return _card_of(row)

    async def get(self, actor: Actor, draft_id: int) -> DraftCard:
        """Return a card.

        Raises:
            NotFoundError: it was begun, or has expired.
            NotAllowedError: it is somebody else's.
        """
        async with self._store.read() as unit:
            return _card_of(await self._own(unit, actor, draft_id))

    async def reroll(self, actor: Actor, draft_id: int, field: str | None) -> DraftCard:
        """Find one field anew, or all that the member did not give.

        Raises:
            NotFoundError: it was begun, or has expired.
            NotAllowedError: it is somebody else's.
            UnknownCommandError: there is no such field.
        """
        desk = self._desk
        async with self._store.read() as unit:
            row = await self._own(unit, actor, draft_id)
            place = await place_of(unit, row.place, row.guild_id)
        settings = await desk.admit(actor, place, Right.START)
        old = CardBody.from_json(row.body)
        wanted = (
            tuple(one for one in ConceptField if one.value not in old.given)
            if field is None
            else (_field(field),)
        )
        card = replace(old, given=old.given - {one.value for one in wanted})
        for _ in range(_REROLL_TRIES):
            # Another seed may give the same words; a click must change something.
            card = replace(card, seed=desk.new_seed())
            emptied = card
            for one in wanted:
                emptied = emptied.without(one)
            filled = await self._finder.fill(emptied, wanted, settings, place)
            if not wanted or filled.concept != old.concept:
                card = filled
                break
        else:
            card = old
        return await self._save(actor, row, card)

    async def edit(self, actor: Actor, draft_id: int, changes: Mapping[str, str]) -> DraftCard:
        """Change fields by hand: title, genre, theme, setting, cast, plot and ``OTHER_FIELDS``.

        An empty value empties the field.

        Raises:
            NotFoundError: it was begun, or has expired.
            NotAllowedError: it is somebody else's, or its format or genre cannot be started here.
            UnknownCommandError: there is no such field.
            PinnedTooLargeError: the concept would crowd out the story.
        """
        desk = self._desk
        async with self._store.read() as unit:
            row = await self._own(unit, actor, draft_id)
            place = await place_of(unit, row.place, row.guild_id)
        settings = await desk.admit(actor, place, Right.START)
        card = CardBody.from_json(row.body)
        concept, opening = card.concept, card.opening
        touched: set[str] = set()
        for name, value in changes.items():
            if name == "premise":
                concept = replace(concept, premise=value.strip())
            elif name == "format":
                concept = replace(concept, format=read_format(value) if value.strip() else "")
            elif name in {"age", "reader_age"}:
                concept = replace(concept, reader_age=read_age(value))
            elif name == "opening":
                opening = desk.take_words(value, settings) if value.strip() else None
            else:
                field = _field(name)
                if field_text(concept, field) == value:
                    continue
                concept = with_field(concept, field, read_field(field, value))
                touched.add(field.value)
        concept = desk.take_new_concept(concept, settings)
        desk.check_pinned(concept)
        return await self._save(
            actor,
            row,
            replace(
                card,
                concept=concept,
                opening=opening,
                given=card.given | touched,
                invented=card.invented - touched,
            ),
        )

    async def begin(self, actor: Actor, place: Place, draft_id: int, *, key: str) -> Receipt:
        """Begin the story of a card; the card is gone in the same commit.

        Raises:
            NotFoundError: it was begun already (by another press), or has expired.
            NotAllowedError: it is somebody else's.
            BusyError: the place's current story is being written.
        """
        receipt = await self._stories.receipt_of(place, key)
        if receipt is not None:
            return receipt
        async with self._store.read() as unit:
            card = CardBody.from_json((await self._own(unit, actor, draft_id)).body)
        return await self._stories.start(
            actor, place, card.concept, card.opening, key=key, draft_id=draft_id
        )

    async def _own(self, unit: UnitOfWork, actor: Actor, draft_id: int) -> Draft:
        row = await unit.drafts.get(draft_id)
        if row is None or row.created_at < self._clock.now() - self._desk.limits.card_life:
            raise NotFoundError(what=N_("That card"))
        if row.user_id != actor.user_id:
            raise NotAllowedError(reason=N_("this card is somebody else's."))
        return row

    async def _save(self, actor: Actor, row: Draft, card: CardBody) -> DraftCard:
        row = replace(row, body=card.to_json())
        async with self._store.write() as unit:
            await self._own(unit, actor, row.id)  # it may have been begun meanwhile
            await unit.drafts.put(row)
            await unit.commit()
        return _card_of(row)


def _card_of(row: Draft) -> DraftCard:
    card = CardBody.from_json(row.body)
    return DraftCard(
        id=row.id,
        concept=card.concept,
        opening=card.opening,
        invented=card.invented,
        owner_user_id=row.user_id,
    )


def _field(name: str) -> ConceptField:
    try:
        return ConceptField(name)
    except ValueError:
        known = [*(field.value for field in ConceptField), *OTHER_FIELDS]
        near = get_close_matches(name, known, n=1) or known
        raise UnknownCommandError(given=name, near=", ".join(near)) from None
