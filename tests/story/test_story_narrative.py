# ruff: noqa: RUF001 -- Chinese punctuation is meant
import pytest

from bot.story.narrative import ends_sentence, joint, narrative
from tests.story.story_kit import Teller


@pytest.mark.parametrize(
    "text",
    [
        "It was.",
        "Was it?",
        "“Go!”",
        "It was...",
        "Now…",
        "他走了。",
        "「走！」",
        "*Stop.*",
        '"Yes." ',
        "",
    ],
)
def test_a_sentence_ends_here(text: str) -> None:
    assert ends_sentence(text)


@pytest.mark.parametrize(
    "text", ["in a village,", "“Come here,”", "he said:", "他走到", "and (then)"]
)
def test_a_sentence_goes_on_here(text: str) -> None:
    assert not ends_sentence(text)


@pytest.mark.parametrize(
    ("before", "after", "is_generated", "between"),
    [
        ("It was.", "She went.", False, "\n\n"),
        ("It was.", "She went.", True, "\n\n"),
        ("It was.", " She went.", True, ""),
        ("It was.", "\n\nShe went.", True, ""),
        ("She went", "home.", False, " "),
        ("She went to the vill", "age.", True, ""),
        ("She went ", "home.", False, ""),
        ("他走到", "村里。", False, ""),
        ("他走到", "Berlin.", False, ""),
        ("  ", "home.", False, ""),
        ("home", "\n", False, ""),
    ],
)
def test_passages_are_joined(before: str, after: str, is_generated: bool, between: str) -> None:
    assert joint(before, after, is_generated=is_generated) == between


def test_the_narrative_is_one_flowing_text() -> None:
    teller = Teller()
    teller.add("In a small village,")
    teller.answer(" there was a cat.", ids=(1,))
    teller.answer("\n\n\n \nIt slept.\n", ids=(2,))
    teller.add("Then it woke.")
    assert narrative(teller.story) == (
        "In a small village, there was a cat.\n\nIt slept.\nThen it woke."
    )


def test_a_reply_without_ids_gets_its_space() -> None:
    teller = Teller()
    teller.turn("In a small village,", "there was a cat.")
    assert narrative(teller.story) == "In a small village, there was a cat."
