from collections.abc import Sequence

from bot.engine.local.kv_cache import Slot, SlotStore, common_prefix

TOKEN_BYTES = 32


class FakeCache:
    def __init__(self, length: int = 0) -> None:
        self.length = length

    @property
    def size_bytes(self) -> int:
        return self.length * TOKEN_BYTES

    def crop(self, length: int, /) -> None:
        assert length <= self.length
        self.length = length

    def fork(self, length: int, /) -> "FakeCache":
        assert length <= self.length
        return FakeCache(length)


Kept = Slot[FakeCache]


def make(
    limit_bytes: int = 1 << 20, *, is_reusable: bool = True, chunk_tokens: int = 1
) -> SlotStore[FakeCache]:
    return SlotStore(
        FakeCache, limit_bytes=limit_bytes, is_reusable=is_reusable, chunk_tokens=chunk_tokens
    )


def fill(slot: Kept, tokens: Sequence[int]) -> Kept:
    slot.tokens = list(tokens)
    slot.cache.length = len(tokens)
    return slot


def keep(store: SlotStore[FakeCache], key: str, tokens: Sequence[int]) -> Kept:
    slot = fill(store.take(key, [*tokens, 0]), tokens)
    store.give_back(slot, len(tokens))
    return slot


def test_the_common_prefix_is_counted_in_tokens() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([], [1]) == 0


def test_a_slot_comes_back_cropped_to_what_the_texts_share() -> None:
    store = make()
    kept = keep(store, "story", [1, 2, 3, 4])
    slot = store.take("story", [1, 2, 9, 9])
    assert slot is kept
    assert slot.tokens == [1, 2]
    assert slot.cache.length == 2


def test_the_last_token_is_always_left_to_compute() -> None:
    store = make()
    keep(store, "story", [1, 2, 3])
    assert store.take("story", [1, 2, 3]).tokens == [1, 2]


def test_whole_chunks_of_the_prompt_are_kept_and_lent() -> None:
    store = make(chunk_tokens=4)
    prompt = list(range(10))
    slot = fill(store.take("story", prompt), [*prompt, 10, 11, 12])
    store.give_back(slot, len(prompt))  # three tokens were written after it
    assert slot.tokens == prompt[:8]
    assert slot.cache.length == 8
    assert store.take("story", prompt[:8]).tokens == prompt[:4]  # the last is left to compute
    store.give_back(fill(store.take("short", [1, 2]), [1, 2, 3, 4, 5]), 2)
    assert store.idle == 0


def test_a_text_that_shares_nothing_gets_an_empty_slot() -> None:
    store = make()
    kept = keep(store, "story", [1, 2])
    slot = store.take("story", [7, 2])
    assert slot is not kept
    assert slot.tokens == []


def test_a_slot_in_use_is_not_shared() -> None:
    store = make()
    keep(store, "story", [1, 2, 3])
    first = store.take("story", [1, 2, 3, 4])
    second = store.take("story", [1, 2, 3, 4])
    assert second is not first
    assert second.tokens == []
    store.give_back(fill(second, [1, 2, 3, 4]), 4)
    store.give_back(fill(first, [1, 2, 3, 5]), 4)
    assert store.idle == 1
    assert store.take("story", [1, 2, 3, 5, 6]) is first


def test_the_least_recently_used_goes_first_when_the_limit_is_reached() -> None:
    store = make(limit_bytes=TOKEN_BYTES * 6)
    keep(store, "a", [1, 2])
    keep(store, "b", [1, 2])
    keep(store, "a", [1, 2])
    keep(store, "c", [1, 2, 3])
    assert store.idle_bytes <= TOKEN_BYTES * 6
    assert store.take("b", [1, 2, 3]).tokens == []
    assert store.take("a", [1, 2, 3]).tokens == [1, 2]


def test_slots_in_use_count_towards_the_limit() -> None:
    store = make(limit_bytes=TOKEN_BYTES * 5)
    fill(store.take("busy", [1]), [1, 2, 3, 4])
    keep(store, "idle", [1, 2])
    assert store.idle == 0


def test_nothing_is_kept_without_a_key_a_use_or_tokens() -> None:
    store = make()
    store.give_back(fill(store.take(None, [1, 2]), [1]), 1)
    store.give_back(store.take("empty", [1, 2]), 2)
    store.drop(fill(store.take("failed", [1, 2]), [1]))
    assert store.idle == 0
    rigid = make(is_reusable=False)
    keep(rigid, "story", [1, 2])
    assert rigid.idle == 0


def test_all_that_is_idle_can_be_let_go() -> None:
    store = make()
    keep(store, "story", [1, 2])
    store.clear()
    assert store.idle == 0


def test_a_slot_takes_over_what_another_has_computed() -> None:
    store = make()
    leader = fill(store.take("story", [1, 2, 3, 4]), [1, 2, 3])
    follower = store.take("story", [1, 2, 9])
    store.fork(follower, leader, 2)
    assert (follower.tokens, follower.cache.length) == ([1, 2], 2)
    assert (leader.tokens, leader.cache.length) == ([1, 2, 3], 3)
    leader.crop(0)
    assert follower.cache.length == 2
