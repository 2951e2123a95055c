"""A fable is a story and a moral that names nobody."""

import pytest

from bot.text.forms.fable import check, join, moral_in, repair, split

STORY = "A fox saw some grapes. He jumped, but they hung too high. “They are sour,” he said."
MORAL = "It is easy to despise what you cannot get."


def test_a_fable_passes() -> None:
    fable = join(STORY, MORAL)
    assert fable == f"{STORY}\n\nMoral: {MORAL}"
    assert check(fable) == ()
    assert split(fable) == (STORY, MORAL)
    assert check(join("狐狸看见葡萄。", "得不到的总说是酸的。")) == ()


@pytest.mark.parametrize(
    ("moral", "rule"),
    [
        ("", "moral missing"),
        ("Be kind.", "length"),
        ("It is easy to despise. And that is all there is.", "sentences"),
        ("It is easy to despise what you", "unfinished"),
        ("Reynard should never have eaten those grapes.", "names"),
        ("The old fox went home without any grapes.", "event"),
        ("The story shows that envy is a bad thing.", "event"),
        ("They all say: grapes are sour.", "quotes"),
    ],
)
def test_each_rule_finds_its_fault(moral: str, rule: str) -> None:
    story = f"{STORY} Then Reynard went home, and Reynard slept."
    told = join(story, moral) if moral else story
    assert rule in {fault.rule for fault in check(told)}


@pytest.mark.parametrize(
    "told",
    [
        f" {MORAL}",
        f" “{MORAL}”",
        f" The moral of the story is that {MORAL[0].lower()}{MORAL[1:]} And so on.",
        f"{MORAL}\n\nThe End",
    ],
)
def test_the_moral_is_taken_out_of_what_the_model_says(told: str) -> None:
    assert moral_in(told, ()) == MORAL


def test_what_is_no_moral_is_not_made_one() -> None:
    assert moral_in("The fox went home.", ()) == ""
    assert moral_in("", ()) == ""
    assert repair(join(f"{STORY} And then", "The fox went home.")) == STORY


def test_a_repair_cuts_the_story_and_the_moral_to_what_is_whole() -> None:
    told = f"{STORY} Then the\n\nThe moral of the story is: {MORAL} It is"
    assert repair(told) == join(STORY, MORAL)
    assert check(repair(told)) == ()
