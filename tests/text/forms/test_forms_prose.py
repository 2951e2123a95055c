"""Prose is whole sentences that stay in the story."""

import pytest

from bot.text.forms.prose import check, repair


@pytest.mark.parametrize(
    ("text", "rule", "repaired"),
    [
        ("", "empty", ""),
        ("She slept. Then she", "unfinished", "She slept."),
        ("She said, “Come in.", "open quote", "She said, “Come in.”"),
        ("She slept.\n\nQuestion: who slept?", "label", "She slept."),
    ],
)
def test_each_rule_finds_its_fault_and_the_repair_leaves_none(
    text: str, rule: str, repaired: str
) -> None:
    assert rule in {fault.rule for fault in check(text)}
    assert repair(text) == repaired
    assert check("She slept.") == ()
