"""Fountain as https://fountain.io/syntax has it, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.forms.fountain import Element, Kind, Script, escape, parse, speakers, write

TWO_SPACES = "  "
BIG_FISH = f"""Title: Big Fish
Credit: written by
Authors:
    John August
    another

INT.  HOSPITAL ROOM - DAY

A girl sits at the foot of Edward's bed.
She listens.

STEEL (O.S.)
(beer raised)
To retirement.

BRICK ^
To retirement.
{TWO_SPACES}
And to us.

CUT TO:

.SNIPER SCOPE POV

!SCANNING THE AISLES...
Where is that pit boss?

@McCLANE
Yippie ki-yay!
~Willy Wonka!

> THE END <

# Act Two
= They meet.
===
>Burn to White.
"""


def test_the_elements_of_the_specification_are_read() -> None:
    script = parse(BIG_FISH)
    assert script.title_page == (
        ("Title", "Big Fish"),
        ("Credit", "written by"),
        ("Authors", "John August\nanother"),
    )
    assert script.elements == (
        Element(Kind.HEADING, "INT.  HOSPITAL ROOM - DAY"),
        Element(Kind.ACTION, "A girl sits at the foot of Edward's bed.\nShe listens."),
        Element(Kind.CHARACTER, "STEEL (O.S.)"),
        Element(Kind.PARENTHETICAL, "(beer raised)"),
        Element(Kind.DIALOGUE, "To retirement."),
        Element(Kind.CHARACTER, "BRICK", is_dual=True),
        Element(Kind.DIALOGUE, "To retirement.\n\nAnd to us."),
        Element(Kind.TRANSITION, "CUT TO:"),
        Element(Kind.HEADING, "SNIPER SCOPE POV"),
        Element(Kind.ACTION, "SCANNING THE AISLES...\nWhere is that pit boss?"),
        Element(Kind.CHARACTER, "McCLANE"),
        Element(Kind.DIALOGUE, "Yippie ki-yay!"),
        Element(Kind.LYRICS, "Willy Wonka!"),
        Element(Kind.CENTRED, "THE END"),
        Element(Kind.SECTION, "Act Two", level=1),
        Element(Kind.SYNOPSIS, "They meet."),
        Element(Kind.PAGE_BREAK),
        Element(Kind.TRANSITION, "Burn to White."),
    )
    assert speakers(script.elements) == ["STEEL", "BRICK", "McCLANE"]


@pytest.mark.parametrize(
    "heading", ["int house", "EXT. ROAD", "EST. CITY", "INT./EXT. CAR", "int/ext car", "I/E car"]
)
def test_a_heading_stands_apart(heading: str) -> None:
    assert parse(f"{heading}\n\nRain.").elements[0] == Element(Kind.HEADING, heading)
    assert parse(f"{heading}\nRain.").elements[0].kind is not Kind.HEADING


@pytest.mark.parametrize("action", ["INTERIOR.", "..and then.", "ESTHER waits.", "TO: NOBODY"])
def test_what_only_begins_like_a_mark_is_action(action: str) -> None:
    assert parse(f"Rain.\n\n{action}\n\nSnow.").elements[1] == Element(Kind.ACTION, action)


def test_a_boneyard_is_left_out_and_words_are_kept_from_opening_one() -> None:
    assert parse("One /* two\n\nthree */four").elements == (Element(Kind.ACTION, "One four"),)
    words = "a /* b */ and a [[ note"
    assert parse(escape(words)).elements == (Element(Kind.ACTION, "a /\\* b */ and a [\\[ note"),)


WORDS = st.text(
    st.sampled_from("aAbB zZ.:!?()~#=@><^\\-/ éÉ雾\"'"), min_size=1, max_size=24
).filter(lambda text: text == text.strip() and "/*" not in text)
LINE = st.one_of(
    WORDS, st.sampled_from(["INT. HALL", "CUT TO:", "MIRA", "> x <", "(low)", "Title: A", "a\\*b"])
)
NAME = LINE.filter(lambda text: not text.endswith("^"))
BRACKETS = st.text(st.sampled_from("ab ()~@"), max_size=8).map(lambda text: f"({text.strip()})")
SPEECH = (
    st.lists(st.one_of(LINE, st.just("")), min_size=1, max_size=4)
    .map("\n".join)
    .filter(lambda text: bool(text) and text == text.strip("\n") and "\n\n\n" not in text)
)


def plain(kind: Kind, texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Element]]:
    return texts.map(lambda text: [Element(kind, text)])


@st.composite
def speeches(draw: st.DrawFn) -> list[Element]:
    """Draw a cue with what hangs on it; two speeches in a row would be one."""
    elements = [Element(Kind.CHARACTER, draw(NAME), is_dual=draw(st.booleans()))]
    if draw(st.booleans()):
        elements.append(Element(Kind.PARENTHETICAL, draw(BRACKETS)))
    elements.append(Element(Kind.DIALOGUE, draw(SPEECH)))
    return elements


MARKED = WORDS.filter(lambda text: not text.startswith("#"))
BLOCKS = st.lists(
    st.one_of(
        plain(Kind.HEADING, WORDS.filter(lambda text: text[0].isalnum())),
        plain(Kind.ACTION, st.lists(LINE, min_size=1, max_size=3).map("\n".join)),
        plain(Kind.TRANSITION, WORDS.filter(lambda text: not text.endswith("<"))),
        plain(Kind.CENTRED, WORDS),
        plain(Kind.SYNOPSIS, WORDS.filter(lambda text: text.strip("=") != "")),
        st.builds(
            lambda text, level: [Element(Kind.SECTION, text, level=level)],
            MARKED,
            st.integers(1, 6),
        ),
        st.just([Element(Kind.PAGE_BREAK)]),
        speeches(),
    ),
    max_size=6,
)
PAGE = st.lists(
    st.tuples(st.sampled_from(["Title", "Credit", "Author", "Draft date"]), st.just("A: b")),
    max_size=3,
)


@given(BLOCKS, PAGE)
def test_what_is_written_is_read_back(
    blocks: list[list[Element]], page: list[tuple[str, str]]
) -> None:
    script = Script(tuple(element for block in blocks for element in block), tuple(page))
    assert parse(write(script)) == script
