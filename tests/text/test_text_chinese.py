"""Which words a Chinese sentence has, and of which texts they can be cut."""

# ruff: noqa: RUF001 -- full-width signs are meant as they stand

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text import chinese

SENTENCE = "有一天，小明在一棵古老的大树下发现了一把闪闪发光的钥匙，没有告诉老奶奶。"


def test_words_that_say_something_are_given_in_order() -> None:
    found = list(chinese.content_words(SENTENCE))
    assert found[:2] == ["大树下", "闪闪发光"]
    assert "老奶奶" in found
    assert not {"有一天", "小明", "没有", "一把", "的"} & set(found)


def test_what_is_only_guessed_is_no_word() -> None:
    assert "地闭" not in chinese.content_words("慢慢地闭上了眼睛。")


def test_rarer_words_are_less_common() -> None:
    found = chinese.content_words("他穿过森林，越过湍急的河流。")
    assert found["湍急"] < found["森林"]


@pytest.mark.parametrize(
    ("text", "can_be_cut"),
    [
        (SENTENCE, True),
        (f"{SENTENCE} OK!", True),
        ("張小明在圖書館裡發現了一隻受傷的烏鴉，於是把牠帶回家細心照顧。", False),
        ("昔々、小さな村に老人が住んでいました。", False),
        ("Once upon a time there was 一.", False),
        ("", False),
    ],
)
def test_of_simplified_chinese_alone_words_are_cut(text: str, can_be_cut: bool) -> None:
    assert chinese.is_chinese(text) is can_be_cut


def test_without_the_library_no_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chinese, "_library", lambda: None)
    assert not chinese.is_chinese(SENTENCE)
    assert chinese.content_words(SENTENCE) == {}


@given(st.text(alphabet="小明在森林里发现了一把钥匙，。 ab“”", max_size=60))
def test_every_word_stands_in_its_sentence(text: str) -> None:
    assert all(word in text and len(word) > 1 for word in chinese.content_words(text))
