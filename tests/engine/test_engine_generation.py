from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.local.generation import Generation, Job, Next
from bot.engine.types import Action, FinishReason, Verdict
from tests.engine.engine_reading import Reading, Watch, ask

END = 0
VOCABULARY = ["", " the", " cat", " sat", ".", "\n", "\n\n", ' "', " done", ".\n"]
THE, CAT, SAT, STOP, BREAK, BREAKS, QUOTE, DONE, STOP_BREAK = range(1, 10)


def spell(ids: Sequence[int]) -> str:
    return "".join(VOCABULARY[token] for token in ids)


def make(**options: Any) -> Generation:
    request = ask(**options)
    job = Job(id=1, request=request, prompt_ids=(THE, CAT), submitted_at_s=1.0)
    clock = iter(float(second) for second in range(2, 1000))
    generation = Generation(job, decode=spell, end_ids=frozenset({END}), clock=lambda: next(clock))
    generation.start(1)
    return generation


def feed(
    generation: Generation, *tokens: int, reading: Reading | None = None
) -> tuple[Reading, Next]:
    reading = reading or Reading()
    step = Next.EXTEND
    for token in tokens:
        progress = generation.accept(token)
        step = progress.next
        if progress.chunk is not None:
            reading.add(progress.chunk)
        if step is Next.END:
            break
    return reading, step


def test_the_end_of_text_ends_it_and_is_not_part_of_it() -> None:
    reading, _ = feed(make(), THE, CAT, END)
    assert reading.text == " the cat"
    assert reading.finish is FinishReason.END_OF_TEXT
    assert reading.token_ids == (THE, CAT)
    usage = reading.usage
    assert (usage.prompt_tokens, usage.cached_tokens) == (2, 1)
    assert (usage.completion_tokens, usage.sampled_tokens, usage.rewinds) == (2, 3, 0)
    assert (usage.queued_s, usage.prefill_s, usage.decode_s) == (1.0, 1.0, 1.0)


def test_the_longest_length_ends_it() -> None:
    reading, _ = feed(make(max_tokens=2), THE, CAT, SAT)
    assert (reading.text, reading.finish) == (" the cat", FinishReason.LENGTH)


def test_an_early_end_is_told_apart() -> None:
    generation = make(min_tokens=1)
    assert not generation.may_end
    feed(generation, THE)
    assert generation.may_end


def test_a_stop_string_is_cut_and_never_shown() -> None:
    reading, _ = feed(make(stop=("\n\n",)), THE, STOP, BREAK, BREAK)
    assert reading.finish is FinishReason.STOP_STRING
    assert all("\n" not in chunk.text for chunk in reading.chunks)
    assert reading.text == " the."
    assert reading.token_ids == (THE, STOP)


def test_what_only_might_have_been_a_stop_string_comes_late_but_whole() -> None:
    reading, _ = feed(make(stop=("\n\n",)), THE, BREAK, CAT, BREAK, END)
    assert reading.text == " the\n cat\n"
    assert reading.token_ids == (THE, BREAK, CAT, BREAK)


def test_a_stop_string_inside_a_token_leaves_no_ids() -> None:
    reading, _ = feed(make(stop=("\n",)), THE, STOP_BREAK)
    assert reading.text == " the."
    assert reading.token_ids == ()
    assert reading.usage.completion_tokens == 2


def test_the_monitor_ends_a_text_and_what_was_shown_beyond_is_taken_back() -> None:
    watch = Watch(
        lambda text, tokens, at_end: Verdict(Action.STOP, 4) if tokens == 3 else Verdict()
    )
    reading, _ = feed(make(monitor=watch), THE, CAT, SAT)
    assert (reading.text, reading.finish) == (" the", FinishReason.MONITOR)
    assert reading.chunks[-1].retract == 4
    assert reading.token_ids == (THE,)
    assert watch.seen == [" the", " the cat", " the cat sat"]


def test_the_monitor_does_not_see_what_is_held_back() -> None:
    watch = Watch(lambda text, tokens, at_end: Verdict())
    feed(make(monitor=watch, stop=("\n\n",)), THE, BREAK, CAT, BREAK, END)
    assert watch.seen == [" the", " the\n cat", " the\n cat\n"]


@pytest.mark.parametrize(
    ("tokens", "options", "reason"),
    [
        ((THE, CAT, END), {}, FinishReason.END_OF_TEXT),
        ((THE, CAT), {"max_tokens": 2}, FinishReason.LENGTH),
        ((THE, CAT, BREAKS), {"stop": ("\n",)}, FinishReason.STOP_STRING),
    ],
)
def test_at_the_end_the_monitor_says_how_much_to_keep(
    tokens: tuple[int, ...], options: dict[str, object], reason: FinishReason
) -> None:
    watch = Watch(lambda text, tokens, at_end: Verdict(Action.STOP, 2) if at_end else Verdict())
    reading, _ = feed(make(monitor=watch, **options), *tokens)
    assert (reading.text, reading.finish, reading.token_ids) == (" t", reason, ())


def test_a_rewind_drops_to_a_token_and_forbids_the_dropped_one() -> None:
    watch = Watch(
        lambda text, tokens, at_end: (
            Verdict(Action.REWIND, 6) if text.endswith("sat") else Verdict()
        )
    )
    generation = make(monitor=watch)
    reading, step = feed(generation, THE, CAT, SAT)
    assert step is Next.REWIND
    assert reading.text == " the"
    assert generation.tokens == [THE]
    assert generation.forbidden == {CAT}
    feed(generation, DONE, END, reading=reading)
    assert reading.text == " the done"
    assert reading.token_ids == (THE, DONE)
    assert reading.usage.rewinds == 1
    assert reading.usage.sampled_tokens == 5


def test_what_was_dropped_at_a_place_stays_forbidden_until_an_earlier_rewind() -> None:
    keep = iter([4, 4, 0])
    watch = Watch(
        lambda text, tokens, at_end: (
            Verdict(Action.REWIND, next(keep)) if tokens == 2 else Verdict()
        )
    )
    generation = make(monitor=watch)
    reading, _ = feed(generation, THE, CAT, SAT)
    assert generation.forbidden == {CAT, SAT}
    feed(generation, DONE, reading=reading)
    assert generation.tokens == []
    assert generation.forbidden == {THE}
    feed(generation, SAT, reading=reading)
    assert generation.forbidden == frozenset()


def test_a_rewind_at_the_end_of_text_forbids_the_end() -> None:
    watch = Watch(lambda text, tokens, at_end: Verdict(Action.REWIND, 4) if at_end else Verdict())
    generation = make(monitor=watch)
    _, step = feed(generation, THE, END)
    assert step is Next.REWIND
    assert generation.forbidden == {END}


@pytest.mark.parametrize("keep", [4, 1000, -3])
def test_a_rewind_that_would_keep_everything_still_drops_a_token(keep: int) -> None:
    watch = Watch(lambda text, tokens, at_end: Verdict(Action.REWIND, keep))
    generation = make(monitor=watch)
    feed(generation, THE)
    assert generation.tokens == []
    assert generation.forbidden == {THE}


def test_after_the_last_rewind_it_gives_up_with_the_good_part() -> None:
    watch = Watch(
        lambda text, tokens, at_end: Verdict(Action.REWIND, 4) if tokens == 2 else Verdict()
    )
    reading, _ = feed(make(monitor=watch, max_rewinds=2), THE, CAT, SAT, DONE)
    assert (reading.text, reading.finish) == (" the", FinishReason.GAVE_UP)
    assert reading.usage.rewinds == 2


def test_an_interruption_keeps_what_was_shown() -> None:
    generation = make(stop=("\n\n",))
    reading, _ = feed(generation, THE, BREAK)
    reading.add(generation.interrupt(FinishReason.CANCELLED))
    assert (reading.text, reading.token_ids) == (" the", (THE,))


@given(
    tokens=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    verdicts=st.lists(
        st.tuples(st.sampled_from(list(Action)), st.integers(-2, 40)), min_size=1, max_size=10
    ),
    stop=st.lists(st.sampled_from(["\n\n", ".\n", "sat", " d"]), max_size=2),
    max_tokens=st.integers(1, 12),
)
def test_the_ids_always_spell_the_text_or_are_missing(
    tokens: list[int],
    verdicts: list[tuple[Action, int]],
    stop: list[str],
    max_tokens: int,
) -> None:
    turn = iter(verdicts * 20)
    watch = Watch(lambda text, count, at_end: Verdict(*next(turn)))
    generation = make(monitor=watch, stop=tuple(stop), max_tokens=max_tokens)
    reading, step = feed(generation, *tokens)
    assert len(generation.tokens) <= max_tokens
    if step is not Next.END:
        assert spell(generation.tokens).startswith(reading.text)
        reading.add(generation.interrupt(FinishReason.CANCELLED))
    assert reading.token_ids == () or spell(reading.token_ids) == reading.text
    assert not any(text in reading.text for text in stop)
