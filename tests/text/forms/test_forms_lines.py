"""What a model says for one element of a play is judged before it becomes one."""

import pytest

from bot.text.forms.fountain import Element, Kind
from bot.text.forms.lines import clean, element_of, faults, mend, staleness

CONTEXT = "Nora waits.\n\nFelix: I never went to that room at all."


@pytest.mark.parametrize(
    ("said", "cleaned"),
    [
        (' "I am tired."', "I am tired."),
        (" (sighing) “I am tired.”", "(sighing) I am tired."),
        ("I am tired.  ", "I am tired."),
    ],
)
def test_quotes_around_a_speech_are_taken_off(said: str, cleaned: str) -> None:
    assert clean(said) == cleaned
    assert faults(cleaned, Kind.CHARACTER, "Nora:", CONTEXT) == ()


@pytest.mark.parametrize(
    ("text", "kind", "lead", "rule"),
    [
        ("(sighing)", Kind.CHARACTER, "Nora:", "short"),
        ("Felix: Go home.", Kind.CHARACTER, "Nora:", "label"),
        (": I will go home.", Kind.ACTION, "Nora", "label"),
        ('I said "no" to him.', Kind.CHARACTER, "Nora:", "quotes"),
        ("(sighing I am tired.", Kind.CHARACTER, "Nora:", "brackets"),
        ("FADE TO THE OTHER ROOM.", Kind.CHARACTER, "Nora:", "capitals"),
        ("I am 47 years old.", Kind.CHARACTER, "Nora:", "digits"),
        ("I was going to", Kind.CHARACTER, "Nora:", "unfinished"),
        ("As an AI language model, I cannot.", Kind.CHARACTER, "Nora:", "drift"),
        ("says that she is tired.", Kind.ACTION, "Nora", "speech"),
    ],
)
def test_each_rule_finds_its_fault(text: str, kind: Kind, lead: str, rule: str) -> None:
    assert rule in faults(text, kind, lead, CONTEXT)


def test_what_can_be_saved_is_saved_and_adds_no_word() -> None:
    assert mend("Go home. Felix: No.") == "Go home."
    assert mend("Go home then") == "Go home then."
    assert mend("Felix: No.") == ""


def test_what_repeats_the_script_is_staler_than_what_brings_something_new() -> None:
    def stale(text: str, lead: str = "Nora:") -> float:
        return staleness(text, CONTEXT, Kind.CHARACTER, lead)

    fresh = stale("Then who took the key?")
    assert stale("I never went to that room.") > fresh
    assert stale("Nora, who took the key?") > fresh
    assert stale("No.") > fresh
    past, present = (
        staleness(text, CONTEXT, Kind.ACTION, "Nora")
        for text in ("walked to the window.", "walks to the window.")
    )
    assert past > present


def test_an_action_begins_with_its_lead_and_a_speech_stands_under_its_cue() -> None:
    assert element_of(Kind.ACTION, "Nora", "and Felix wait.") == (
        Element(Kind.ACTION, "Nora and Felix wait."),
    )
    assert element_of(Kind.ACTION, "Nora", "'s coat is wet.")[0].text == "Nora's coat is wet."
    assert element_of(Kind.CHARACTER, "Nora:", "(low) Go.") == (
        Element(Kind.CHARACTER, "NORA"),
        Element(Kind.PARENTHETICAL, "(low)"),
        Element(Kind.DIALOGUE, "Go."),
    )
