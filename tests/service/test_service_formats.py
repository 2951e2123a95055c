"""A story has the form of its format, and its record says how it came to have it."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bot.engine.scripted import ScriptedBackend
from bot.engine.types import GenerationRequest, ScoreRequest
from bot.errors import UnknownCommandError
from bot.policy.rights import FormatOffError, GenreOffError
from bot.service.engine_holder import EngineHolder
from bot.service.morals import CANDIDATES
from bot.story import tree
from bot.story.concept import Wish
from bot.story.model import CastMember, Concept, Passage
from bot.story.narrative import narrative
from bot.text.forms import fable, fountain, lesson, screenplay
from tests.service.service_world import World

MORAL = " Those who share their bread are never alone."
SPEECHES = (
    " Who left the window open?",
    " (softly) Nobody has been in this room since Tuesday.",
    " Then somebody must own a second key.",
    " My brother used to keep one under the carpet.",
    " Show me where he slept.",
    " You will not like what stands on the wall.",
    " Bring a lamp, and do not wake the cook.",
    " She has been awake for hours already.",
    " Why did you never tell anyone?",
    " Because they all believed the ghost.",
)
ACTIONS = (
    " the lamp to the window and waits.",
    " under the bed, where dust lies thick.",
    " slowly towards a small green door.",
    " a torn letter from the drawer.",
)
CONCEPT = Concept(
    title="The Empty Chair",
    format="screenplay",
    setting="an old hotel at night",
    cast=(CastMember(name="Nora"), CastMember(name="Felix")),
)


def tail(request: GenerationRequest) -> str:
    return "".join(part.text for part in request.prompt)


class Player:
    """Answers as the words before ask for: a speech after a cue, an action after a name."""

    def __init__(self, spoil: Callable[[int, str], str] = lambda _, text: text) -> None:
        self._speeches: Iterator[str] = itertools.cycle(SPEECHES)
        self._actions: Iterator[str] = itertools.cycle(ACTIONS)
        self._number = itertools.count()
        self._spoil = spoil

    def __call__(self, request: GenerationRequest) -> str:
        is_speech = tail(request).endswith(":")
        return self._spoil(next(self._number), next(self._speeches if is_speech else self._actions))


async def played(world: World, player: Player, concept: Concept = CONCEPT) -> Passage:
    await world.boot(EngineHolder.of(ScriptedBackend(player)))
    receipt = await world.stories.start(world.ada, world.place, concept, None, key=world.key())
    await world.finished(receipt)
    (passage,) = tree.path(await world.story())
    return passage


async def test_a_screenplay_has_heading_action_and_speeches(small_world: World) -> None:
    passage = await played(small_world, Player())
    text = narrative(await small_world.story())
    assert text.startswith("INT. OLD HOTEL - NIGHT\n\n")
    assert "\n\nNORA\n" in text
    assert "\n\nFELIX\n" in text
    assert screenplay.check(text) == ()
    assert passage.provenance is not None
    assert passage.provenance.form == "kept"


async def test_the_model_sees_a_play_and_its_lines_are_asked_for_one_by_one(
    small_world: World,
) -> None:
    backend = ScriptedBackend(Player())
    await small_world.boot(EngineHolder.of(backend))
    receipt = await small_world.stories.start(
        small_world.ada, small_world.place, CONCEPT, None, key=small_world.key()
    )
    await small_world.finished(receipt)
    await small_world.finished(await small_world.say("Nora finds a key."))
    seen = tail(backend.requests[-1])
    assert "written as a play" in seen
    assert "\nNORA\n" not in seen
    assert "\n\nNora: " in seen
    assert "Nora finds a key." in seen
    assert all(request.stop == ("\n",) for request in backend.requests)
    story = await small_world.story()
    assert screenplay.check(narrative(story)) == ()
    assert narrative(story).count("OLD HOTEL") == 1


async def test_the_same_seed_writes_the_same_scene(small_world: World) -> None:
    texts = []
    for _ in range(2):
        small_world._seeds = itertools.count(7)
        await played(small_world, Player())
        texts.append(narrative(await small_world.story()))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("spoil", "form"),
    [
        # The first candidates of the third element are labels, later ones are good.
        (lambda at, text: "Felix: No." if 8 <= at < 12 else text, "resampled"),
        (lambda _, text: text.rstrip(".?"), "repaired"),
    ],
)
async def test_what_has_faults_is_sampled_again_and_then_put_right(
    small_world: World, spoil: Callable[[int, str], str], form: str
) -> None:
    passage = await played(small_world, Player(spoil))
    assert passage.provenance is not None
    assert passage.provenance.form == form
    assert screenplay.check(narrative(await small_world.story())) == ()


@pytest.mark.parametrize("cast", [(), (CastMember(name="Nora"),)])
async def test_nobody_has_a_dialogue_alone(
    small_world: World, cast: tuple[CastMember, ...]
) -> None:
    await played(small_world, Player(), replace(CONCEPT, cast=cast))
    elements = fountain.parse(narrative(await small_world.story())).elements
    spoken = fountain.speakers(elements)
    assert len(spoken) == 2
    assert not cast or "NORA" in spoken


async def test_a_screenplay_ends_with_a_fade(small_world: World) -> None:
    await played(small_world, Player())
    receipt = await small_world.stories.end(
        small_world.ada, small_world.place, key=small_world.key()
    )
    await small_world.finished(receipt)
    assert narrative(await small_world.story()).endswith("\n\n> FADE OUT.")


async def test_half_a_sentence_of_a_member_is_gone_on_with(small_world: World) -> None:
    await small_world.boot(EngineHolder.of(ScriptedBackend(Player())))
    receipt = await small_world.stories.start(
        small_world.ada, small_world.place, CONCEPT, "Nora carries", key=small_world.key()
    )
    await small_world.finished(receipt)
    first = narrative(await small_world.story()).split("\n\n")[0]
    assert first in {f"Nora carries{action}" for action in ACTIONS}


async def ended(world: World, backend: ScriptedBackend, concept: Concept) -> Passage:
    await world.boot(EngineHolder.of(backend))
    opening = "Once an ant met a cricket. The cricket was hungry, and the ant had bread."
    receipt = await world.stories.start(world.ada, world.place, concept, opening, key=world.key())
    await world.finished(receipt)
    await world.finished(await world.stories.end(world.ada, world.place, key=world.key()))
    return tree.path(await world.story())[-1]


def fabulist(morals: tuple[str, ...]) -> Callable[[GenerationRequest], str]:
    drawn = itertools.cycle(morals)

    def answer(request: GenerationRequest) -> str:
        return next(drawn) if tail(request).endswith("Moral:") else " They ate together in the sun."

    return answer


async def test_a_fable_ends_with_the_moral_that_the_story_makes_likeliest(
    small_world: World,
) -> None:
    def score(request: ScoreRequest) -> float:
        is_told = "cricket" in "".join(part.text for part in request.prompt)
        if "share" in request.text:
            return -2.0 if is_told else -20.0
        return -1.0

    morals = (" Time is the best of all teachers.", MORAL, " The ant was a good friend.")
    backend = ScriptedBackend(fabulist(morals), score=score)
    passage = await ended(small_world, backend, Concept(format="fable"))
    text = narrative(await small_world.story())
    assert text.endswith(f"\n\nMoral:{MORAL}")
    assert fable.check(text) == ()
    assert passage.provenance is not None
    assert passage.provenance.form == "kept"
    assert sum(tail(one).endswith("Moral:") for one in backend.requests) == CANDIDATES


@pytest.mark.parametrize(
    ("morals", "form"),
    [
        ((" The ant was kind.",) * CANDIDATES + (MORAL,) * CANDIDATES, "resampled"),
        ((" The ant was kind.",), "missed"),
    ],
)
async def test_morals_are_drawn_again_and_never_made_up(
    small_world: World, morals: tuple[str, ...], form: str
) -> None:
    backend = ScriptedBackend(fabulist(morals))
    passage = await ended(small_world, backend, Concept(format="fable"))
    text = narrative(await small_world.story())
    assert passage.provenance is not None
    assert passage.provenance.form == form
    assert ("Moral:" in text) == (form == "resampled")


async def test_a_lesson_that_is_too_short_is_told_so(small_world: World) -> None:
    concept = Concept(format="lesson", reader_age=8)
    passage = await ended(small_world, ScriptedBackend((" They ate.",)), concept)
    assert passage.provenance is not None
    assert passage.provenance.form == "missed"
    long = (
        " The grandmother carried the lantern through the narrow valley. Mira followed the old"
        " fisherman to the harbour. They discovered a silver key under the enormous stones."
    )
    passage = await ended(small_world, ScriptedBackend((long,)), concept)
    assert passage.provenance is not None
    assert passage.provenance.form == "kept"
    text = narrative(await small_world.story())
    assert lesson.check(lesson.derive(text, age=8), text) == ()


async def test_forms_are_counted_without_a_word_of_text(small_world: World) -> None:
    concept = Concept(format="lesson", reader_age=8)
    await ended(small_world, ScriptedBackend((" They ate.",)), concept)
    assert small_world.stories.form_outcomes == {("lesson", "missed"): 1}
    await ended(small_world, ScriptedBackend(fabulist((MORAL,))), Concept(format="fable"))
    assert small_world.stories.form_outcomes == {("fable", "kept"): 1}  # the service is a new one


async def test_only_formats_and_genres_that_are_on_can_be_started(small_world: World) -> None:
    world = small_world
    for name, value in (("formats", "lesson, fable"), ("genres", "Fairy Tale, sci-fi")):
        await world.settings.set(world.mod, world.place, "channel", name, value)
    draft, place = world.concepts.draft, world.place
    wish = Wish(premise="A fox.", genre="science fiction")
    card = await draft(world.ada, place, wish, None, key=world.key())
    assert (card.concept.format, card.concept.genre) == ("lesson", "science fiction")
    with pytest.raises(FormatOffError, match=r"prose cannot.*lesson, fable"):
        await world.concepts.edit(world.ada, card.id, {"format": "prose"})
    with pytest.raises(GenreOffError, match=r"horror cannot.*Fairy Tale"):
        await draft(world.ada, place, Wish(genre="horror"), None, key=world.key())
    for concept, error in (
        (Concept(format="screenplay"), FormatOffError),
        (Concept(format="fable", genre="horror"), GenreOffError),
    ):
        with pytest.raises(error):
            await world.stories.start(world.ada, place, concept, "Once.", key=world.key())
    await world.settings.set(world.mod, place, "channel", "formats", "fable")
    with pytest.raises(FormatOffError):  # it was off by the time that it was to begin
        await world.concepts.begin(world.ada, place, card.id, key=world.key())


async def test_the_genre_of_a_card_is_one_that_is_on(small_world: World) -> None:
    world = small_world
    await world.settings.set(world.mod, world.place, "channel", "genres", "romance, western")
    for _ in range(3):
        wish = Wish(premise="A fox.")
        card = await world.concepts.draft(world.ada, world.place, wish, None, key=world.key())
        assert card.concept.genre in {"romance", "western"}


async def test_a_story_under_way_goes_on_in_a_format_that_was_switched_off(
    small_world: World,
) -> None:
    world = small_world
    await world.stories.start(
        world.ada, world.place, Concept(format="fable"), "Once.", key=world.key()
    )
    await world.settings.set(world.mod, world.place, "channel", "formats", "prose")
    await world.finished(await world.say("A fox came."))
    assert tree.concept(await world.story()).format == "fable"


async def test_a_card_takes_a_format_and_an_age_and_refuses_others(small_world: World) -> None:
    world = small_world
    wish = Wish(format="lesson", reader_age=8, premise="A fox.")
    card = await world.concepts.draft(world.ada, world.place, wish, None, key=world.key())
    assert (card.concept.format, card.concept.reader_age) == ("lesson", 8)
    card = await world.concepts.edit(world.ada, card.id, {"format": "Screenplay", "age": ""})
    assert (card.concept.format, card.concept.reader_age) == ("screenplay", 0)
    with pytest.raises(UnknownCommandError):
        await world.concepts.edit(world.ada, card.id, {"format": "opera"})
    with pytest.raises(UnknownCommandError):
        await world.stories.start(
            world.ada, world.place, Concept(format="opera"), "Once.", key=world.key()
        )
