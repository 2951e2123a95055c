"""Stories made by the real actions, and short ways to store and load them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.storage import SqlStore
from bot.story import actions
from bot.story.model import Author, AuthorKind, Concept, Provenance, Step, Story

START = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class World:
    """Ids, a clock and authors: everything that actions need."""

    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1000))
    now: datetime = START
    mira: Author = field(
        default_factory=lambda: Author(1, AuthorKind.MEMBER, "Mira", "discord", 4711)
    )
    model: Author = field(default_factory=lambda: Author(2, AuthorKind.MODEL, "gpt2"))

    def id(self) -> int:
        return next(self.ids)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def stamp(self, author: Author | None = None, key: str | None = None) -> actions.Stamp:
        return actions.Stamp(author or self.mira, self.tick(), self.id, key)

    def start(
        self, place: str = "discord:1", *, title: str = "The Lamp", guild_id: int | None = 9
    ) -> Step:
        return actions.start(
            self.stamp(), place=place, guild_id=guild_id, concept=Concept(title=title)
        )

    def add(self, story: Story, text: str = "Once.", key: str | None = None) -> Step:
        return actions.add(story, self.stamp(key=key), text)

    def answer(self, story: Story, text: str = " Upon a time.") -> Step:
        turn = story.journal[-1].turn_id
        return actions.answer(
            story,
            self.stamp(self.model),
            text,
            provenance(),
            passage_id=self.id(),
            turn_id=turn,
        )


def provenance(token_ids: tuple[int, ...] = (1, 50256, 2**32 - 1)) -> Provenance:
    return Provenance(
        model="gpt2",
        model_revision="607a30d",
        engine_version="1",
        precision="bf16",
        seed=2**63 - 1,
        sampling={"temperature": 0.8, "top_k": 50},
        finish="sentence",
        prompt_tokens=40,
        completion_tokens=len(token_ids),
        rewinds=1,
        duration_s=1.25,
        form="repaired",
        tokenizer_hash="abc",
        token_ids=token_ids,
    )


async def added(store: SqlStore, step: Step) -> Story:
    async with store.write() as unit:
        await unit.stories.add(step)
        await unit.commit()
    return step.story


async def saved(store: SqlStore, before: Story, step: Step) -> Story:
    async with store.write() as unit:
        await unit.stories.save(step, before.version)
        await unit.commit()
    return step.story


async def loaded(store: SqlStore, story_id: int) -> Story | None:
    async with store.read() as unit:
        return await unit.stories.load(story_id)


async def grow(store: SqlStore, story: Story, *acts: Callable[[Story], Step]) -> Story:
    for act in acts:
        story = await saved(store, story, act(story))
    return story
