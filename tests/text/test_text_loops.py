# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import pytest

from bot.text.loops import LoopFinder, _find_poverty, find_loop

LOOPS = [
    # before the loop, the loop
    ("The fox ran over the old green hill. Mira saw it. ", "The fox ran over the old green hill. "),
    ("She went on and on down the lane, ", "down the lane, down the lane, down the lane, "),
    ("He was very ", "very very very very very very "),
    ("The king of the north and ", "the king of the north and the king of the north and "),
    (
        "When the moon rose over the harbour the old sailor lit his lamp and walked down to the boats; ",
        "and when the moon rose over the harbour the old sailor lit his lamp and walked",
    ),
    ("She screamed a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("He waited -", "-------------------------"),
    ("他走了。", "他看见了一只很大很大的红色的狐狸。他看见了一只很大很大的红色的狐狸。"),
    ("哈", "哈哈哈哈哈哈哈哈哈哈哈"),
]


@pytest.mark.parametrize(("good", "loop"), LOOPS)
def test_a_repetition_is_found_where_it_begins_or_soon_after(good: str, loop: str) -> None:
    text = good + loop
    offset = find_loop(text)
    assert offset is not None
    assert len(good) - 2 <= offset <= len(good) + max(30, len(loop) // 2 + 2)
    assert find_loop(good) is None
    assert LoopFinder().find(text, only_end=True) == offset


def test_sentences_that_begin_alike_again_and_again_are_a_loop() -> None:
    text = "He went to the shop. He went to the bank. He went to the zoo."
    assert find_loop(text) == text.index("He went to the bank")
    assert find_loop(text[:41]) is None


CIRCLE = (
    "The king was proud of his son. The bell rang twice over the harbour and nobody came. "
    "“I am the king and you are my brother.” He said he was not the king. “You are the king's "
    "brother and I am the brother of the king's son.” She said that the king was her brother, "
    "and he was the son of the king. “My brother is the king's son, and his son is my brother, "
    "and you are not the king.” He said he was the king, and that his brother was the son."
)


def test_a_text_that_turns_in_a_circle_is_left_before_it_does() -> None:
    offset = find_loop(CIRCLE)
    assert offset is not None
    assert CIRCLE[offset:].startswith(("“", "She", "He"))  # whole sentences stay
    assert CIRCLE.index("“I am") <= offset <= CIRCLE.index("and his son is")
    finder = LoopFinder()
    grown = [finder.find(CIRCLE[:end], only_end=True) for end in range(len(CIRCLE) + 1)]
    assert next(at for at in grown if at is not None) == offset
    assert find_loop(CIRCLE[: CIRCLE.index("“I am")]) is None


@pytest.mark.parametrize(
    ("good", "chain"),
    [
        ('"I will, ', 'I shall, I must, I can, I do."'),
        ("He ran, ", "he fell, and he rose, he ran on, he was gone."),
        ("Then I'll go, ", "I'll run, I will, I shall, I must, I can, and I'd sing."),
    ],
)
def test_a_chain_of_clauses_is_left_after_the_first(good: str, chain: str) -> None:
    at = good.find("I'll go, ") if good.startswith("Then") else 0
    found = find_loop(good + chain)
    assert found is not None
    assert len(good) <= found <= len(good) + 7 + at
    assert LoopFinder("").find("Night fell. " * 1 + good + chain, only_end=True) is not None


@pytest.mark.parametrize(
    "prose",
    [
        "He prayed, he wept, he sorrowed, but all in vain.",
        "She would hesitate, she would tease, she would condition, she would require a great deal.",
        "He drew, he varnished, he carpentered, he glued; he made toys for the children.",
        "I came, you saw, she won, I came, you saw.",
    ],
)
def test_chains_as_people_write_them_pass(prose: str) -> None:
    assert find_loop(prose) is None


def test_scripts_of_signs_and_short_texts_are_not_called_poor() -> None:
    assert find_loop("他说他是国王，我说我是国王的弟弟，你说你不是国王的弟弟。") is None
    signs = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往"
    varied = "，".join(signs[at:] + signs[:at] for at in range(0, len(signs), 7))
    assert _find_poverty(varied, list(varied.replace("，", "")), only_end=False) is None


@pytest.mark.parametrize(
    "prose",
    [
        "“Who are you?” said the toad. “Who are you?” said Mira. “Who are you?” said the echo.",
        "“No, no, no!” he cried. It was very, very, very dark. Ha! ha! ha! ha!",
        (
            "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age "
            "of foolishness, it was the season of Light."
        ),
        "Little pig, little pig, let me come in. Not by the hair of my chin. Then I'll huff and I'll puff.",
        "She looked at the door. She looked at the key. Then she opened it.",
        "Nooooooo! he said... 1000000 times.\n\n* * *\n\nThe end",
        "ß ẞ İ fold into more signs than they are.",
        "",
        "他说：“不，不，不！”",
    ],
)
def test_refrains_echoes_and_laughter_pass(prose: str) -> None:
    for end in range(len(prose) + 1):
        assert find_loop(prose[:end]) is None


def test_what_the_context_says_counts_as_said() -> None:
    context = "The old fox ran over the green hill and hid. Mira saw it."
    assert find_loop(" So it went. The old fox ran over the green hill and hid.", context) == 13
    assert find_loop("The old fox ran over the green hill and hid in", context) is None
    copied = " And then the old fox ran over the green hill and hid. Mira saw it there"
    assert find_loop(copied, context) in {5, 10}


def test_a_loop_that_begins_in_the_context_is_cut_from_the_texts_start() -> None:
    context = "They sang la la la"
    assert find_loop(" la la la la", context) is not None
    assert find_loop(" down the lane and down the lane and", "He ran down the lane and") == 1


def test_characters_that_fold_into_several_keep_the_offsets() -> None:
    good = "Straße İstanbul. "
    loop = "The fox ran over the old green hill. "
    offset = find_loop(good + loop + loop)
    assert offset == len(good + loop)
