# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import EmptyTextError, TextTooLongError
from bot.text.clean import MAX_MARKS, clean_line, clean_text
from tests.support.timing import grows_less_than_quadratically


def clean(raw: str) -> str:
    return clean_text(raw, limit=4000)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  Hello.  ", "Hello."),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\tb\u00a0c\u2003d", "a b c d"),
        ("a \n b", "a\n b"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("a\n \n\t\n \n \nb", "a\n\n\nb"),
        ("e\u0301", "é"),
        ("be\u200bll\u00ad\ufeff", "bell"),
        ("abc\u202edef\u202c", "abcdef"),
        ("\u2066x\u2069 \u200fy", "x y"),
        ("a\x00b\x1b[31mc\x07", "ab[31mc"),
        ("\x80\x9fa", "a"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("\ufffea\uffff", "a"),
        ("a\u3164\u2800b", "ab"),
        ("@everyone <@123> **# bomb**", "@everyone <@123> **# bomb**"),
    ],
)
def test_hidden_things_go_and_the_visible_stays(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "مرحبا بالعالم",
        "שָׁלוֹם עוֹלָם",
        "می\u200cخواهم",  # Persian needs the non-joiner
        "क्\u200dष",  # and Indic the joiner
        "👩\u200d👩\u200d👧",
        "🏳\ufe0f\u200d🌈",
        "👩🏽\u200d🚀",
        "❤\ufe0f\u200d🔥",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u0601١٢",
        "Tiếng Việt",
        "他走了。",
        "\U0001fae9",  # newer than Python's tables
    ],
)
def test_what_a_script_or_an_emoji_needs_is_kept(text: str) -> None:
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text", ["a\u200db", "x\u200c y", "\u200dx", "x\u200d", "\U000e0041\U000e0042x", "👩\u200cx"]
)
def test_joiners_and_tags_without_a_purpose_go(text: str) -> None:
    assert not set(clean(text)) & set("\u200c\u200d\U000e0041\U000e0042")


def test_stacked_marks_are_trimmed() -> None:
    assert clean("Z" + "\u0335" * 50 + "a") == "Z" + "\u0335" * MAX_MARKS + "a"


@pytest.mark.parametrize(
    "raw", ["", "   ", "\n\t\r\n", "\u200b\u200d\u2060", "\u202e\u202c", "\u3164", "\u0301", "\x00"]
)
def test_text_with_nothing_visible_is_refused(raw: str) -> None:
    with pytest.raises(EmptyTextError):
        clean(raw)


def test_text_over_the_limit_is_refused_with_both_numbers() -> None:
    with pytest.raises(TextTooLongError) as caught:
        clean_text("word " * 3, limit=13)
    assert caught.value.data == {"length": 14, "limit": 13}
    assert clean_text(" word " * 1, limit=4) == "word"


def test_a_line_has_no_line_ends() -> None:
    assert clean_line(" The \n\n lost\tkey ", limit=12) == "The lost key"
    with pytest.raises(TextTooLongError):
        clean_line("The lost keys", limit=12)
    with pytest.raises(EmptyTextError):
        clean_line("\n", limit=12)


_nasty = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\u200c\u200d\u0301\u0327\u094d👩🏽❤\ufe0f\n \t\r🏴\U000e0067\U000e007f\u1160क"
        ),
    )
)


@given(_nasty)
def test_cleaning_is_idempotent_and_raises_nothing_else(raw: str) -> None:
    try:
        once = clean(raw)
    except (EmptyTextError, TextTooLongError):
        return
    assert clean(once) == once
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)
    assert once.encode("utf-8").decode("utf-8") == once
    assert "\n\n\n\n" not in once


@pytest.mark.parametrize(
    "unit", [" ", "\n", " \n", "\u0301", "\u200d", "👩\u200d", "\U0001f3f4\U000e0067"]
)
def test_no_text_is_slow(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = "x" + unit * (size // len(unit)) + "x"
        return lambda: clean_text(text, limit=size + 2)

    assert grows_less_than_quadratically(work, 10_000)
