from hypothesis import given
from hypothesis import strategies as st

from bot.storage.titles import patterns, title_key


def test_words_are_folded_and_separated() -> None:
    assert title_key("The  DRAGON\u2019s-Egg") == " the dragons - egg"
    assert title_key("\uff27\uff30\uff34 Stra\u00dfe") == " gpt strasse"
    assert title_key(" \t") == ""


def test_signs_of_like_are_escaped() -> None:
    assert patterns("50% a_b\\") == [
        "% 50%",
        "% \\%%",
        "% a%",
        "% \\_%",
        "% b%",
        "% \\\\%",
    ]


@given(st.text(max_size=40))
def test_a_title_finds_itself(title: str) -> None:
    key = title_key(title)
    for pattern in patterns(title):
        wanted = pattern[1:-1].replace("\\%", "%").replace("\\_", "_").replace("\\\\", "\\")
        assert wanted in key
