"""Figures of single texts, against values that were worked out by hand."""

import pytest

from bot.training.evaluation.cast import follow_cast, pronouns
from bot.training.evaluation.copying import Copies, near_duplicates
from bot.training.evaluation.lexicon import Lexicon
from bot.training.evaluation.readability import count_syllables, reading_ease
from bot.training.evaluation.variety import (
    distinct,
    diversity,
    folded_words,
    near_twins,
    repetition,
    same_openings,
    self_bleu,
    top_five,
    types_in_60,
)

CAT = ["the", "cat", "sat", "and", "the", "cat", "ran"]


def test_repetition_counts_what_stood_there_before() -> None:
    # Six 2-grams, "the cat" twice; five 3-grams, all different.
    assert repetition(CAT, 2) == pytest.approx(1 / 6)
    assert repetition(CAT, 3) == 0.0
    assert repetition(["a"] * 10, 4) == pytest.approx(6 / 7)
    assert repetition(["a"], 2) == 0.0


def test_diversity_is_the_product_of_the_different_shares() -> None:
    assert diversity(CAT) == pytest.approx(5 / 6)
    assert diversity(["a"] * 10) == pytest.approx(1 / 9 * 1 / 8 * 1 / 7)


def test_distinct_pools_all_texts() -> None:
    assert distinct([["a", "b"], ["a", "c"]], 1) == 0.75
    assert distinct([["a", "b"], ["a", "b"]], 2) == 0.5


def test_words_are_folded_and_apostrophes_straight() -> None:
    assert folded_words("Don\u2019t STOP, well-known Mira.") == [
        *("don't", "stop", "well-known", "mira"),
    ]


def test_self_bleu_is_one_for_copies_and_small_for_strangers() -> None:
    said = [str(each) for each in range(20)]
    assert self_bleu([said, said]) == pytest.approx(1.0)
    assert self_bleu([said, [f"x{each}" for each in said]]) < 0.02
    # Unigrams 3/4, bigrams 2/3, trigrams 1/2, and no 4-gram of one: method1 counts 0.1 of 1.
    by_hand = (3 / 4 * 2 / 3 * 1 / 2 * 0.1) ** 0.25
    assert self_bleu([list("abcd"), list("abce")]) == pytest.approx(by_hand)


def test_twins_share_three_fifths_of_their_content_words() -> None:
    text = "The old fox ran home quickly. A big bear slept. The old fox ran home slowly."
    assert near_twins(text) == pytest.approx(1 / 3)
    assert near_twins("One thing stood here. Another waited there.") == 0.0


def test_sentences_that_open_like_one_of_the_four_before() -> None:
    assert same_openings("The fox ran. A bear slept. The fox ate.") == pytest.approx(1 / 3)
    far = "The fox ran. One. Two. Three. Four. The fox ate."
    assert same_openings(far) == 0.0


def test_few_content_words_and_few_types() -> None:
    assert top_five(["fox", "bear", "wolf", "hare", "mole", "owl"]) == pytest.approx(5 / 6)
    assert types_in_60(["a", "b"] * 40) == 2
    assert types_in_60([str(each) for each in range(61)]) == 60


@pytest.mark.parametrize(
    ("word", "syllables"),
    [
        *(("cat", 1), ("table", 2), ("home", 1), ("wanted", 2), ("walked", 1), ("houses", 2)),
        *(("story", 2), ("the", 1), ("remembered", 3), ("b", 1)),
    ],
)
def test_syllables_follow_the_rule(word: str, syllables: int) -> None:
    assert count_syllables(word) == syllables


def test_reading_ease_is_fleschs() -> None:
    assert reading_ease("The cat sat. The dog ran.") == pytest.approx(206.835 - 1.015 * 3 - 84.6)
    assert reading_ease("") == 0.0


def test_non_words_are_known_to_nobody() -> None:
    lexicon = Lexicon({"one": "The blimfet sang to the colour.", "two": "Nothing here."})
    assert lexicon.non_words("The grobnix saw the blimfet's colour in Zanzibor.") == ["grobnix"]
    assert lexicon.share("the grobnix") == 0.5
    assert lexicon.share("") == 0.0


def test_a_tales_own_words_do_not_make_it_known() -> None:
    lexicon = Lexicon({"one": "The blimfet sang.", "two": "A blimfet ate a grobnix."})
    assert lexicon.non_words("the blimfet and the grobnix", tale="two") == ["grobnix"]
    assert lexicon.non_words("the blimfet and the grobnix", tale="one") == []


def test_copies_are_eight_words_in_a_row() -> None:
    source = list("abcdefghij")
    copies = Copies({"book": " ".join(source), "own": "x y z"})
    assert copies.share([*source[:8], "new", "words"]) == pytest.approx(0.8)
    assert copies.share([*source[:7], "new"]) == 0.0
    assert copies.share(source, own="book") == 0.0
    assert copies.share([]) == 0.0


def test_near_duplicates_share_half_their_rows() -> None:
    long = [str(each) for each in range(30)]
    changed = [*long[:25], *"abcde"]
    other = [f"x{each}" for each in range(30)]
    assert near_duplicates([long, changed, other]) == [True, True, False]


def test_the_cast_is_followed_by_name() -> None:
    before = "Then Mara met the captain, and Tobias met Mara."
    kept = follow_cast(
        before, "So Mara left. Later Marah came with old Benedict and Benedict sang."
    )
    assert kept.kept == 0.5
    assert kept.newcomers == pytest.approx(2 / 12 * 100)
    assert kept.slips == pytest.approx(1 / 12 * 100)
    assert follow_cast("it rained all day.", "Then it stopped.").kept is None


def test_a_name_is_he_or_she_by_the_sentences_that_leave_no_doubt() -> None:
    before = "One day Mira took her lamp."
    text = (
        "She went to Tom. Then Tom looked at his hands. He sighed. Mira and Tom saw her brother. "
        'Tom said, "She has lost it." His dog barked.'
    )
    assert pronouns(f"{before} {text}") == {"Mira": (1, 0), "Tom": (0, 3)}


def test_who_is_he_and_she_by_turns_is_mixed() -> None:
    before = "One day Mira took her lamp. She was glad."
    assert follow_cast(before, "Then Mira lost his way.").mixed == 1.0
    assert follow_cast(before, "Then Mira lost her way.").mixed == 0.0
    assert follow_cast("One day Mira came.", "Then Mira lost her way.").mixed is None
