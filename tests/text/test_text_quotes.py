# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.quotes import are_quotes_balanced, close_quotes, drop_stray, open_quotes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "She doesn't know the boys' toys, 'tis true, nor the '90s.",
        '"Come in," she said. "It\'s open."',
        "“Come in,” she said. “It’s open.”",
        "'Come in,' she said. 'It's open.'",
        "‘Come in,’ she said. ‘It’s open.’",
        "’Tis late, and rock ’n’ roll is dead.",
        "“He said ‘no,’ and left,” she said.",
        "„Komm“, sagte er. »Geh«, sagte sie. «Va», dit-il. « Viens », dit-elle.",
        "”Kom in”, sade hon.",
        "「行こう。」と『本』で言った。（はい）",
        '"Wait—" he said. "No!"—she ran.',
        "He (the old one [in grey]) left :( sadly :)",
        "A stray ) or ” or 」 closes nothing.",
        "He was 5'10\" tall.",
        "“A long speech.\n\n“It goes on.”",
        "‘Tis’ and ‘Twas the night",
        '“Go on," she said. "No.” “Why?"',
    ],
)
def test_balanced(text: str) -> None:
    assert open_quotes(text) == ()
    assert close_quotes(text) == text


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ('She said, "Go', 'She said, "Go"'),
        ("She said, “Go ", "She said, “Go”"),
        ("'Come in, she said", "'Come in, she said'"),
        ("‘Come in", "‘Come in’"),
        ("“He said ‘no", "“He said ‘no’”"),
        ("「行こう", "「行こう」"),
        ("„Komm", "„Komm“"),
        ("« Viens", "« Viens»"),
        ("(an aside", "(an aside)"),
        ('He left. "', "He left."),
        ("He left. “", "He left."),
        ('He left. ("', "He left."),
        ('"Hello, she said. "Come in.', '"Hello, she said. "Come in."'),
        ('(one "two) three', '(one "two) three'),
    ],
)
def test_what_is_open_is_closed(text: str, closed: str) -> None:
    assert close_quotes(text) == closed
    assert are_quotes_balanced(closed)


@given(st.text(st.sampled_from("ab .,!?\n\"'“”‘’«»()「」—:")))
def test_closing_never_fails_and_loses_no_word(text: str) -> None:
    closed = close_quotes(text)
    kept = [char for char in closed if char.isalnum()]
    assert kept == [char for char in text if char.isalnum()]


@pytest.mark.parametrize(
    ("text", "before", "mended"),
    [
        ("He went home.'", "", "He went home."),
        ("He went home.’", "", "He went home."),
        ('He went home."', "", "He went home."),
        ("He went home. '", "", "He went home."),
        ("He went home.' \"", "", "He went home."),
        ("'Go home,' he said. 'Now.'", "", "'Go home,' he said. 'Now.'"),
        ("‘Go home.’", "", "‘Go home.’"),
        ("‘Go home.'", "", "‘Go home.'"),
        ('“Go home."', "", '“Go home."'),
        ("Go home.'", "He said, '", "Go home.'"),
        ("Go home.'", "'Well,' he said. ", "Go home."),
        ("And then we went.'", "'It was night.\n\n", "And then we went.'"),
        ("They were the boys'", "", "They were the boys'"),
        ("\"She said 'go.'\"", "", "\"She said 'go.'\""),
        ("Yes. ", "", "Yes. "),
        ("'", "", "'"),
        ("", "", ""),
    ],
)
def test_quotes_that_close_nothing_are_dropped_from_the_end(
    text: str, before: str, mended: str
) -> None:
    assert drop_stray(text, before) == mended
    assert drop_stray(mended, before) == mended


@given(st.text(alphabet="ab .!'\"‘’“”\n", max_size=60), st.text(alphabet="a '\".\n", max_size=20))
def test_dropping_takes_nothing_but_quotes_and_space_from_the_end(text: str, before: str) -> None:
    kept = drop_stray(text, before)
    assert text.startswith(kept)
    assert not text[len(kept) :].strip(" \n'\"‘’“”")
