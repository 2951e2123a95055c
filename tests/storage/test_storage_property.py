"""Whatever is done to a story, the stored one stays equal to the one in memory."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.storage import SqlStore, check
from bot.story import actions, tree
from bot.story.model import Author, AuthorKind, Concept, Step, Story
from tests.storage.storage_world import World, added, loaded, provenance, saved

Act = Callable[[World, Story, int], Step]
AUTHORS = (
    Author(1, AuthorKind.MEMBER, "Mira", "discord", 4711),
    Author(3, AuthorKind.MEMBER, "Jo", "terminal", 1),
    Author(4, AuthorKind.MEMBER, ""),
)


def _passage(story: Story, n: int) -> int:
    known = sorted(story.passages)
    return known[n % len(known)] if known else 0


def _branch(story: Story, n: int) -> int:
    return sorted(story.branches)[n % len(story.branches)]


def _answer(world: World, story: Story, n: int) -> Step:
    return actions.answer(
        story,
        world.stamp(world.model),
        f" answer {n}.",
        provenance(tuple(range(n))),
        passage_id=world.id(),
        turn_id=story.journal[-1].turn_id if n % 2 else None,
        is_ending=n == 7,
    )


def _retry(world: World, story: Story, n: int) -> Step:
    return actions.retry(
        story, world.stamp(world.model), f" other {n}.", provenance(()), passage_id=world.id()
    )


ACTS: dict[str, Act] = {
    "add": lambda w, s, n: actions.add(s, w.stamp(AUTHORS[n % 3]), f"words {n}"),
    "answer": _answer,
    "retry": _retry,
    "pick": lambda w, s, n: actions.pick(s, w.stamp(), _passage(s, n)),
    "edit": lambda w, s, n: actions.edit(s, w.stamp(AUTHORS[n % 3]), _passage(s, n), f"edit {n}"),
    "undo": lambda w, s, n: actions.undo(s, w.stamp(), n % 3 + 1),
    "redo": lambda w, s, n: actions.redo(s, w.stamp(), n % 3 + 1),
    "end": lambda w, s, n: actions.end(s, w.stamp()),
    "reopen": lambda w, s, n: actions.reopen(s, w.stamp()),
    "rename": lambda w, s, n: actions.rename(s, w.stamp(), f"title {n}"),
    "concept": lambda w, s, n: actions.set_concept(s, w.stamp(), Concept(title=f"t{n}", beat=n)),
    "branch": lambda w, s, n: actions.create_branch(s, w.stamp(), f"branch {w.id()}"),
    "switch": lambda w, s, n: actions.switch_branch(s, w.stamp(), _branch(s, n)),
}


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [*ACTS, "add", "answer", "add", "answer", "retry", "undo", "redo", "undo"]
            ),
            st.integers(0, 9),
        ),
        min_size=5,
        max_size=30,
    )
)
def test_the_stored_story_equals_the_one_in_memory(plan: list[tuple[str, int]]) -> None:
    asyncio.run(_replay(plan))


async def _replay(plan: list[tuple[str, int]]) -> None:
    world = World()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/story.db"
        async with await SqlStore.open(url) as store:
            story = await added(store, world.start())
            for name, n in plan:
                try:
                    step = ACTS[name](world, story, n)
                except UserError:
                    continue
                story = await saved(store, story, step)
                assert await loaded(store, story.id) == story
            async with store.read() as unit:
                (summary,) = await unit.stories.summaries(story.place)
            assert summary.passages == len(tree.path(story))
            assert summary.title == tree.title(story)
        assert (await check(url)).problems == ()
