"""A screenplay has headings, action and speeches under cues; what is put right is one again."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.text.forms import fountain
from bot.text.forms.screenplay import as_play, check, cue_of, heading_of, repair, speech_of

GOOD = (
    "INT. HOTEL - NIGHT\n\nNora looks at the door.\n\nNORA\n(sighing)\nI am tired.\n\n"
    "FELIX\nGo home, then.\n\nCUT TO:"
)


def rules(text: str, *, is_whole: bool = True) -> set[str]:
    return {fault.rule for fault in check(text, is_whole=is_whole)}


def test_a_screenplay_passes_and_its_repair_changes_nothing() -> None:
    assert check(GOOD) == ()
    assert repair(GOOD) == GOOD


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        (GOOD.removeprefix("INT. HOTEL - NIGHT\n\n"), "heading missing"),
        (GOOD.replace("Nora looks at the door.\n\n", ""), "action missing"),
        ("INT. HOTEL - NIGHT\n\nNora looks at the door.", "dialogue missing"),
        (GOOD.replace("NIGHT", "NIGHT. Nora is tired of all this."), "heading"),
        (GOOD.replace("NORA\n(sighing)\n", "Nora: "), "label"),
        (GOOD + "\n\nFELIX", "cue without speech"),
        (GOOD.replace("the door.", 'the door. "I want to go home," she says.'), "quoted speech"),
        (GOOD.replace("(sighing)\n", "(sighing as she "), "parenthetical"),
        (GOOD.removesuffix("\n\nCUT TO:").removesuffix(", then."), "unfinished"),
    ],
)
def test_each_rule_finds_its_fault(text: str, rule: str) -> None:
    assert rule in rules(text)


def test_a_passage_needs_no_heading_of_its_own() -> None:
    assert check("FELIX\nGo home, then.", is_whole=False) == ()


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("Nora: (low) Who is there?", "NORA\n(low)\nWho is there?"),
        ('Nora: "Who is there?"', "NORA\nWho is there?"),
        ('"I can\'t," says Nora, and she sits down.', "NORA\nI can't."),
        ("“Who is there?” Nora asked.", "NORA\nWho is there?"),
        ('Nora says softly, "It is me."', "NORA\nIt is me."),
        ("Nora waits.\n\nFELIX", "Nora waits."),
        ("Nora waits. Then she", "Nora waits."),
    ],
)
def test_speech_is_put_under_its_cue_and_halves_are_left_out(told: str, wanted: str) -> None:
    assert repair(told) == wanted
    assert check(repair(told), is_whole=False) == ()


def test_speech_by_nobody_cannot_be_put_right_and_stays_a_fault() -> None:
    told = 'Somewhere a voice is heard. "I want to go home." Nobody moves.'
    assert repair(told) == told
    assert "quoted speech" in rules(told)


def test_a_heading_is_set_where_none_stands() -> None:
    fixed = repair(GOOD.removeprefix("INT. HOTEL - NIGHT\n\n"), heading="INT. HOTEL - NIGHT")
    assert fixed == GOOD


@pytest.mark.parametrize(
    ("setting", "heading"),
    [
        ("a foggy harbour", "EXT. FOGGY HARBOUR - DAY"),
        ("An old hotel in the mountains, in 1890.", "INT. OLD HOTEL IN THE MOUNTAINS - DAY"),
        ("the kitchen of a castle at night", "INT. KITCHEN OF A CASTLE - NIGHT"),
        ("a street where nobody lives, at dusk", "EXT. STREET - EVENING"),
        ("雾港", "EXT. 雾港 - DAY"),
    ],
)
def test_a_setting_becomes_a_heading(setting: str, heading: str) -> None:
    assert heading_of(setting) == heading
    assert fountain.looks_like_heading(heading)


def test_as_a_play_each_speech_is_one_paragraph() -> None:
    assert as_play(GOOD) == (
        "INT. HOTEL - NIGHT\n\nNora looks at the door.\n\nNora: (sighing) I am tired.\n\n"
        "Felix: Go home, then.\n\nCUT TO:"
    )


@given(st.text(max_size=20).filter(lambda name: cue_of(name) != ""), st.text(max_size=40))
def test_a_speech_is_read_back_as_one(name: str, words: str) -> None:
    spoken = speech_of("Mira" if not name.isalpha() else name, " ".join(["So", *words.split()]))
    written = fountain.write(fountain.Script(spoken))
    assert [one.kind for one in fountain.parse(written).elements] == [one.kind for one in spoken]


@example("!\n?")
@example("A\n(")
@given(st.text(st.sampled_from("aA .:!?\n\"“”()INTXE'"), max_size=80))
def test_a_repair_is_done_once(text: str) -> None:
    once = repair(text)
    assert repair(once) == once
    assert not rules(once) & {"label", "cue without speech", "unfinished"} or not once
