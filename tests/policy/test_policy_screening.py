# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand


import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.errors import ScreenedError
from bot.policy.screening import Screen, Screened, StreamScreen, default_words, screen_for
from tests.support.timing import processor_s

WORDS = ("darn", "heck*", "bad dog", "ass", "坏人", "groß", "café", "o'toole", "ärger*")
SCREEN = Screen(WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "Oh darn it",
        "DARN",
        "dárn",
        "ｄａｒｎ",
        "da\u200brn",
        "d4rn",
        "d@rn!",
        "_darn_",
        "heckler",
        "h3ck",
        "a bad  dog.",
        "Bad\nDog",
        "a$s",
        "他是坏人吗",
        "ass坏",
        "GROSS",
        "GROẞ",
        "gross",
        "CAFE",
        "cafe\u0301",
        "O'Toole",
        "Ärgerlich",
        "argerlich",
    ],
)
def test_blocked_words_are_seen_in_every_dress(text: str) -> None:
    hit = SCREEN.find(text)
    assert hit is not None
    assert 0 <= hit.start < hit.end <= len(text)
    with pytest.raises(ScreenedError) as caught:
        SCREEN.check_input(text)
    assert not caught.value.data


@pytest.mark.parametrize(
    "text",
    ["", "darning", "assembly class", "check", "bad cat, good dog", "坏 人", "grossly", "a4 paper"],
)
def test_words_that_only_hold_one_pass(text: str) -> None:
    SCREEN.check_input(text)


def test_a_hit_says_where() -> None:
    hit = SCREEN.find("ŉ Oh, DÁRN it")
    assert hit is not None
    assert "ŉ Oh, DÁRN it"[hit.start : hit.end] == "DÁRN"


def test_a_screen_without_words_lets_everything_through_at_once() -> None:
    stream = StreamScreen(Screen(["", " ", "*", "\u200b"]))
    assert stream.feed("darn") == Screened(4)


def test_the_built_in_list_is_short_and_always_there() -> None:
    assert 5 <= len(default_words()) <= 40
    assert screen_for(("darn",)) is screen_for(("darn",))
    screen_for().check_input("A chink in the armour, a spicy niggle, a tranquil kite.")
    for word in default_words():
        with pytest.raises(ScreenedError):
            screen_for(("darn",)).check_input(f"the {word.rstrip('*').upper()}!")
    with pytest.raises(ScreenedError):
        screen_for(("darn",)).check_input("darn")


def test_the_beginning_of_a_blocked_word_is_held_back_until_it_is_another() -> None:
    stream = StreamScreen(SCREEN)
    assert stream.feed("He said d") == Screened(8)
    assert stream.feed("He said dar") == Screened(8)
    assert stream.feed("He said darn") == Screened(8)
    assert stream.feed("He said darning") == Screened(15)
    assert stream.feed("He said darning, the b") == Screened(21)
    assert stream.feed("He said darning, the bad ") == Screened(21)
    assert stream.feed("He said darning, the bad cat") == Screened(28)


def test_a_blocked_word_is_reported_as_soon_as_it_is_certain() -> None:
    assert StreamScreen(SCREEN).feed("Oh darn.") == Screened(3, 3)
    assert StreamScreen(SCREEN).feed("Oh hec") == Screened(3)
    assert StreamScreen(SCREEN).feed("Oh heck") == Screened(3, 3)
    assert StreamScreen(SCREEN).feed("是坏") == Screened(1)
    assert StreamScreen(SCREEN).feed("是坏人") == Screened(1, 1)


def test_at_the_end_nothing_is_held_back_but_blocked_words() -> None:
    assert StreamScreen(SCREEN).feed("Oh dar", is_final=True) == Screened(6)
    assert StreamScreen(SCREEN).feed("Oh darn", is_final=True) == Screened(3, 3)


def test_after_a_retraction_the_text_is_judged_anew() -> None:
    stream = StreamScreen(SCREEN)
    assert stream.feed("Oh darn.") == Screened(3, 3)
    assert stream.feed("Oh ") == Screened(3)
    assert stream.feed("Oh dear. ") == Screened(9)
    assert stream.feed("Heck") == Screened(0, 0)


def test_a_word_that_began_before_the_text_counts() -> None:
    assert StreamScreen(SCREEN, "You d").feed("arn") == Screened(0)
    assert StreamScreen(SCREEN, "You d").feed("arn it") == Screened(0, 0)
    assert StreamScreen(SCREEN, "You bad").feed(" dog!") == Screened(0, 0)
    assert StreamScreen(SCREEN, "darn it, cl").feed("ass is out") == Screened(0, 0)
    assert StreamScreen(SCREEN, "in cl").feed("ass is out") == Screened(10)


def test_a_character_that_unfolds_into_several_hides_nothing() -> None:
    screen = Screen(["ass", "cat"])
    assert screen.judge("ass℀").safe_chars == 0


_pieces = st.one_of(
    st.sampled_from(
        [
            *(*WORDS, "d", "dar", "n", "he", "ck", "bad", " ", "  ", "dog", "as", "s", "坏", "人"),
            *("\n", "\u200b", "\u0301", ".", "!", "@", "a$", "℀", "⑴", "ß", "ﬀ", "x", "the ", "’"),
            " " * 5,
        ]
    ),
    st.text(max_size=4),
    st.just("the quick fox ran on " * 12),
)


@given(st.lists(st.tuples(_pieces, st.integers(0, 12)), max_size=25))
@example([("bad", 0), (" ", 0), ("the quick fox ran on " * 12, 0), ("bad", 0), (" dog", 0)])
def test_no_blocked_word_is_ever_shown_however_the_text_arrives(
    steps: list[tuple[str, int]],
) -> None:
    stream = StreamScreen(SCREEN)
    text = ""
    for piece, retracted in steps:
        text = text[: len(text) - retracted] + piece
        screened = stream.feed(text)
        assert 0 <= screened.safe_chars <= len(text)
        assert SCREEN.find(text[: screened.safe_chars]) is None
        if screened.hit is not None:
            assert screened.safe_chars <= screened.hit
            assert SCREEN.find(text) is not None
            text = text[: screened.hit]
    final = stream.feed(text, is_final=True)
    assert SCREEN.find(text[: final.safe_chars]) is None
    assert (final.hit is None) == (SCREEN.find(text) is None)


@given(st.text(), st.integers(0, 40))
def test_what_was_shown_stays_shown_while_the_text_only_grows(text: str, step: int) -> None:
    stream = StreamScreen(SCREEN)
    shown = 0
    for end in range(0, len(text) + 1, step + 1):
        screened = stream.feed(text[:end])
        if screened.hit is not None:
            break
        assert screened.safe_chars >= shown or "℀" in text or not text.isascii()
        shown = screened.safe_chars


def test_a_growing_text_costs_little() -> None:
    text = "The quick fox ran over the hill and far away. " * 40
    words = tuple(f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "bdfgklmn")
    screen = Screen(words)

    def grow() -> None:
        stream = StreamScreen(screen)
        for end in range(0, len(text), 20):
            stream.feed(text[:end])

    assert processor_s(grow) / (len(text) / 20) < 0.005
