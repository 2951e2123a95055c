# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import pytest

from bot.text.words import count_words, truncate_words, word_spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, well-known O’Brien!", ["Don't", "stop", "well-known", "O’Brien"]),
        ("3 cats -- 'quoted' _x_", ["3", "cats", "quoted", "x"]),
        ("他走了。OK", ["他", "走", "了", "OK"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("", []),
        ("?!… —", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert count_words(text) == len(expected)
    assert [text[start:end] for start, end in word_spans(text)] == expected


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("a b c", 2, "a b…"),
        ("a b c!", 3, "a b c!"),
        ("a b", 0, "…"),
        ("", 0, ""),
        ("他走了。", 2, "他走…"),
    ],
)
def test_truncation(text: str, limit: int, cut: str) -> None:
    assert truncate_words(text, limit) == cut


def test_the_sign_of_truncation_can_be_chosen() -> None:
    assert truncate_words("a b c", 1, ellipsis=" [more]") == "a [more]"
