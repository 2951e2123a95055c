import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.discord_app.escaping import neutralise, utf16_length
from bot.discord_app.splitting import TEXT_LIMIT, split

TEXTS = st.text(
    st.sampled_from(
        'ab .\n!?"*_`#->1|~<[\\é中。👍\u200d\u0301\ufe0f\U0001f1e9\U0001f1ea\U0001f3fd'
    ),
    max_size=400,
)


def _bare(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.integers(12, 80))
@example("👨‍👩‍👧‍👦" * 12, 20)
@settings(max_examples=300)
def test_no_letter_is_lost_and_no_part_is_too_long(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(0 < utf16_length(part) <= limit for part in parts)
    assert _bare("".join(parts)).replace("\\", "") == _bare(text).replace("\\", "")


@given(TEXTS, st.integers(12, 60), st.integers(0, 400))
@settings(max_examples=300)
def test_parts_that_are_full_stay_as_they_are_while_the_text_grows(
    text: str, limit: int, length: int
) -> None:
    early, late = split(text[:length], limit), split(text, limit)
    assert late[: max(len(early) - 1, 0)] == early[:-1]


@given(TEXTS, st.integers(40, 80))
@settings(max_examples=200)
def test_no_part_begins_inside_an_escape_or_a_cluster(text: str, limit: int) -> None:
    for part in split(text.lstrip("\u200d\u0301\ufe0f\U0001f3fd"), limit)[1:]:
        trailing = len(part) - len(part.rstrip("\\"))
        assert trailing % 2 == 0
        if len(part) > 1:
            assert part[0] != "\u200d" or "\u200d" * 30 in text


def test_short_text_is_one_part() -> None:
    assert split("  Once upon a time.  ") == ["Once upon a time."]
    assert split(" \n ") == []
    assert split("\x00") == []


def test_a_paragraph_is_the_best_place() -> None:
    first, second = "First. " * 130, "Second. " * 200
    assert split(f"{first}\n\n{second}") == [first.strip(), second.strip()]


def test_a_sentence_is_better_than_a_word() -> None:
    parts = split("A sentence of some words. " * 100)
    assert all(part.endswith(".") for part in parts)


def test_a_word_is_better_than_a_letter() -> None:
    parts = split("word " * 600)
    assert {word for part in parts for word in part.split()} == {"word"}


def test_a_text_without_any_place_is_cut_between_clusters() -> None:
    family = "👨\u200d👩\u200d👧"
    parts = split(family * 400)
    assert "".join(parts) == family * 400
    assert all(part.startswith("👨") for part in parts)
    flags = split("🇩🇪" * 600)
    assert all(len(part) % 2 == 0 for part in flags)
    accents = split("e\u0301" * 1200)
    assert not any(unicodedata.combining(part[0]) for part in accents)


def test_a_chinese_sentence_is_a_place() -> None:
    parts = split("很久很久以前，有一个小村庄。" * 200)  # noqa: RUF001 -- as it is written
    assert all(part.endswith("。") for part in parts)


def test_escapes_count() -> None:
    parts = split("*" * 3000)
    assert all(len(part) <= TEXT_LIMIT for part in parts)
    assert all(part == neutralise("*" * (len(part) // 2)) for part in parts)
