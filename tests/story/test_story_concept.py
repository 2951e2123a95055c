# ruff: noqa: RUF001 -- Chinese punctuation is meant
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UnknownCommandError
from bot.story.concept import (
    ConceptField,
    Wish,
    concept_from_json,
    concept_of,
    concept_to_json,
    fallback,
    field_prompt,
    field_text,
    missing_fields,
    parse_field,
    read_field,
    with_field,
)
from bot.story.concept_examples import EXAMPLES
from bot.story.concept_tables import (
    COMPANIONS,
    GENRE_ALIASES,
    GENRE_CLUES,
    GENRES,
    NAMES,
    ROLES,
    SETTINGS,
    SKELETONS,
    THEMES,
    TITLES,
)
from bot.story.fables import moral_prompt
from bot.story.formats import known_format, read_age, read_format
from bot.story.model import CastMember, Concept

LINES = (
    st.text(st.characters(categories=["L", "N"], include_characters=" ,"), min_size=1)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
CONCEPTS = st.builds(
    Concept,
    title=st.text(),
    genre=st.text(),
    theme=st.text(),
    setting=st.text(),
    premise=st.text(),
    cast=st.lists(
        st.builds(CastMember, name=LINES, line=st.one_of(st.just(""), LINES)), max_size=50
    ).map(tuple),
    plot=st.lists(LINES, max_size=50).map(tuple),
    beat=st.integers(0, 9),
)


@given(CONCEPTS)
def test_a_concept_survives_its_storage(concept: Concept) -> None:
    assert concept_from_json(concept_to_json(concept)) == concept


@given(CONCEPTS)
def test_lists_survive_being_shown_and_read(concept: Concept) -> None:
    for field in (ConceptField.CAST, ConceptField.PLOT):
        again = with_field(concept, field, read_field(field, field_text(concept, field)))
        assert field_text(again, field) == field_text(concept, field)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        "null",
        "[" * 100_000,
        '"x"',
        "{}",
        '{"version": 99, "mood": "sad"}',
        '{"title": 5, "cast": {}, "plot": "x", "beat": -1}',
        '{"cast": [1, {}, {"name": 2}], "plot": [3]}',
        '{"beat": true, "format": null}',
    ],
)
def test_reading_a_stored_concept_never_fails(body: str) -> None:
    assert concept_from_json(body) == Concept()


def test_what_is_known_of_a_newer_concept_is_kept() -> None:
    body = json.dumps(
        {"version": 2, "title": "Lamp", "cast": [{"name": "Mira", "line": 4}], "x": 1}
    )
    assert concept_from_json(body) == Concept(title="Lamp", cast=(CastMember(name="Mira"),))


def test_a_wish_becomes_the_beginning_of_a_concept() -> None:
    wish = Wish(premise=" A fox. ", title=" The  Fox ", genre="Sci-Fi", plot=("one",), format="")
    concept = concept_of(wish)
    assert concept == Concept(
        premise="A fox.", title="The Fox", genre="science fiction", plot=("one",), format=""
    )
    assert missing_fields(concept) == (
        ConceptField.SETTING,
        ConceptField.CAST,
        ConceptField.THEME,
    )
    assert concept_of(Wish(genre="solar  punk")).genre == "solar punk"


def test_fields_are_edited_as_text() -> None:
    concept = Concept(cast=(CastMember(name="Mira", line="a lamplighter"), CastMember(name="Fox")))
    assert field_text(concept, ConceptField.CAST) == "Mira: a lamplighter\nFox"
    assert read_field(ConceptField.CAST, "Mira : a  lamplighter\n\n米拉：点灯人\n: nobody") == (
        CastMember(name="Mira", line="a lamplighter"),
        CastMember(name="米拉", line="点灯人"),
    )
    assert read_field(ConceptField.PLOT, " one \n\n two") == ("one", "two")
    assert read_field(ConceptField.GENRE, "Ghost story") == "horror"
    assert read_field(ConceptField.THEME, "fear\nof water") == "fear of water"
    for field in (ConceptField.GENRE, ConceptField.SETTING, ConceptField.THEME, ConceptField.TITLE):
        assert field_text(with_field(Concept(beat=2), field, "x"), field) == "x"
    assert with_field(Concept(beat=2), ConceptField.PLOT, ("a",)).beat == 0


def test_the_tables_are_whole() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 20
    assert sum(map(len, THEMES.values())) >= 12
    for table in (THEMES, SETTINGS, ROLES, SKELETONS, TITLES, GENRE_CLUES):
        assert set(table) == set(GENRES)
    assert set(GENRE_ALIASES.values()) <= set(GENRES)
    known = {name for example in EXAMPLES for name, _ in example.cast}
    assert known.isdisjoint(NAMES)


@given(st.integers(0, 2**63 - 1), st.sampled_from(["", *GENRES, "solarpunk"]))
def test_the_tables_fill_every_field_the_same_for_the_same_seed(seed: int, genre: str) -> None:
    def fill() -> Concept:
        concept = Concept(genre=genre)
        for field in missing_fields(concept):
            concept = with_field(concept, field, fallback(field, concept, seed))
        return concept

    concept = fill()
    assert missing_fields(concept) == ()
    assert concept == fill()
    assert "{" not in concept_to_json(concept)[1:-1].replace('{"name"', "")
    assert len({member.name for member in concept.cast}) == 2


def test_other_seeds_give_other_stories() -> None:
    titles = {fallback(ConceptField.CAST, Concept(genre="fantasy"), seed) for seed in range(40)}
    assert len(titles) > 20


@pytest.mark.parametrize(
    ("premise", "genre"),
    [
        ("A dragon learns magic.", "fantasy"),
        ("Who murdered the detective?", "mystery"),
        ("The last robot on a starship", "science fiction"),
    ],
)
def test_a_premise_gives_its_genre_away(premise: str, genre: str) -> None:
    assert fallback(ConceptField.GENRE, Concept(premise=premise), 1) == genre


@pytest.mark.parametrize(
    ("premise", "names"),
    [
        ("A robot named Bolt learns to garden on Mars.", ["Bolt"]),
        ("Mira, a lamplighter, meets Tobin.", ["Mira", "Tobin"]),
        ("It rains. Mira finds a lamp.", ["Mira"]),
        ("Nobody knows why. Two sisters inherit a bakery in Rome.", []),
    ],
)
def test_the_people_of_a_premise_play_their_part(premise: str, names: list[str]) -> None:
    cast = fallback(ConceptField.CAST, Concept(premise=premise), 3)
    told = [member.name for member in cast if isinstance(member, CastMember) and not member.line]
    assert told == names
    lead = field_prompt(ConceptField.CAST, Concept(premise=premise), 3).lead
    assert lead == f" {cast[0].name}," if isinstance(cast[0], CastMember) else False


@pytest.mark.parametrize("field", list(ConceptField))
def test_a_prompt_shows_examples_and_ends_where_the_answer_begins(field: ConceptField) -> None:
    concept = Concept(premise="A fox and a map.", genre="adventure")
    prompt = field_prompt(field, concept, 7)
    assert prompt == field_prompt(field, concept, 7)
    assert "Story: A fox and a map." in prompt.text
    assert prompt.text.endswith(prompt.lead)
    assert prompt.text == prompt.text.rstrip()
    assert prompt.stop == ("\n",)
    assert len({field_prompt(field, concept, seed).text for seed in range(20)}) > 5


def test_prompts_without_a_premise_agree_on_a_genre() -> None:
    story = {
        field_prompt(field, Concept(), 5).text.split("\n\n")[-1].split("\n")[0]
        for field in ConceptField
    }
    assert len(story) == 1


@pytest.mark.parametrize("field", list(ConceptField))
def test_copies_of_the_examples_are_turned_down(field: ConceptField) -> None:
    for example in EXAMPLES:
        raw = {
            ConceptField.GENRE: "no genre",
            ConceptField.SETTING: example.setting,
            ConceptField.THEME: example.theme,
            ConceptField.TITLE: example.title,
            ConceptField.CAST: "; ".join(f"{name}, {line}" for name, line in example.cast),
            ConceptField.PLOT: " ".join(f"{n}. {beat}." for n, beat in enumerate(example.plot, 1)),
        }[field]
        assert parse_field(field, f" {raw}") is None


@pytest.mark.parametrize("field", list(ConceptField))
@pytest.mark.parametrize(
    "raw",
    [
        "",
        "  \n ",
        "...",
        "12",
        "Sure, here is a title",
        "As an AI language model, I cannot",
        "Title: Theme: Setting:",
        "the the the the the the",
        "x" * 300,
        "[insert]",
        "http://x.example",
    ],
)
def test_what_left_the_task_is_turned_down(field: ConceptField, raw: str) -> None:
    assert parse_field(field, raw) is None


def test_good_answers_are_taken() -> None:
    assert parse_field(ConceptField.TITLE, ' "the Salt Road".\nStory: x') == "The Salt Road"
    assert parse_field(ConceptField.GENRE, " Fantasy.") == "fantasy"
    assert parse_field(ConceptField.GENRE, " a sandwich") is None
    assert (
        parse_field(ConceptField.SETTING, " a farm in the mountains.") == "a farm in the mountains"
    )
    assert parse_field(ConceptField.SETTING, " a young woman with a hat") is None
    assert parse_field(ConceptField.THEME, " learning to wait; and more") is None
    assert parse_field(ConceptField.THEME, " learning to wait") == "learning to wait"
    assert parse_field(
        ConceptField.CAST, " Bolt, a robot who waits; and Fen, a frog; a dog, tired; Bolt, again; X"
    ) == (CastMember(name="Bolt", line="a robot who waits"), CastMember(name="Fen", line="a frog"))
    assert parse_field(ConceptField.CAST, " a dog") is None
    assert parse_field(
        ConceptField.PLOT,
        " 1. Bolt plants a seed. 2. rain does not come. 3. a cloud is bought. 4. more.",
    ) == ("Bolt plants a seed", "rain does not come", "a cloud is bought")
    assert parse_field(ConceptField.PLOT, " 1. Bolt plants a seed. 2. rain.") is None
    assert (
        parse_field(ConceptField.PLOT, " 1. a cat ran off. 2. a cat ran off. 3. rain fell.") is None
    )
    assert parse_field(ConceptField.PLOT, ' 1. "Hi" he said. 2. rain fell. 3. sun shone.') is None
    assert parse_field(ConceptField.PLOT, " 1. Bo is a cat. 2. rain fell. 3. sun shone.") is None
    assert (
        parse_field(ConceptField.PLOT, " 1. Bo is given a cat. 2. rain fell. 3. sun shone.")
        is not None
    )


@pytest.mark.parametrize(
    ("premise", "hero", "place"),
    [
        ("A shy fox opens a bakery in a snowy village", "a shy fox", "a snowy village"),
        (
            "A girl whose shadow leaves her, in a city of glass.",
            "a girl whose shadow leaves her",
            "a city of glass",
        ),
        ("an old glass ship sails again", "an old glass ship", ""),
        (
            "A princess dreams. It rains inside the walled town where she lives",
            "a princess",
            "the walled town",
        ),
        ("The ghosts of a bus station", "", ""),
        ("A letter to nobody is found", "", ""),
        ("The old gods wake", "", ""),
        ("Once more", "", ""),
        ("", "", ""),
    ],
)
def test_the_tables_say_nothing_against_the_premise(premise: str, hero: str, place: str) -> None:
    concept = Concept(premise=premise)
    cast = fallback(ConceptField.CAST, concept, 3)
    assert isinstance(cast, tuple)
    first, second = cast
    assert isinstance(first, CastMember)
    assert isinstance(second, CastMember)
    setting = fallback(ConceptField.SETTING, concept, 3)
    if hero:
        assert first.line == hero
        assert second.line in COMPANIONS
    else:
        assert second.line not in COMPANIONS
    if place:
        assert setting == place
    else:
        assert setting in {each for settings in SETTINGS.values() for each in settings}


def test_a_concept_keeps_its_format_and_its_readers_age() -> None:
    concept = concept_of(Wish(format="lesson", reader_age=8))
    assert (concept.format, concept.reader_age) == ("lesson", 8)
    assert concept_from_json(concept_to_json(concept)) == concept
    assert concept_from_json('{"reader_age": true}').reader_age == 0
    assert concept_from_json('{"reader_age": 700}').reader_age == 18


@pytest.mark.parametrize(
    ("given", "known"), [("Fable ", "fable"), ("", "prose"), ("SCREENPLAY", "screenplay")]
)
def test_a_format_is_read_as_it_is_typed(given: str, known: str) -> None:
    assert read_format(given) == known


def test_an_unknown_format_is_refused_with_the_nearest_and_an_old_one_is_prose() -> None:
    with pytest.raises(UnknownCommandError) as caught:
        read_format("screenpay")
    assert caught.value.data["near"] == "screenplay"
    assert known_format("opera") == "prose"


@pytest.mark.parametrize("given", ["x", "2", "99", "-8", "8.5"])
def test_an_age_out_of_range_is_refused(given: str) -> None:
    assert read_age(" 8 ") == 8
    assert read_age("") == 0
    with pytest.raises(UnknownCommandError):
        read_age(given)


def test_a_moral_is_asked_for_after_the_story_and_never_taken_from_the_examples() -> None:
    concept = Concept(theme="envy", premise="A crow envies a swan.")
    asked = moral_prompt(concept, "The crow washed all day. " * 40)
    assert asked.text.endswith("washed all day.\nTheme: envy\nMoral:")
    assert "A crow envies a swan." in asked.text
    assert "crow" not in asked.blind
    assert asked.blind.endswith("\nMoral:")
    assert "Slow and steady wins the race." in asked.shown
    assert len(asked.text) - len(asked.blind) < 600
    chinese = moral_prompt(Concept(), "乌鸦整天洗澡，可是它还是黑的。")
    assert chinese.text.endswith("乌鸦整天洗澡，可是它还是黑的。\n寓意：")
