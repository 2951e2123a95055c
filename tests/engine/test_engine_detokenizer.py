import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from bot.engine.local.detokenizer import Detokenizer, StopStrings
from bot.engine.local.loader import LoadedModel
from bot.engine.local.tokenizer import decode

_ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
_BYTES = Tokenizer(models.BPE({letter: at for at, letter in enumerate(_ALPHABET)}, []))
_BYTES.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
_BYTES.decoder = decoders.ByteLevel()

_PIECES = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁Once", "▁upon", "▁a", "▁", "dog"]
_SENTENCEPIECE = Tokenizer(
    models.BPE({piece: at for at, piece in enumerate(_PIECES)}, [], byte_fallback=True)
)
_SENTENCEPIECE.decoder = decoders.Sequence(
    [
        decoders.Replace("▁", " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
        decoders.Strip(" ", 1, 0),
    ]
)


def by_bytes(text: str) -> list[int]:
    ids: list[int] = _BYTES.encode(text).ids
    return ids


def pieces(*names: str) -> list[int]:
    return [_PIECES.index(name) for name in names]


def fallback(text: str) -> list[int]:
    return pieces(*(f"<0x{byte:02X}>" for byte in text.encode()))


@pytest.mark.parametrize("text", ["a 🦊 b", "👩‍👩‍👧 went", "从前有一个村庄。", "ü\n\n", "\ufffd!"])
def test_a_character_comes_only_when_all_its_bytes_are_there(text: str) -> None:
    ids = by_bytes(text)
    assert len(ids) == len(text.encode())
    detokenizer = Detokenizer(_BYTES.decode)
    grown = ""
    for token in ids:
        grown += detokenizer.push(token)
        assert text.startswith(grown)
    assert grown + detokenizer.flush() == text


@given(text=st.text(max_size=30), at=st.integers(0, 60), more=st.text(max_size=10))
@settings(max_examples=60)
def test_dropping_tokens_gives_the_text_of_those_left(text: str, at: int, more: str) -> None:
    ids = by_bytes(text)
    detokenizer = Detokenizer(_BYTES.decode, by_bytes("Before. "))
    for token in ids:
        detokenizer.push(token)
    count, characters = detokenizer.boundary(at)
    assert characters <= at
    detokenizer.truncate(count)
    assert detokenizer.text == text[:characters]
    for token in by_bytes(more):
        detokenizer.push(token)
    detokenizer.flush()
    assert detokenizer.text.rstrip("\ufffd") == (text[:characters] + more).rstrip("\ufffd")


def test_a_cut_inside_a_character_is_refused() -> None:
    detokenizer = Detokenizer(_BYTES.decode)
    for token in by_bytes("村"):
        detokenizer.push(token)
    with pytest.raises(ValueError, match="no clean boundary"):
        detokenizer.truncate(1)


def test_bytes_that_make_no_character_are_left_out_at_the_end() -> None:
    detokenizer = Detokenizer(_BYTES.decode)
    for token in by_bytes("ab村")[:-1]:
        detokenizer.push(token)
    assert detokenizer.text == "ab"
    assert not detokenizer.is_clean
    assert detokenizer.flush() == ""
    assert detokenizer.text == "ab"


def test_broken_bytes_before_other_text_do_not_hold_it_back() -> None:
    detokenizer = Detokenizer(_BYTES.decode)
    for token in [*by_bytes("村")[:2], *by_bytes("ab")]:
        detokenizer.push(token)
    assert detokenizer.text == "\ufffdab"


def test_a_leading_space_is_kept_where_the_prompt_stands_before() -> None:
    detokenizer = Detokenizer(_SENTENCEPIECE.decode, pieces("▁Once"))
    assert [detokenizer.push(token) for token in pieces("▁upon", "▁a", "dog")] == [
        " upon",
        " a",
        "dog",
    ]


def test_a_text_at_the_very_start_begins_without_a_space() -> None:
    detokenizer = Detokenizer(_SENTENCEPIECE.decode)
    assert [detokenizer.push(token) for token in pieces("▁Once", "▁upon")] == ["Once", " upon"]


def test_byte_fallback_is_held_back_too() -> None:
    detokenizer = Detokenizer(_SENTENCEPIECE.decode, pieces("▁a"))
    assert [detokenizer.push(token) for token in fallback("🦊村")] == [
        "",
        "",
        "",
        "🦊",
        "",
        "",
        "村",
    ]


def test_a_prompt_that_ends_within_a_character_is_completed() -> None:
    first, *rest = by_bytes("村")
    detokenizer = Detokenizer(_BYTES.decode, [*by_bytes("ab"), first])
    for token in rest:
        detokenizer.push(token)
    assert detokenizer.text == "村"


def test_the_real_tokenizer_gives_back_what_it_encoded(loaded: LoadedModel) -> None:
    text = " Mira found 🦊 in 村庄. She sang."
    ids = loaded.tokenizer.encode(text, add_special_tokens=False)
    detokenizer = Detokenizer(lambda some: decode(loaded.tokenizer, some))
    assert "".join(map(detokenizer.push, ids)) == text
    assert detokenizer.boundary(len(text)) == (len(ids), len(text))
    assert detokenizer.boundary_before(len(ids)) == len(ids) - 1
    assert detokenizer.boundary_before(0) == 0


@pytest.mark.parametrize(
    ("stops", "text", "held"),
    [
        ((), "abc", 0),
        (("",), "abc", 0),
        (("\n\n",), "end.\n", 1),
        (("</s>", "THE END"), "so THE E", 5),
        (("abab",), "aba", 3),
        (("x",), "ab", 0),
        (("🦊🦊",), "a🦊", 1),
    ],
)
def test_what_may_begin_a_stop_string_is_held(stops: tuple[str, ...], text: str, held: int) -> None:
    assert StopStrings(stops).held(text) == held


@given(
    text=st.text("ab\n", max_size=40),
    stops=st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=3),
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=40),
)
def test_a_stop_string_is_found_however_the_text_is_cut(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    stopper = StopStrings(stops)
    first = min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
    grown, released, found = "", 0, None
    for size in cuts:
        before = len(grown)
        grown = text[: before + size]
        found = stopper.find(grown, before)
        if found is not None:
            assert released <= found
            break
        released, last = len(grown) - stopper.held(grown), released
        assert released >= last
    if first is not None and found is not None:
        assert found >= first
        assert any(grown.startswith(stop, found) for stop in stops)
    if found is None:
        assert all(stop not in grown for stop in stops)
