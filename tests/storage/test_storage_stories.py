from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.errors import ConflictError, InvalidInputError
from bot.storage import SqlStore, check
from bot.storage import tables as t
from bot.storage.store import SqlUnitOfWork
from bot.story import actions, tree
from bot.story.model import (
    Author,
    AuthorKind,
    CastMember,
    Concept,
    Story,
    StoryStatus,
    StorySummary,
)
from bot.story.ports import InboxItem, Job, JobKind, JobStatus
from tests.storage.storage_world import World, added, grow, loaded, provenance, saved


async def _titles(
    store: SqlStore, place: str | None = None, query: str = "", guild_id: int | None = None
) -> list[str]:
    async with store.read() as unit:
        found = await unit.stories.summaries(place, guild_id=guild_id, query=query)
    return [summary.title for summary in found]


async def test_a_new_story_is_loaded_as_it_was_added(store: SqlStore, world: World) -> None:
    concept = Concept(
        title="The Lamp", cast=(CastMember(name="Mira", line="a smith"),), plot=("a",)
    )
    step = actions.start(world.stamp(), place="terminal:main", guild_id=None, concept=concept)
    story = await added(store, step)
    again = await loaded(store, story.id)
    assert again == story
    assert again is not None
    assert tree.concept(again) == concept


async def test_every_kind_of_step_is_loaded_as_it_was_saved(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    story = await grow(store, story, world.add, world.answer)
    first = min(story.passages)
    for act in (
        lambda s: actions.edit(s, world.stamp(Author(3, AuthorKind.MEMBER, "Jo")), first, "New."),
        lambda s: actions.undo(s, world.stamp()),
        lambda s: actions.redo(s, world.stamp()),
        lambda s: actions.rename(s, world.stamp(), "The Second Lamp"),
        lambda s: actions.create_branch(s, world.stamp(), "other"),
        world.add,
        lambda s: actions.switch_branch(s, world.stamp(), min(s.branches)),
        lambda s: actions.set_concept(s, world.stamp(), Concept(title="Third", theme="light")),
        lambda s: actions.end(s, world.stamp()),
        lambda s: actions.reopen(s, world.stamp()),
        lambda s: actions.undo(s, world.stamp(), 3),
        world.add,
    ):
        story = await saved(store, story, act(story))
        assert await loaded(store, story.id) == story


async def test_alternates_keep_their_provenance(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    story = await grow(store, story, world.add, world.answer)
    step = actions.retry(
        story, world.stamp(world.model), " Twice.", provenance(()), passage_id=world.id()
    )
    story = await saved(store, story, step)
    first = tree.alternates(story, step.passages[0].id)[0]
    story = await saved(store, story, actions.pick(story, world.stamp(), first))
    assert await loaded(store, story.id) == story


async def test_an_unknown_story_is_none(store: SqlStore) -> None:
    async with store.read() as unit:
        assert await unit.stories.load(1) is None
        assert await unit.stories.current("nowhere") is None
        assert await unit.stories.story_of_passage(1) is None
        assert await unit.stories.find_key("1") is None


async def test_a_save_on_an_old_version_conflicts_and_leaves_nothing(
    store: SqlStore, world: World
) -> None:
    story = await added(store, world.start())
    newer = await saved(store, story, world.add(story, "First."))
    with pytest.raises(ConflictError):
        await saved(store, story, world.add(story, "Second."))
    assert await loaded(store, story.id) == newer


async def test_a_version_that_does_not_grow_is_refused(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    step = world.add(story)
    with pytest.raises(ValueError, match="does not follow"):
        async with store.write() as unit:
            await unit.stories.save(step, step.story.version)


async def test_without_a_commit_nothing_is_kept(store: SqlStore, world: World) -> None:
    step = world.start()
    async with store.write() as unit:
        await unit.stories.add(step)
        assert await unit.stories.load(step.story.id) == step.story
    assert await loaded(store, step.story.id) is None


async def test_two_commits_in_one_unit_are_both_kept(store: SqlStore, world: World) -> None:
    step = world.start()
    async with store.write() as unit:
        await unit.stories.add(step)
        await unit.commit()
        after = world.add(step.story)
        await unit.stories.save(after, step.story.version)
        await unit.commit()
    assert await loaded(store, step.story.id) == after.story


async def test_a_redelivered_key_is_found_and_adds_nothing(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    story = await saved(store, story, world.add(story, "Once.", key="i:77"))
    async with store.read() as unit:
        assert await unit.stories.find_key("i:77") == (story.id, story.journal[-1].id)
    with pytest.raises(ConflictError):
        await saved(store, story, world.add(story, "Once.", key="i:77"))
    assert await loaded(store, story.id) == story


async def test_a_key_is_unique_across_stories(store: SqlStore, world: World) -> None:
    first = await added(store, world.start("a"))
    second = await added(store, world.start("b"))
    await saved(store, first, world.add(first, key="k"))
    with pytest.raises(ConflictError):
        await saved(store, second, world.add(second, key="k"))


async def test_adding_the_same_story_twice_conflicts(store: SqlStore, world: World) -> None:
    step = world.start()
    await added(store, step)
    with pytest.raises(ConflictError):
        await added(store, step)


async def test_half_a_character_is_refused_as_input(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    step = world.add(story, "broken \udc80 text")
    with pytest.raises(InvalidInputError):
        await saved(store, story, step)
    assert await loaded(store, story.id) == story


@pytest.mark.parametrize(
    "text", ["\x00 nul", "🐉" * 700, "龙的传说", "\u202ertl \u200b", "%_\\'\";--"]
)
async def test_odd_characters_come_back_exactly(store: SqlStore, world: World, text: str) -> None:
    story = await added(store, world.start(title=text))
    story = await saved(store, story, world.add(story, text + "."))
    assert await loaded(store, story.id) == story


async def test_a_new_story_archives_the_one_before(store: SqlStore, world: World) -> None:
    first = await added(store, world.start("here"))
    other = await added(store, world.start("there"))
    second = await added(store, world.start("here"))
    async with store.read() as unit:
        assert await unit.stories.current_id("here") == second.id
        assert await unit.stories.current("here") == second
        assert await unit.stories.current_id("there") == other.id
        archived = await unit.stories.load(first.id)
    assert archived is not None
    assert not archived.is_current


async def test_an_archived_story_is_opened_again(store: SqlStore, world: World) -> None:
    first = await added(store, world.start("here"))
    second = await added(store, world.start("here"))
    async with store.write() as unit:
        await unit.stories.set_current(first.id, "here")
        await unit.commit()
    async with store.read() as unit:
        assert await unit.stories.current_id("here") == first.id
        archived = await unit.stories.load(second.id)
    assert archived is not None
    assert not archived.is_current


async def test_a_story_can_be_opened_in_another_place(store: SqlStore, world: World) -> None:
    story = await added(store, world.start("here"))
    async with store.write() as unit:
        await unit.stories.set_current(story.id, "there")
        await unit.commit()
    async with store.read() as unit:
        assert await unit.stories.current_id("here") is None
        assert await unit.stories.current_id("there") == story.id


async def test_a_passage_leads_to_its_story(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    story = await saved(store, story, world.add(story))
    async with store.read() as unit:
        assert await unit.stories.story_of_passage(next(iter(story.passages))) == story.id


async def test_deleting_blanks_every_word_and_keeps_the_structure(
    store: SqlStore, world: World, url: str
) -> None:
    story = await added(store, world.start())
    story = await grow(store, story, world.add, world.answer)
    job = Job(
        id=world.id(),
        story_id=story.id,
        kind=JobKind.ANSWER,
        turn_id=1,
        parent_id=None,
        author_id=world.mira.id,
        seed=1,
    )
    item = InboxItem(
        id=world.id(),
        story_id=story.id,
        author=world.mira,
        text="secret",
        key="k",
        wants_answer=True,
        arrived_at=world.now,
    )
    async with store.write() as unit:
        await unit.jobs.add(job)
        assert await unit.inbox.add(item)
        await unit.stories.blank(story.id)
        await unit.commit()
    async with store.read() as unit:
        assert await unit.stories.load(story.id) is None
        assert await unit.stories.current_id(story.place) is None
        assert await unit.stories.summaries(None) == []
        assert await unit.inbox.waiting(story.id) == []
        ended = await unit.jobs.get(job.id)
        assert await unit.stories.story_of_passage(next(iter(story.passages))) == story.id
    assert ended is not None
    assert ended.status is JobStatus.CANCELLED
    with pytest.raises(ConflictError):
        await saved(store, story, world.add(story))
    report = await check(url)
    assert (report.problems, report.passages) == ((), 2)
    async with store.write() as unit:
        await unit.stories.set_current(story.id, story.place)
        await unit.commit()
    async with store.read() as unit:
        assert await unit.stories.current_id(story.place) is None


async def test_forgotten_words_are_overwritten_in_the_file(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    story = await saved(store, story, world.add(story, "unmistakable-marker " * 20))
    async with store.write() as unit:
        await unit.stories.blank(story.id)
        await unit.commit()
    await store.aclose()  # folds the write-ahead log into the file
    assert b"unmistakable-marker" not in store.path.read_bytes()


async def test_summaries_show_what_a_list_needs(store: SqlStore, world: World) -> None:
    story = await added(store, world.start())
    story = await grow(store, story, world.add, world.answer)
    story = await saved(store, story, actions.undo(story, world.stamp()))
    story = await saved(store, story, world.add(story))
    async with store.read() as unit:
        (summary,) = await unit.stories.summaries(story.place)
    assert summary == StorySummary(
        id=story.id,
        place=story.place,
        guild_id=9,
        title="The Lamp",
        status=StoryStatus.WRITING,
        is_current=True,
        passages=1,
        updated_at=story.updated_at,
        starter_name="Mira",
        starter_user_id=4711,
    )


async def test_summaries_are_newest_first_by_place_or_guild(store: SqlStore, world: World) -> None:
    first: Story = await added(store, world.start("a", title="One"))
    await added(store, world.start("a", title="Two"))
    await added(store, world.start("b", title="Three"))
    await added(store, world.start("c", title="Four", guild_id=None))
    await saved(store, first, world.add(first))
    assert await _titles(store, "a") == ["One", "Two"]
    assert await _titles(store, guild_id=9) == ["One", "Three", "Two"]
    assert await _titles(store, "b", guild_id=9) == ["Three"]
    assert await _titles(store) == ["One", "Four", "Three", "Two"]
    async with store.read() as unit:
        page = await unit.stories.summaries("a", limit=1, offset=1)
    assert [summary.title for summary in page] == ["Two"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["100% wool_coat", "龙的传说", "Élan vital", "The Dragon\u2019s Egg", ""]),
        ("drag", ["The Dragon\u2019s Egg"]),
        ("DRAGON'S", ["The Dragon\u2019s Egg"]),
        ("egg the", ["The Dragon\u2019s Egg"]),
        ("ragon", []),
        ("él", ["Élan vital"]),
        ("ÉLAN", ["Élan vital"]),
        ("传说", ["龙的传说"]),
        ("%", ["100% wool_coat"]),
        ("_", ["100% wool_coat"]),
        ("\\", []),
        ("w%l", []),
        ("   ", ["100% wool_coat", "龙的传说", "Élan vital", "The Dragon\u2019s Egg", ""]),
        ("x" * 5000, []),
        ("the " * 500, ["The Dragon\u2019s Egg"]),
    ],
)
async def test_titles_are_found_by_their_words_beginnings(
    store: SqlStore, world: World, query: str, expected: list[str]
) -> None:
    for title in ("", "The Dragon\u2019s Egg", "Élan vital", "龙的传说", "100% wool_coat"):
        await added(store, world.start("p", title=title))
    assert await _titles(store, "p", query) == expected


async def test_a_renamed_story_is_found_by_its_new_title_and_after_undo_by_the_old(
    store: SqlStore, world: World
) -> None:
    story = await added(store, world.start("p", title="Old"))
    story = await saved(store, story, actions.rename(story, world.stamp(), "Brand New"))
    assert await _titles(store, "p", "bra") == ["Brand New"]
    await saved(store, story, actions.undo(story, world.stamp()))
    assert await _titles(store, "p", "bra") == []
    assert await _titles(store, "p", "ol") == ["Old"]


async def test_an_author_is_stored_once_and_keeps_the_id(store: SqlStore, world: World) -> None:
    async with store.write() as unit:
        first = await unit.stories.author(Author(50, AuthorKind.MEMBER, "Mira", "discord", 7))
        again = await unit.stories.author(Author(51, AuthorKind.MEMBER, "Mirabel", "discord", 7))
        nameless = await unit.stories.author(Author(52, AuthorKind.MEMBER, "", "discord", 7))
        elsewhere = await unit.stories.author(Author(53, AuthorKind.MEMBER, "M", "terminal", 7))
        model = await unit.stories.author(Author(54, AuthorKind.MODEL, "gpt2"))
        same_model = await unit.stories.author(Author(55, AuthorKind.MODEL, "gpt2"))
        other_model = await unit.stories.author(Author(56, AuthorKind.MODEL, "smollm2"))
        forgotten = await unit.stories.author(Author(57, AuthorKind.MEMBER, ""))
        still = await unit.stories.author(Author(57, AuthorKind.MEMBER, ""))
        await unit.commit()
    assert first == Author(50, AuthorKind.MEMBER, "Mira", "discord", 7)
    assert again == nameless == Author(50, AuthorKind.MEMBER, "Mirabel", "discord", 7)
    assert (elsewhere.id, model.id, same_model.id, other_model.id) == (53, 54, 54, 56)
    assert forgotten == still


async def test_a_step_brings_an_authors_new_name_but_nobody_back(
    store: SqlStore, world: World
) -> None:
    story = await added(store, world.start())
    renamed = replace(world.mira, name="Mira B.")
    story = await saved(store, story, actions.add(story, world.stamp(renamed), "Words."))
    assert await loaded(store, story.id) == story
    async with store.write() as unit:
        forgotten = replace(world.mira, name="", user_id=None)
        assert isinstance(unit, SqlUnitOfWork)
        await unit._session.execute(sa.update(t.authors).values(name="", user_id=None))
        await unit.commit()
    again = replace(world.mira, name="Mira C.")
    story = await saved(store, story, actions.add(story, world.stamp(again), "More."))
    found = await loaded(store, story.id)
    assert found is not None
    assert found.authors == {world.mira.id: forgotten}
