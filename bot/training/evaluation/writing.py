"""Writes stories as members get them: through the services, with everything that they do.

Invariants:
    - What is measured is what the program would have shown (``watching``).
    - The same opening and seed give the same uniforms in every column, so that columns can be
      compared in pairs.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.engine.backend import Backend
from bot.policy.budgets import Budgets
from bot.policy.rights import Actor, Place
from bot.policy.settings import resolve
from bot.service.clock import SystemClock
from bot.service.desk import Limits
from bot.service.engine_holder import EngineHolder
from bot.service.places import place_key
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.storage import SqlStore
from bot.story import tree
from bot.story.ids import IdGenerator
from bot.story.model import AuthorKind, Concept, Passage, Story
from bot.story.narrative import narrative
from bot.text.quotes import are_quotes_balanced
from bot.text.sentences import last_sentence_end
from bot.training.evaluation.ablations import Ablation
from bot.training.evaluation.keeping import Kept, key_of
from bot.training.evaluation.openings import Opening
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.samples import Sample, Turn, cut, normalise
from bot.training.evaluation.watching import Drawn, WatchedBackend

_PLATFORM = "evaluation"
_GUILD = 1
AUTHOR = Actor(user_id=1, name="evaluation", is_admin=True, platform=_PLATFORM)
# What a member says now and then, in every second story.
_INTERJECTIONS = (
    "Suddenly there was a knock at the door.",
    "\u201cI know what you did,\u201d she whispered.",
)
_PATIENCE_S = 24 * 3600.0
_NO_CONCEPT = Concept()


@dataclass(frozen=True, slots=True)
class Stories:
    """What a column wrote.

    Attributes:
        samples: cut to the plan's words.
        short: stories that were shorter.
        failed: stories of which a passage failed.
    """

    samples: tuple[Sample, ...]
    short: int
    failed: int


async def write_stories(
    backend: Backend,
    chosen: Sequence[Opening],
    plan: Plan,
    *,
    settings: Mapping[str, str],
    ablation: Ablation,
    kept: Kept,
    report: Callable[[int, int], None],
    concept: Concept = _NO_CONCEPT,
    seeds: int | None = None,
) -> Stories:
    """Write from every opening with every seed.

    Args:
        backend: writes; stays open.
        chosen: the openings.
        plan: the sizes.
        settings: what an admin would set, by name.
        ablation: what is left out.
        kept: stories of a run that was broken off, and of this one.
        report: hears how many stories of how many are there.
        concept: of every story.
        seeds: the plan's, where None.

    Raises:
        InvalidInputError: there is no such setting or value.
    """
    values = {**settings, **ablation.settings}
    watched = WatchedBackend(backend, ablation, resolve(values))
    wanted = [(opening, seed) for seed in range(1, (seeds or plan.seeds) + 1) for opening in chosen]
    info = backend.info
    marks = [
        *(info.name, info.revision, info.precision, info.style, info.engine_version),
        *(
            values,
            ablation.forbids_loops,
            ablation.forbids_drift,
            plan.words,
            plan.turns,
            asdict(concept),
        ),
    ]
    limit = asyncio.Semaphore(2 * plan.max_active)
    done = 0
    async with open_services(watched, values) as (service, store):

        async def write(opening: Opening, seed: int) -> Sample | None:
            nonlocal done
            key = key_of(marks, opening.text, seed)
            sample = kept.find(key)
            if sample is None:
                async with limit:
                    sample = await _write(
                        service,
                        store,
                        watched,
                        concept=concept,
                        opening=opening,
                        seed=seed,
                        plan=plan,
                    )
                if sample is not None:
                    kept.add(key, sample)
            done += 1
            report(done, len(wanted))
            return sample

        found = await asyncio.gather(*(write(opening, seed) for opening, seed in wanted))
    whole = [each for each in found if each is not None]
    samples = tuple(each for each in whole if each.text)
    return Stories(samples, len(whole) - len(samples), len(found) - len(whole))


@asynccontextmanager
async def open_services(
    backend: Backend, values: Mapping[str, str], *, new_seed: Callable[[], int] = lambda: 0
) -> AsyncIterator[tuple[StoryService, SqlStore]]:
    """Open the services over a database that is gone afterwards."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="roundtale-evaluate-"))
        store = await SqlStore.open(f"sqlite+aiosqlite:///{Path(folder) / 'stories.sqlite'}")
        stack.push_async_callback(store.aclose)
        admin = SettingsService(store, clock=clock)
        for name, value in values.items():
            await admin.set(AUTHOR, place_of("any"), "guild", name, value)
        service = StoryService(
            store,
            EngineHolder.of(backend),
            clock=clock,
            new_id=IdGenerator(),
            owner=_PLATFORM,
            epoch=1,
            settings=admin,
            budgets=Budgets(),
            new_seed=new_seed,
            limits=Limits(generation_s=_PATIENCE_S),
        )
        stack.push_async_callback(service.aclose)
        yield service, store


async def _write(
    service: StoryService,
    store: SqlStore,
    watched: WatchedBackend,
    *,
    concept: Concept,
    opening: Opening,
    seed: int,
    plan: Plan,
) -> Sample | None:
    """Write one story; None where a passage failed."""
    place = place_of(f"{opening.name}/{seed}")
    turns: list[Turn] = []
    sample: Sample | None = None
    key = place_key(place)
    for number in range(plan.turns):
        watched.begin(key, number)
        if number == 0:
            receipt = await service.start(
                AUTHOR, place, concept, opening.text, key=f"{place.name}/0"
            )
        else:
            has_words = seed % 2 and number % 2
            words = _INTERJECTIONS[number // 2 % len(_INTERJECTIONS)] if has_words else None
            receipt = await service.take_turn(AUTHOR, place, words, key=f"{place.name}/{number}")
        if receipt.job_id is None:
            return None
        await service.wait(receipt.job_id)
        async with store.read() as unit:
            story = await unit.stories.load(receipt.story.id)
        passage = None if story is None else story.passages.get(receipt.job_id)
        if story is None or passage is None:
            return None
        turns.append(_turn(story, passage, watched.drawn(key)))
        sample = _sample(story, turns, opening, seed, plan.words)
        if sample.text:
            break
    return sample


def _turn(story: Story, passage: Passage, drawn: Sequence[Drawn]) -> Turn:
    text = tree.text_of(story, passage)
    kept = text.rstrip()
    origin = passage.provenance
    assert origin is not None  # noqa: S101 -- the model wrote it
    own = [each for each in drawn if each.seed == origin.seed][-1:]
    sampled = sum(each.tokens for each in drawn)
    return Turn(
        text=text,
        is_whole=last_sentence_end(kept) == len(kept)
        and are_quotes_balanced(narrative(story, tree.path(story, passage.id))),
        discarded_words=sum(each.words_beyond for each in own),
        sampled_tokens=sampled,
        kept_tokens=origin.completion_tokens,
        lost_tokens=sampled - sum(each.tokens for each in own) if own else 0,
    )


def _sample(story: Story, turns: list[Turn], opening: Opening, seed: int, words: int) -> Sample:
    path = tree.path(story)
    first = next(at for at, passage in enumerate(path) if passage.kind is AuthorKind.MODEL)
    written = [passage for passage in path[first:] if passage.kind is AuthorKind.MODEL]
    text = cut(normalise(narrative(story, written)), words)
    return Sample(
        source=opening.name,
        seed=seed,
        before=normalise(opening.text),
        text=text or "",
        whole=narrative(story),
        turns=tuple(turns),
    )


def place_of(name: str) -> Place:
    """Return the place of a name; its number is stable."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
    return Place(platform=_PLATFORM, guild_id=_GUILD, channel_id=number, name=name)
