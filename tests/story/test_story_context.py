# ruff: noqa: RUF001 -- Chinese punctuation is meant
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import PinnedTooLargeError, PromptTooLongError
from bot.story import actions, tree
from bot.story.context import KEPT_SHARE, Context, assemble, check_pinned
from bot.story.context_parts import CHAT, COMPLETION, PREFILL, ContextPart, PartLabel
from bot.story.model import CastMember, Concept
from tests.story.story_kit import Teller, count_letters, count_words

CONCEPT = Concept(
    title="The Last Lantern",
    genre="fantasy",
    theme="courage",
    setting="a foggy harbour.",
    premise="The lamps go out",
    cast=(
        CastMember(name="Mira", line="a lamplighter"),
        CastMember(name="Tobin", line="old, kind"),
    ),
    plot=("Mira finds a lantern", "the fog lifts"),
)
ENGLISH = "The fog came in. Nobody spoke of it, and the lamps burned low."
CHINESE = "雾越来越浓了。没有人说话，灯也快要灭了。"


def build(n: int, text: str = ENGLISH, concept: Concept = CONCEPT) -> Teller:
    teller = Teller(concept)
    for number in range(n):
        teller.turn(f"{number} {text}", f" {number} {text}")
    return teller


def see(
    teller: Teller,
    window_tokens: int = 400,
    *,
    count: Callable[[Sequence[ContextPart]], int] = count_words,
    reply_tokens: int = 40,
    **options: object,
) -> Context:
    return assemble(
        teller.story,
        count=count,
        window_tokens=window_tokens,
        reply_tokens=reply_tokens,
        **options,  # type: ignore[arg-type]  # each test names the ones it sets
    )


def test_a_completion_reads_as_a_book_that_goes_on() -> None:
    teller = Teller(CONCEPT)
    teller.turn("In a small village,", " there stood a lamp.")
    teller.add("It was out.")
    assert see(teller).text == (
        "The Last Lantern\n\nA fantasy story about courage, set in a foggy harbour. The lamps go out. "
        "Mira is a lamplighter. Tobin: old, kind. Mira finds a lantern.\n\nChapter One\n\n"
        "In a small village, there stood a lamp.\n\nIt was out."
    )


def test_a_story_without_concept_or_words_still_has_a_prompt() -> None:
    context = see(Teller())
    assert context.text == "A short story.\n\nChapter One\n\n"
    assert context.anchor is None


def test_a_chinese_story_is_put_in_chinese() -> None:
    concept = Concept(
        title="最后的灯",
        genre="fantasy",
        theme="勇气",
        setting="雾港",
        cast=(CastMember(name="米拉", line="点灯人"), CastMember(name="老人")),
        plot=("灯灭了",),
    )
    teller = Teller(concept)
    teller.add("从前有一个村子，")
    teller.add("村里有一盏灯。")
    assert see(teller).text == (
        "最后的灯\n\n一个奇幻故事，讲的是勇气，发生在雾港。米拉是点灯人。主角：老人。灯灭了。\n\n第一章\n\n"
        "从前有一个村子，村里有一盏灯。"
    )
    assert "只写故事本身" in see(teller, style=CHAT).parts[0].text


def test_a_genre_that_is_not_in_the_tables_is_named() -> None:
    assert "in the genre solarpunk." in see(Teller(Concept(genre="solarpunk"))).text
    assert "With Mira." in see(Teller(Concept(cast=(CastMember(name="Mira"),)))).text


@pytest.mark.parametrize(
    ("concept", "front"),
    [
        (Concept(format="fable", theme="envy"), "A short story, told as a fable about envy."),
        (Concept(format="fable"), "A short story, told as a fable."),
        (Concept(format="lesson", theme="honesty"), "A short story for children about honesty."),
        (
            Concept(format="lesson", reader_age=8, genre="mystery"),
            "A mystery story for children of 8.",
        ),
        (Concept(format="fable", title="狐狸"), "狐狸\n\n一个短篇故事，写成寓言。"),
        (
            Concept(format="lesson", title="狐狸", reader_age=8),
            "狐狸\n\n一个短篇故事，写给8岁的孩子。",
        ),
        (Concept(format="opera"), "A short story."),
    ],
)
def test_the_front_says_the_format(concept: Concept, front: str) -> None:
    shown = see(Teller(concept)).text
    assert shown.removesuffix("\n\nChapter One\n\n").removesuffix("\n\n第一章\n\n") == front


def test_a_screenplay_has_no_chapters() -> None:
    concept = Concept(format="screenplay", genre="mystery")
    assert see(Teller(concept)).text == "A mystery story, written as a play.\n\n"
    assert see(Teller(concept), ending=0).opening == ""


def test_passages_are_put_into_the_layout_that_the_model_knows() -> None:
    teller = Teller()
    teller.answer("ONE", ids=(1,), tokenizer_hash="mine")
    teller.add("TWO.")
    seen = see(teller, tokenizer_hash="mine", retell=str.lower)
    assert seen.text.endswith("Chapter One\n\none two.")
    assert all(part.token_ids is None for part in seen.parts)


def test_stored_ids_stand_where_the_tokenizer_is_the_same_and_nobody_edited() -> None:
    teller = Teller()
    teller.answer(" One.", ids=(1, 2), tokenizer_hash="mine")
    teller.answer(" Two.", ids=(3,), tokenizer_hash="other")
    teller.answer(" Three.", ids=(4,), tokenizer_hash="mine")
    teller.take(actions.edit(teller.story, teller.stamp(), teller.head(), "Drei."))
    teller.add("Four.")
    parts = [
        (part.text, part.token_ids, part.tokenizer_hash)
        for part in see(teller, tokenizer_hash="mine").parts
        if part.label is PartLabel.PASSAGE
    ]
    assert parts == [
        (" One.", (1, 2), "mine"),
        (" Two.", None, None),
        ("Drei.", None, None),
        ("Four.", None, None),
    ]
    assert all(part.token_ids is None for part in see(teller).parts)


def test_what_was_generated_follows_its_prompt_without_a_joint() -> None:
    teller = Teller()
    teller.add("She went to the vill")
    before = see(teller)
    teller.answer("age and slept.", ids=(1,), tokenizer_hash="h")
    after = see(teller)
    assert after.text == before.text + "age and slept."
    teller.answer(" The sun rose.", ids=(2,), tokenizer_hash="h")
    assert see(teller).text == after.text + " The sun rose."
    teller.answer("It set.", ids=(2,), tokenizer_hash="h")
    assert see(teller).text.endswith("The sun rose.\n\nIt set.")


def test_forgotten_passages_are_left_out() -> None:
    teller = Teller()
    teller.turn("One.", " Two.")
    texts = {
        text_id: type(text)(text_id, "" if text.body == "One." else text.body)
        for text_id, text in teller.story.texts.items()
    }
    teller.story = type(teller.story)(
        **{
            name: getattr(teller.story, name)
            for name in teller.story.__dataclass_fields__
            if name != "texts"
        },
        texts=texts,
    )
    assert see(teller).text.endswith("Chapter One\n\n Two.")


def test_old_passages_are_dropped_in_a_block_and_the_anchor_remembered() -> None:
    teller = build(30)
    context = see(teller)
    assert context.left_out > 0
    assert context.prompt_tokens <= KEPT_SHARE * context.limit_tokens
    assert context.anchor == tree.path(teller.story)[context.left_out].id
    teller.turn("More.", "Still more.")
    after = see(teller, anchor=context.anchor)
    assert after.anchor == context.anchor
    assert after.text.startswith(context.text)


def test_an_anchor_that_is_no_longer_on_the_path_is_forgotten() -> None:
    teller = build(3)
    assert see(teller, anchor=987).anchor is None


def test_dropped_passages_come_back_after_an_undo() -> None:
    teller = build(30)
    context = see(teller)
    teller.undo(27)
    assert see(teller, anchor=context.anchor).left_out == 0
    teller.redo(25)
    back = see(teller, anchor=tree.path(teller.story)[-1].id)
    assert back.prompt_tokens > 0.3 * back.limit_tokens


def test_another_alternate_goes_on_from_the_passages_given() -> None:
    teller = build(2)
    walked = tree.path(teller.story)
    context = see(teller, passages=walked[:-1])
    assert [part.passage_id for part in context.parts if part.passage_id] == [
        passage.id for passage in walked[:-1]
    ]
    assert see(teller, passages=()).text.endswith("Chapter One\n\n")


def test_a_passage_larger_than_the_budget_loses_its_beginning_at_a_sentence() -> None:
    teller = Teller(CONCEPT)
    teller.add(" ".join(f"This is sentence number {n}." for n in range(200)))
    context = see(teller, 200)
    assert context.is_cut
    assert context.prompt_tokens <= context.limit_tokens
    last = context.parts[-1].text
    assert last.startswith("This is sentence number")
    assert last.endswith("number 199.")


def test_a_sentence_larger_than_the_budget_is_cut_at_a_word() -> None:
    teller = Teller()
    teller.add("Short. " + " ".join(f"word{n}" for n in range(500)))
    context = see(teller, 100)
    assert context.is_cut
    assert context.prompt_tokens == context.limit_tokens
    assert context.parts[-1].text.startswith("word")


def test_a_text_without_spaces_is_cut_anywhere() -> None:
    teller = Teller()
    teller.add("x" * 5000)
    context = see(teller, 300, count=count_letters)
    assert context.is_cut
    assert context.prompt_tokens == context.limit_tokens


def test_the_budget_counts_where_it_is_smaller_than_the_window() -> None:
    teller = build(30)
    context = see(teller, 10_000, budget_tokens=150)
    assert context.limit_tokens == 150
    assert context.prompt_tokens <= 150
    assert see(teller, 10_000).limit_tokens == 9_960


def test_a_pinned_part_that_crowds_out_the_story_is_refused() -> None:
    big = Concept(premise="word " * 300)
    with pytest.raises(PinnedTooLargeError):
        check_pinned(big, count=count_words, window_tokens=400)
    with pytest.raises(PinnedTooLargeError):
        see(Teller(big))
    with pytest.raises(PinnedTooLargeError):
        see(build(1, concept=Concept()), 1000, budget_tokens=4)
    assert check_pinned(big, count=count_words, window_tokens=1000) > 300
    assert check_pinned(CONCEPT, count=count_words, window_tokens=1000, style=CHAT) > 60


def test_no_room_for_even_one_letter_is_refused() -> None:
    with pytest.raises(PinnedTooLargeError):
        see(build(1, concept=Concept()), 1000, budget_tokens=5)


def test_a_reply_as_large_as_the_window_is_refused() -> None:
    with pytest.raises(PromptTooLongError):
        see(Teller(), 100, reply_tokens=100)


def test_the_pinned_check_reckons_with_the_longest_beat() -> None:
    short = check_pinned(Concept(plot=("a b",)), count=count_words, window_tokens=1000)
    both = check_pinned(Concept(plot=("a b", "a b c d")), count=count_words, window_tokens=1000)
    assert both == short + 2


def test_an_ending_is_given_its_first_words_but_not_within_a_sentence() -> None:
    teller = Teller()
    teller.add("One. Two.")
    context = see(teller, ending=0)
    assert context.text.endswith("One. Two.\n\nIn the end,")
    assert context.opening == "\n\nIn the end,"
    assert see(teller, ending=1).opening == "\n\nAt last,"
    assert see(teller).opening == ""
    teller.add("She went")
    assert see(teller, ending=0).text.endswith("Two.\n\nShe went")
    teller.add("home.")
    assert see(teller, ending=0).text.endswith("Two.\n\nShe went home.\n\nIn the end,")
    assert see(Teller(), ending=0).text.endswith("Chapter One\n\nIn the end,")


def test_a_chinese_ending_has_chinese_words() -> None:
    teller = Teller()
    teller.add("从前有一个村子。")
    assert see(teller, ending=0).opening == "\n\n最后，"


TAGS = frozenset({"<|format:prose|>", "<|genre:fantasy|>", "<|genre:horror|>"})


def test_tags_stand_first_and_say_the_genre_once() -> None:
    teller = Teller(CONCEPT)
    teller.add("In a small village,")
    context = see(teller, known_tags=TAGS)
    first, *others = context.parts
    assert first.label is PartLabel.TAGS
    assert first.tags == ("<|format:prose|>", "<|genre:fantasy|>")
    assert context.text.startswith("<|format:prose|><|genre:fantasy|>The Last Lantern\n\nA short")
    assert "fantasy" not in context.prose
    assert context.prose == "".join(part.text for part in others)
    plain = see(teller)
    assert context.prose == plain.text.replace("A fantasy story", "A short story")
    assert not any(part.tags for part in plain.parts)


def test_a_genre_without_a_tag_is_said_in_words() -> None:
    concept = Concept(genre="mystery", format="fable")
    plain = see(Teller(concept))
    assert see(Teller(concept), known_tags=TAGS) == plain
    assert see(Teller(Concept(genre="mystery")), known_tags=TAGS).text == (
        f"<|format:prose|>{see(Teller(Concept(genre='mystery'))).text}"
    )


@pytest.mark.parametrize("style", [PREFILL, CHAT])
def test_tags_stand_in_completions_only(style: str) -> None:
    teller = Teller(CONCEPT)
    teller.add("In a small village,")
    assert see(teller, style=style, known_tags=TAGS) == see(teller, style=style)


def test_tags_are_counted_with_the_pinned_part() -> None:
    def count(parts: Sequence[ContextPart]) -> int:
        return sum(len(part.tags) or len(part.text.split()) for part in parts)

    concept = Concept(premise="word " * 300)
    known = check_pinned(concept, count=count, window_tokens=2000, known_tags=TAGS)
    assert known == check_pinned(concept, count=count, window_tokens=2000) + 1
    assert see(Teller(concept), 2000, count=count, known_tags=TAGS).pinned_tokens == known


def test_a_prefill_is_an_answer_that_goes_on() -> None:
    teller = Teller(CONCEPT)
    teller.turn("In a small village,", " there stood a lamp.")
    teller.add("It was out.")
    context = see(teller, style=PREFILL)
    front, cue, *answer = context.parts
    assert (front.role, cue.role) == ("system", "user")
    assert front.text.startswith("You write vivid")
    assert "Mira finds a lantern." in front.text
    assert {part.role for part in answer} == {"assistant"}
    story = "In a small village, there stood a lamp.\n\nIt was out."
    assert "".join(part.text for part in answer) == story
    assert context.text == f"{front.text}\n\nBegin the story.\n\n{story}"


def test_a_prefill_without_words_leaves_the_answer_open() -> None:
    parts = see(Teller(), style=PREFILL).parts
    assert [part.role for part in parts] == ["system", "user", "assistant"]
    assert parts[-1].text == ""
    ending = see(Teller(), style=PREFILL, ending=0).parts
    assert [part.text for part in ending if part.role == "assistant"] == ["In the end,"]


def test_a_chat_alternates_and_ends_with_a_user() -> None:
    teller = Teller(CONCEPT)
    teller.answer("First.")
    teller.add("She went")
    teller.add("home.")
    teller.answer(" Good.", ids=(1,), tokenizer_hash="h")
    context = see(teller, style=CHAT, tokenizer_hash="h")
    assert [part.role for part in context.parts] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert context.parts[3].text == "She went home."
    assert context.parts[4].token_ids == (1,)
    assert context.parts[-1].label is PartLabel.CUE
    assert "Mira finds a lantern" in context.parts[-1].text
    assert "Mira finds a lantern" not in context.parts[0].text
    assert context.text.count("First.") == 1


def test_a_chat_puts_the_beat_before_the_members_last_words() -> None:
    teller = Teller(CONCEPT)
    teller.add("She went home.")
    last = see(teller, style=CHAT).parts[-1]
    assert last.text == "(What happens next: Mira finds a lantern.)\n\nShe went home."
    ending = see(teller, style=CHAT, ending=0).parts[-1]
    assert ending.text.startswith("(Write the last part")
    teller.answer("Then.")
    assert see(teller, style=CHAT, ending=0).parts[-1].text.startswith("Write the last part")


def test_a_chat_without_passages_asks_for_the_beginning() -> None:
    context = see(Teller(), style=CHAT)
    assert [part.role for part in context.parts] == ["system", "user"]
    assert context.parts[-1].text == "Begin the story."


TEXTS = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(
            st.text("ab ,.\n", min_size=1, max_size=60),
            st.text("你好，。灯 ", min_size=1, max_size=60),
            st.just(ENGLISH),
            st.just(CHINESE),
        ).filter(lambda text: bool(text.strip())),
    ),
    min_size=1,
    max_size=14,
)


def tokens_of_bytes(parts: Sequence[ContextPart]) -> int:
    """Bytes in threes: joining changes the count, as it does with real tokenizers."""
    text = "".join(f"<{part.role}>{part.text}</>" if part.role else part.text for part in parts)
    return -(-len(text.encode()) // 3)


def tokens_over_joints(parts: Sequence[ContextPart]) -> int:
    """A yardstick that charges more for the whole than for its pieces."""
    return count_letters(parts) + len(parts) ** 2 // 3


@settings(max_examples=150)
@given(
    passages=TEXTS,
    count=st.sampled_from([count_letters, tokens_of_bytes, tokens_over_joints]),
    style=st.sampled_from([COMPLETION, PREFILL, CHAT]),
    room=st.integers(150, 900),
    ending=st.integers(0, 2**63),
)
def test_every_context_fits_and_keeps_the_pinned_part_and_the_last_words(
    passages: list[tuple[bool, str]],
    count: Callable[[Sequence[ContextPart]], int],
    style: str,
    room: int,
    ending: int,
) -> None:
    concept = Concept(title="Lamp", premise="The lamps go out.", plot=("the fog lifts",))
    teller = Teller(concept)
    anchor = None
    front = None
    for is_member, text in passages:
        if is_member:
            teller.add(text)
        else:
            teller.answer(text)
        story = teller.story
        for draw in (None, ending):
            pinned = assemble(
                story,
                count=count,
                window_tokens=10**6,
                reply_tokens=1,
                style=style,
                passages=(),
                ending=draw,
            ).pinned_tokens
            context = assemble(
                story,
                count=count,
                window_tokens=10 * (pinned + room),
                style=style,
                reply_tokens=20,
                budget_tokens=pinned + room,
                anchor=anchor,
                ending=draw,
            )
            assert context.prompt_tokens == count(context.parts) <= pinned + room
            if front is None:
                front = context.parts[0]
            assert context.parts[0] == front
            assert "The lamps go out." in front.text
            last = tree.path(story)[-1]
            own = [part for part in context.parts if part.passage_id == last.id]
            assert own
            assert own[-1].text.rstrip().endswith(tree.text_of(story, last).rstrip()[-3:])
        anchor = context.anchor


@settings(max_examples=60)
@given(passages=TEXTS, style=st.sampled_from([COMPLETION, PREFILL, CHAT]))
def test_a_context_only_grows_at_its_end_until_a_block_is_dropped(
    passages: list[tuple[bool, str]], style: str
) -> None:
    teller = Teller(Concept(title="Lamp"))
    before: Context | None = None
    for is_member, text in passages:
        if is_member:
            teller.add(text)
        else:
            teller.answer(text, ids=(1,), tokenizer_hash="h")
        context = see(
            teller,
            1500,
            count=count_letters,
            style=style,
            budget_tokens=500 + 400 * (style == CHAT),
            anchor=before.anchor if before else None,
        )
        if before and before.anchor == context.anchor and not before.is_cut and not context.is_cut:
            if style != CHAT:
                assert context.text.startswith(before.text)
            else:
                # Only the last message, or the cue in its place, may change.
                assert context.parts[: len(before.parts) - 1] == before.parts[:-1]
        before = context


def test_the_work_does_not_grow_with_what_was_dropped_long_ago() -> None:
    counted = 0

    def count(parts: Sequence[ContextPart]) -> int:
        nonlocal counted
        counted += sum(len(part.text) for part in parts)
        return count_words(parts)

    def work(n: int) -> int:
        nonlocal counted
        counted = 0
        see(build(n), count=count)
        return counted

    assert work(400) <= work(100) * 1.2
