"""Lines typed in ``play``: commands, options, story text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import InvalidInputError, UnknownCommandError
from bot.terminal.commands import COMMANDS, parse


def test_a_plain_line_is_story_text() -> None:
    line = parse("  The door's hinges creaked.  ")
    assert line.command is None
    assert line.text == "The door's hinges creaked."


@pytest.mark.parametrize("typed", ["/undo 2", "/story undo 2", "/UNDO 2"])
def test_commands_are_typed_as_in_discord_or_shorter(typed: str) -> None:
    line = parse(typed)
    assert line.command is COMMANDS["undo"]
    assert line.text == "2"


def test_admin_commands_have_their_discord_name_too() -> None:
    assert parse("/storyadmin set temperature 0.9").text == "temperature 0.9"


def test_options_take_the_words_up_to_the_next_option() -> None:
    line = parse("/start a lost key --title The Brass Key --genre mystery --begin")
    assert line.text == "a lost key"
    assert line.options == {"title": "The Brass Key", "genre": "mystery"}
    assert line.flags == {"begin"}


def test_apostrophes_in_words_are_not_quotes() -> None:
    line = parse("/continue Mira's lamp didn't --length short")
    assert line.text == "Mira's lamp didn't"
    assert line.options == {"length": "short"}


def test_a_dash_in_story_words_is_kept_where_the_command_has_no_options() -> None:
    assert parse("/add He ran --always").text == "He ran --always"


def test_an_unknown_command_names_the_nearest() -> None:
    with pytest.raises(UnknownCommandError) as caught:
        parse("/unod")
    assert "/undo" in str(caught.value)


def test_an_unknown_option_names_the_known_ones() -> None:
    with pytest.raises(UnknownCommandError) as caught:
        parse("/start x --gnere noir")
    assert "--genre" in str(caught.value)


def test_an_unclosed_quote_is_said() -> None:
    with pytest.raises(InvalidInputError):
        parse('/start "x --genre noir')


@given(st.text(max_size=200))
def test_no_line_ends_in_another_error(line: str) -> None:
    try:
        parsed = parse(line)
    except InvalidInputError:
        assert line.strip().startswith("/")
    else:
        assert (parsed.command is None) == (not line.strip().startswith("/"))
