# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.sentences import last_sentence_end, sentence_spans, sentences, warm_up
from tests.support.timing import grows_less_than_quadratically, processor_s

# Sentences are separated by a bar.
GOLDEN = [
    "Mr. Smith met Dr. J. R. Tolkien at 3.14 p.m. on Main St. in town.|He smiled.",
    '"Come in," she said.|"Is it you?" he asked.|"Yes!"|They went (slowly.)',
    "Then... nothing.|He waited . . . and went.|What?!|No.",
    "He read it, e.g. this one, i.e. that one, etc. and so on.|It was the U.S. Army.",
    "He went to bed.|She stayed.|It was a fine day.|Alice closed the book.|Mary left.",
    "Sgt. Pepper saw Capt. Ahab.|Rev. Jones and Messrs. Bennet left Mrs. Hill.",
    "He hit the wall.|“Hi.”|He left.|(He did.)|It was I.|Then she came.",
    '"Stop!"—he ran.|"Wait—" she said.|"Go."|He went.',
    "他走了。|「你好吗？」|她说。|“走吧……”|他说。|她……走了。",
    "「行こう。」と彼は言った。|雨が降っていた。|「え？」って言った。",
    'वह घर गया।|उसने कहा, "आओ।"',
    "ذهب إلى البيت.|هل جاء؟|نعم.",
    "i went home.|then i slept.",
    "„Komm.“|Er ging.|« Viens ! »|Il partit.",
    "*He ran.*|**She stayed.**|It cost 3.50 in 1923.|Then it rose.",
]


@pytest.mark.parametrize("marked", GOLDEN)
def test_sentences_are_found(marked: str) -> None:
    expected = marked.split("|")
    spaced = marked.replace("|", " ")
    assert sentences(spaced) == expected
    assert last_sentence_end(spaced) == len(spaced)
    assert last_sentence_end(spaced + " Then he") == len(spaced)


def test_a_blank_line_ends_a_sentence_though_it_completes_none() -> None:
    assert sentences("Chapter One\n\nIt began. And") == ["Chapter One", "It began.", "And"]
    assert last_sentence_end("Chapter One\n\n") == 0
    assert last_sentence_end("He left.\n\nthen") == 8
    assert sentences("He waited!\n\nthen he left.") == ["He waited!", "then he left."]


def test_a_sentence_may_begin_in_lower_case_after_a_plain_stop() -> None:
    assert sentences("He left. and then") == ["He left.", "and then"]
    assert sentences("It was at 5 p.m. or so. approx. five") == [
        "It was at 5 p.m. or so.",
        "approx. five",
    ]


def test_list_numbers_end_no_sentence() -> None:
    assert sentences("1. Take it\n2. Go") == ["1. Take it\n2. Go"]


@pytest.mark.parametrize(
    ("text", "final", "growing"),
    [
        ("It cost 3.", 10, 0),
        ("He met Mr.", 0, 0),
        ("He met a man. It was Mr.", 13, 13),
        ("It was 5 p.m.", 13, 0),
        ("She got an A.", 13, 0),
        ("It was the U.S.", 15, 0),
        ("He left.", 8, 8),
        ("He left...", 10, 10),
        ("", 0, 0),
        ("No end here", 0, 0),
    ],
)
def test_a_mark_that_may_turn_out_to_be_none_waits_for_what_follows(
    text: str, final: int, growing: int
) -> None:
    assert last_sentence_end(text) == final
    assert last_sentence_end(text, is_final=False) == growing


def test_a_refused_end_gives_the_one_before_however_far_back() -> None:
    text = "First. " + "Word! " * 200 + "and then"
    assert last_sentence_end(text, accept=lambda end: end < 10) == 6
    assert last_sentence_end(text, accept=lambda end: False) == 0


@given(st.text(st.sampled_from("aAI .!?…\n\"'”)。」と3")))
def test_spans_are_tight_ordered_and_lose_nothing(text: str) -> None:
    spans = sentence_spans(text)
    covered = "".join(text[start:end] for start, end in spans)
    assert "".join(covered.split()) == "".join(text.split())
    for start, end in spans:
        assert text[start:end] == text[start:end].strip() != ""
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert last_sentence_end(text) in {0, *(end for _, end in spans)}


def test_the_last_end_is_found_in_well_under_a_millisecond() -> None:
    warm_up()
    text = ("The fox ran over the hill. " * 80)[:2000] + " and then it"
    assert processor_s(lambda: last_sentence_end(text), repeat=20) < 0.001


@pytest.mark.parametrize(
    "unit", [" ", "\n", " \n", ".", ". ", "! ", '"', "(", "a.", "\n.", "Mr. ", "1. "]
)
def test_no_text_is_slow(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = unit * (size // len(unit)) + "x"
        return lambda: sentence_spans(text)

    assert grows_less_than_quadratically(work, 4000)
