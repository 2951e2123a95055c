"""A lesson holds nothing that its story does not."""

# ruff: noqa: RUF001 -- full-width signs are meant as they stand

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text import chinese
from bot.text.forms.lesson import GAP, Ask, Entry, Lesson, Question, check, derive, repair

STORY = (
    "Once upon a time there was a small village at the edge of a forest. Mira lived in the last "
    "house with her grandmother. Every evening the lanterns were lit along the narrow street.\n\n"
    'One night the lanterns went out. Tobin shouted from the harbour, "The light is gone!" Mira '
    "took her coat and ran down to the water. The fisherman pointed at a strange glimmer beneath "
    "the waves. It was a silver key, tangled in a forgotten net. Mira carried the key to the old "
    "lighthouse. Tobin opened the enormous door with trembling hands."
)


def rules(lesson: Lesson) -> set[str]:
    return {fault.rule for fault in check(lesson, STORY)}


def test_a_storys_lesson_passes_and_is_always_the_same() -> None:
    lesson = derive(STORY, age=9)
    assert check(lesson, STORY) == ()
    assert repair(lesson, STORY) == lesson == derive(STORY, age=9)
    assert {question.ask for question in lesson.questions} == set(Ask)


def test_words_are_long_rare_and_no_names() -> None:
    found = [entry.word for entry in derive(STORY, age=9).words]
    assert {"grandmother", "fisherman", "enormous"} <= set(found)
    assert not {"mira", "tobin", "there", "with"} & set(found)


def test_older_classes_get_more_and_longer_words() -> None:
    young, old = derive(STORY, age=5), derive(STORY, age=13)
    assert len(young.words) < len(old.words)
    assert min(len(entry.word) for entry in old.words) >= 6


def test_a_gap_hides_the_answer_and_filling_it_gives_the_sentence_back() -> None:
    gaps = [one for one in derive(STORY).questions if one.ask is not Ask.FIRST]
    assert gaps
    for question in gaps:
        assert question.text.count(GAP) == 1
        assert question.text.replace(GAP, question.answer) in " ".join(STORY.split())


def test_each_rule_finds_its_fault() -> None:
    lesson = derive(STORY)
    entry, question = lesson.words[0], lesson.questions[0]
    sentence = "Tobin opened the enormous door with trembling hands."
    wrong: dict[str, Lesson] = {
        "few words": replace(lesson, words=lesson.words[:2]),
        "few questions": replace(lesson, questions=lesson.questions[:2]),
        "a word twice": replace(lesson, words=(entry, *lesson.words)),
        "sentence not in the story": replace(lesson, words=(Entry("cat", "A cat."),)),
        "word not in its sentence": replace(lesson, words=(Entry("cat", entry.sentence),)),
        "a name": replace(lesson, words=(Entry("Tobin", sentence),)),
        "answer not in the story": replace(
            lesson, questions=(replace(question, answer="zebra", choices=()),)
        ),
        "answer not among the choices": replace(
            lesson, questions=(replace(question, choices=("zebra",)),)
        ),
        "gap": replace(lesson, questions=(replace(question, text="No gap at all."),)),
        "order": replace(
            lesson,
            questions=(
                Question(Ask.FIRST, "", ("One night the lanterns went out.", sentence), sentence),
            ),
        ),
    }
    for rule, broken in wrong.items():
        assert rule in rules(broken), rule
        assert rules(repair(broken, STORY)) <= {"few words", "few questions", "a word twice"}


def test_a_gap_that_another_word_fills_as_truly_is_a_fault() -> None:
    story = "The red fox ran home. The big fox ran home."
    question = Question(Ask.GAP, f"The {GAP} fox ran home.", ("big", "red"), "red")
    found = {fault.rule for fault in check(Lesson((), (question,)), story)}
    assert "two answers" in found


def test_a_story_that_is_too_short_is_told_so() -> None:
    assert {fault.rule for fault in check(derive("She slept."), "She slept.")} == {
        "few words",
        "few questions",
    }


@given(st.text(max_size=300))
def test_whatever_the_text_nothing_is_asked_that_does_not_hold(text: str) -> None:
    lesson = derive(text)
    assert {fault.rule for fault in check(lesson, text)} <= {"few words", "few questions"}


CHINESE = (
    "从前，在一个小村庄里，住着一个名叫小明的男孩。他每天清晨都会去森林里采蘑菇。有一天，小明在一棵古老的大树下"
    "发现了一把闪闪发光的钥匙。他小心翼翼地捡起钥匙，心里充满了好奇。老奶奶告诉他，这把钥匙能打开山洞里的神秘宝箱。\n\n"
    "小明决定独自踏上冒险的旅程。他穿过茂密的森林，越过湍急的河流，终于来到了山洞前。洞口站着一只凶猛的老虎。"
    "老虎听了以后，慢慢地闭上了眼睛。"
)


def test_a_chinese_story_has_a_lesson_too() -> None:
    lesson = derive(CHINESE, age=9)
    assert check(lesson, CHINESE) == ()
    assert {question.ask for question in lesson.questions} == {Ask.GAP, Ask.FIRST}
    assert "闪闪发光" in {entry.word for entry in lesson.words}
    assert "小明" not in {entry.word for entry in lesson.words}
    wrong = replace(lesson, words=(Entry("闪发", lesson.words[0].sentence), *lesson.words))
    assert "word not in its sentence" in {fault.rule for fault in check(wrong, CHINESE)}


def test_a_chinese_story_without_the_dictionary_is_too_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chinese, "_library", lambda: None)
    found = {fault.rule for fault in check(derive(CHINESE), CHINESE)}
    assert found == {"few words", "few questions"}


@given(st.text(alphabet="小明在森林里发现了一把钥匙，。他捡起闪光的“”", max_size=200))
def test_whatever_the_chinese_text_nothing_is_asked_that_does_not_hold(text: str) -> None:
    found = {fault.rule for fault in check(derive(text), text)}
    assert found <= {"few words", "few questions"}
