import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.types import GO_ON, Action, Monitor, Verdict
from bot.text.passage import PassageMonitor, trim_passage
from tests.support.timing import processor_s

STORY = (
    "Mira counted the lamps along the quay and found one too many. “That was not here,” she said. "
    "Her brother shrugged, as he did at most things before breakfast. Out on the water a bell rang, "
    "though no boat was near enough to own it. He put down the basket. “Listen,” he said, and the "
    "bell rang again, slower, as if it had heard him and was thinking it over. "
)


def monitor(
    *,
    min_chars: int = 40,
    target_chars: int = 80,
    max_chars: int | None = None,
    context_tail: str = "",
    forbids_loops: bool = True,
    forbids_drift: bool = True,
) -> PassageMonitor:
    return PassageMonitor(
        min_chars=min_chars,
        target_chars=target_chars,
        max_chars=max_chars,
        context_tail=context_tail,
        forbids_loops=forbids_loops,
        forbids_drift=forbids_drift,
    )


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [
        ("He left. Then he", "He left."),
        ("He left.  \n", "He left."),
        ('He left. "', "He left."),
        ('He left. "Come', "He left."),
        ('"I am here. I am', '"I am here."'),
        ("No end at all ", "No end at all"),
        ('He said, "go on', 'He said, "go on"'),
        (" and left. ", " and left."),
        ("He left.\n\n  Rain fell.\n The end.", "He left.\n\nRain fell.\nThe end."),
        ("\n\n He left.", "\n\nHe left."),
        ("", ""),
        ("他走了。他", "他走了。"),
        ("「行こう。と", "「行こう。」"),
    ],
)
def test_a_passage_ends_with_a_whole_sentence(text: str, trimmed: str) -> None:
    assert trim_passage(text) == trimmed


@given(st.text(st.sampled_from("aB .!?\n\"'“”。「」")))
def test_trimming_is_idempotent_on_its_words(text: str) -> None:
    once = trim_passage(text)
    assert once == once.rstrip()
    assert trim_passage(once).rstrip("\"'”」 ") == once.rstrip("\"'”」 ")


def test_it_is_a_monitor_of_the_engine() -> None:
    watching: Monitor = monitor()
    assert watching.check("He left.", 3, at_end=False) == GO_ON


def test_it_stops_at_the_first_whole_sentence_from_the_target_on() -> None:
    text = STORY[:70]
    verdicts = [monitor().check(STORY[:end], end, at_end=False) for end in range(len(STORY))]
    stops = [verdict.keep_chars for verdict in verdicts if verdict.action is Action.STOP]
    assert verdicts[len(text)] == GO_ON
    assert STORY[: stops[0]].endswith("she said.")
    assert not any(verdict.action is Action.REWIND for verdict in verdicts)


def test_it_does_not_stop_inside_speech() -> None:
    text = "“" + "I know the way. " * 2 + "It is over the long hill there. We went last year. "
    assert monitor(forbids_loops=False).check(text, 30, at_end=False) == GO_ON
    closed = text.rstrip() + "”"
    verdict = monitor(forbids_loops=False).check(closed, 30, at_end=False)
    assert verdict == Verdict(Action.STOP, len(closed))


def test_speech_that_was_open_before_the_passage_counts() -> None:
    text = (
        "Come in out of the rain, all of you, and sit down by the fire for the rest of the night."
    )
    assert monitor(context_tail="She said, “").check(text, 20, at_end=False) == GO_ON
    assert (
        monitor(context_tail="She said it.\n\n").check(text, 20, at_end=False).action is Action.STOP
    )


def test_at_the_longest_it_takes_an_earlier_end() -> None:
    text = (
        "The fox came home to the hill at last. "
        "And then it went on past the old mill and the pond and the wood "
    )
    assert monitor(max_chars=1000, min_chars=20).check(text, 20, at_end=False) == GO_ON
    verdict = monitor(max_chars=100, min_chars=20).check(text, 20, at_end=False)
    assert verdict == Verdict(Action.STOP, 38)
    assert monitor(max_chars=100, min_chars=39).check(text, 20, at_end=False) == GO_ON


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The fox left. Then it", Verdict(Action.STOP, 13)),
        ("The fox left the", GO_ON),
        ("“It left. It is", Verdict(Action.STOP, 9)),
        ("The fox left. “It is", Verdict(Action.STOP, 13)),
        ("", GO_ON),
        ("The answer is: 5", Verdict(Action.STOP, 0)),
        ("The fox left. The answer is: 5", Verdict(Action.STOP, 13)),
    ],
)
def test_at_the_end_it_keeps_whole_sentences_of_the_story(text: str, verdict: Verdict) -> None:
    assert monitor().check(text, 5, at_end=True) == verdict


def test_it_rewinds_to_before_what_leaves_the_story() -> None:
    verdict = monitor().check("The fox left.\n\nThe answer is: 5", 9, at_end=False)
    assert verdict == Verdict(Action.REWIND, 13)
    assert monitor(forbids_drift=False).check("The answer is: 5", 9, at_end=False) == GO_ON


CRUMBS = "The cat was gone.\n\nElena,\n\nHer brother too,\n\nA family,\n\nIt is.\n\n"


def test_it_rewinds_to_before_prose_that_crumbles() -> None:
    text = f"He sat down at the window to wait for rain.\n\n{CRUMBS}"
    assert monitor().check(text, 9, at_end=False) == Verdict(Action.STOP, 43)
    assert monitor(min_chars=60).check(text, 9, at_end=False) == Verdict(Action.REWIND, 43)
    for end in range(len(text) - 1):
        assert monitor().check(text[:end], 9, at_end=False).action is not Action.REWIND
    assert monitor(forbids_drift=False, target_chars=500).check(text, 9, at_end=False) == GO_ON


def test_verse_may_go_on_as_verse_and_talk_in_short_lines() -> None:
    before = (
        "Snow on the hill,\nsnow on the town,\nall is still\nas it comes down\non the mill.\n\n"
    )
    verse = monitor(context_tail=before, target_chars=500)
    assert verse.check(CRUMBS, 9, at_end=False) == GO_ON
    talk = "“Who?”\n\n“Me.”\n\n“You?”\n\n“Yes.”\n\n“Come.”\n\n“Now?”\n\n"
    assert monitor(target_chars=500).check(talk, 9, at_end=False) == GO_ON


def test_the_first_words_that_it_was_given_count_and_are_never_taken_back() -> None:
    begun = PassageMonitor(min_chars=40, target_chars=80, opening="\n\nIn the end,")
    about_text = " the reader of the last chapter slept."
    assert begun.check(about_text, 9, at_end=False) == Verdict(Action.REWIND, 0)
    whole = " they all went home. And the lamp went out in the last of the windows there."
    assert begun.check(whole, 9, at_end=True) == Verdict(Action.STOP, len(whole))
    assert begun.check(" they", 1, at_end=False) == GO_ON
    assert begun.check("", 0, at_end=True).keep_chars == 0


def test_it_rewinds_to_before_a_loop() -> None:
    loop = "He ran down the lane, down the lane, down the lane, down the lane"
    verdict = monitor().check(loop, 9, at_end=False)
    assert verdict.action is Action.REWIND
    assert (
        loop[: verdict.keep_chars] == "He ran down the lane, down the lane,"[: verdict.keep_chars]
    )
    assert monitor(forbids_loops=False).check(loop, 9, at_end=False) == GO_ON


def test_it_ends_instead_of_rewinding_where_enough_was_written() -> None:
    text = "The fox left, and nobody saw it for a year. The answer is: 5"
    assert monitor().check(text, 9, at_end=False) == Verdict(Action.STOP, 43)


def test_a_check_of_1500_characters_takes_well_under_a_millisecond() -> None:
    sentences = " ".join(
        f"The {a} went to the {b}, {a}ly enough, and found no {b} at all."
        for a, b in zip(
            [
                "fox",
                "hen",
                "toad",
                "hare",
                "goat",
                "owl",
                "mole",
                "crow",
                "wren",
                "stag",
                "lamb",
                "bear",
                "wolf",
                "lynx",
                "duck",
                "swan",
            ],
            [
                "hill",
                "mill",
                "well",
                "gate",
                "pond",
                "barn",
                "lane",
                "moor",
                "wood",
                "farm",
                "dock",
                "quay",
                "cave",
                "isle",
                "town",
                "ford",
            ],
            strict=True,
        )
    )
    text = (STORY + sentences * 2)[:1500]
    watching = monitor(target_chars=3000, context_tail=STORY, forbids_loops=True)
    lengths = range(0, 1501, 30)

    def grow() -> None:
        for length in lengths:
            watching.check(text[:length], length // 4, at_end=False)

    assert (
        processor_s(grow, repeat=5) / len(lengths) < 0.003
    )  # measured 0.0002, or under coverage 0.001


@pytest.mark.parametrize(
    "unit",
    [" ", "\n", "- ", "# ", "“", '"', "(", "a! ", "“a! ", "<a", "1 ", "A ", "{", "*", "[", "ha "],
)
def test_no_text_is_slow(unit: str) -> None:
    text = "x" + unit * (3000 // len(unit)) + "x"
    watching = monitor()

    def judge() -> None:
        watching.check(text, 9, at_end=True)
        watching.check(text, 9, at_end=False)
        trim_passage(text)

    # Under 0.5 s; coverage and a slow machine make it up to ten times as much. What backtracks
    # takes minutes.
    assert processor_s(judge, repeat=1) < 10.0
