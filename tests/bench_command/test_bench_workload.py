"""What channels ask for."""

from itertools import islice
from statistics import mean

from bot.bench.sentences import SENTENCES
from bot.bench.workload import (
    CONTEXT_TOKENS,
    KEPT_SHARE,
    PASSAGE_CHARS,
    REPLY_TOKENS,
    StoryText,
    Workload,
)
from bot.policy.registry import REGISTRY
from bot.policy.settings import LENGTHS
from bot.story import context

WORKLOAD = Workload(
    think_s=20.0, limit_tokens=100, pinned_tokens=10, turn_tokens=(1, 9), passage_tokens=(20, 30)
)


def test_the_lengths_are_those_of_the_bot() -> None:
    default = REGISTRY["passage_length"].default
    assert isinstance(default, str)
    bounds = LENGTHS[default]
    sentence = max(map(len, SENTENCES))
    assert PASSAGE_CHARS[0] == bounds.target_chars
    assert bounds.target_chars + sentence <= PASSAGE_CHARS[1] + 1 <= bounds.max_chars
    assert REGISTRY["context_tokens"].default == CONTEXT_TOKENS
    assert REGISTRY["max_passage_tokens"].default == REPLY_TOKENS
    assert context.KEPT_SHARE == KEPT_SHARE


def test_a_window_leaves_room_for_the_reply() -> None:
    large = Workload.of(2048, think_s=60)
    assert (large.limit_tokens, large.passage_tokens) == (1024, (126, 148))
    assert Workload.of(1024, think_s=60).limit_tokens == 624
    tiny = Workload.of(64, think_s=60)
    assert tiny.limit_tokens + tiny.passage_tokens[1] <= 64
    assert tiny.pinned_tokens < KEPT_SHARE * tiny.limit_tokens


def test_turns_depend_on_the_channel_and_nothing_else() -> None:
    first = list(islice(WORKLOAD.turns(1), 500))
    assert first == list(islice(WORKLOAD.turns(1), 500))
    assert first != list(islice(WORKLOAD.turns(2), 500))
    assert 17 < mean(turn.think_s for turn in first) < 23
    assert {turn.added_tokens for turn in first} == set(range(1, 10))
    assert {turn.passage_tokens for turn in first} == set(range(20, 31))


def test_a_story_opens_somewhere_between_two_cuts() -> None:
    openings = {WORKLOAD.opening_tokens(channel) for channel in range(500)}
    assert (min(openings), max(openings)) == (60, 100)


def test_a_context_keeps_its_front_and_its_newest_part() -> None:
    story = StoryText(WORKLOAD, range(90))
    story.add(range(90, 100))
    assert story.context() == list(range(100))
    story.add([100])
    cut = story.context()
    assert cut == [*range(10), *range(51, 101)]
    story.add([101])
    assert story.context() == [*cut, 101]
