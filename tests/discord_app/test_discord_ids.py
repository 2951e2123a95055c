import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_app.custom_ids import MAX_CUSTOM_ID, Ref, parse
from bot.discord_app.phrases import PHRASES, find_phrase
from bot.locales import Words
from bot.story.ids import MAX_ID


@given(
    st.sampled_from(["continue", "card_edit", "set_value"]),
    st.integers(0, MAX_ID),
    st.integers(0, MAX_ID),
    st.text("abc_.-0", max_size=45),
)
def test_what_a_component_means_survives(act: str, a: int, b: int, extra: str) -> None:
    ref = Ref(act, a, b, extra)
    assert len(str(ref)) <= MAX_CUSTOM_ID
    assert parse(str(ref)) == ref


@pytest.mark.parametrize("custom_id", ["", "x", "rt0:continue:1:1", "rt1:continue:1", "rt1:a:u:1"])
def test_what_this_version_did_not_make_is_not_read(custom_id: str) -> None:
    assert parse(custom_id) is None


def test_an_id_that_is_too_large_is_not_read() -> None:
    assert parse("rt1:continue:zzzzzzzzzzzzz:1") is None


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("undo", "undo"),
        ("  Undo that!! ", "undo"),
        ("GO ON…", "continue"),
        ("the end.", "end"),
        ("undo it tomorrow", None),
        ("", None),
        ("…", None),
        ("continue " * 20, None),
    ],
)
def test_only_a_whole_phrase_is_a_command(text: str, act: str | None) -> None:
    assert find_phrase(text, Words()) == act


def test_no_phrase_means_two_things() -> None:
    phrases = [one.strip() for listed in PHRASES.values() for one in listed.split(",")]
    assert len(phrases) == len(set(phrases))
