import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.discord_app.escaping import (
    neutralise,
    neutralise_inline,
    neutralise_line,
    utf16_length,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold** _it_ ~~x~~", r"\*\*bold\*\* \_it\_ \~\~x\~\~"),
        ("# Title\n## b", "\\# Title\n\\## b"),
        ("> quote\n>>> all", "\\> quote\n\\>>> all"),
        ("-# small\n- item", "\\-# small\n\\- item"),
        ("1. one\n 23) two", "1\\. one\n 23\\) two"),
        ("a - b > c # d 1. e", "a - b > c # d 1. e"),
        ("||s|| `c` ```x```", r"\|\|s\|\| \`c\` \`\`\`x\`\`\`"),
        ("[a](http://b)", r"\[a](http://b)"),
        ("<@1> <t:1> <:e:1> </c:1>", r"\<@1> \<t:1> \<:e:1> \</c:1>"),
        ("\x00a\x07\ud800b\r\n", "ab\n"),
        ("“Hello,” she said — don't.", "“Hello,” she said — don't."),
    ],
)
def test_markup_shows_as_it_was_written(text: str, shown: str) -> None:
    assert neutralise(text) == shown


@given(st.text("#>-1.) \n*_ab<", max_size=40), st.integers(0, 40))
@settings(max_examples=300)
def test_a_beginnings_escape_is_the_escapes_beginning(text: str, length: int) -> None:
    assert neutralise(text).startswith(neutralise(text[:length]))


def test_a_name_is_one_short_line_that_turns_nothing_round() -> None:
    assert neutralise_line(" a\n\u202eb*  c ") == r"a b\* c"
    assert neutralise_line("x" * 100) == "x" * 79 + "…"
    assert neutralise_inline("0.5 on_time") == r"0.5 on\_time"


def test_length_is_counted_in_utf16() -> None:
    assert utf16_length("a👍中") == 4
