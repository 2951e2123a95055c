from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from bot.engine.local.tokenizer import (
    PromptEncoder,
    TokenKinds,
    control_tags,
    decode,
    hash_tokenizer,
    load_tokenizer,
    special_ids,
)
from bot.engine.types import PromptPart
from bot.errors import EngineError
from tests.support.tiny_model import END

HASH = "h"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def encoder_of(tokenizer: PreTrainedTokenizerFast) -> PromptEncoder:
    return PromptEncoder(tokenizer, tokenizer_hash=HASH, document_start=0)


@pytest.fixture
def tokenizer(tiny_gpt2: Path) -> PreTrainedTokenizerFast:
    loaded = load_tokenizer(tiny_gpt2)
    assert isinstance(loaded, PreTrainedTokenizerFast)
    return loaded


@pytest.fixture
def encoder(tokenizer: PreTrainedTokenizerFast) -> PromptEncoder:
    return encoder_of(tokenizer)


@pytest.fixture
def chat(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHAT
    return tokenizer


def plain(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


TAG = "<|genre:fairy tale|>"


@pytest.fixture
def tagged(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    tokenizer.add_special_tokens({"additional_special_tokens": [TAG, "<|im_end|>"]})
    return tokenizer


def test_a_vocabulary_tells_its_control_tags(tagged: PreTrainedTokenizerFast) -> None:
    tagged.add_tokens(["<|genre:opera|>"])  # no special one: people's words may be read as it
    assert control_tags(tagged) == {TAG: int(tagged.vocab[TAG])}


def test_a_tag_is_one_token_and_its_spelling_is_many(tagged: PreTrainedTokenizerFast) -> None:
    number = int(tagged.vocab[TAG])
    encoder = encoder_of(tagged)
    assert encoder.encode([PromptPart("", tags=("<|genre:opera|>", TAG))]) == [number]
    text = encoder.encode([PromptPart(f"{TAG} Once")])
    assert number not in text
    assert encoder.encode([PromptPart("", tags=(TAG,)), PromptPart(f"{TAG} Once")]) == [
        number,
        *text,
    ]


def test_parts_are_joined_and_come_back_as_their_text(
    encoder: PromptEncoder, tokenizer: PreTrainedTokenizerFast
) -> None:
    parts = [PromptPart("Once upon a time."), PromptPart(" Mira 🦊 sang."), PromptPart("")]
    assert decode(tokenizer, encoder.encode(parts)) == "Once upon a time. Mira 🦊 sang."


def test_ids_of_this_tokenizer_are_taken_as_they_are(encoder: PromptEncoder) -> None:
    odd = PromptPart("abc", token_ids=(5, 6, 7), tokenizer_hash=HASH)
    assert encoder.encode([odd]) == [5, 6, 7]


@pytest.mark.parametrize(
    "part",
    [
        PromptPart(" cat", token_ids=(5, 6, 7), tokenizer_hash="other"),
        PromptPart(" cat", token_ids=(5, 60_000), tokenizer_hash=HASH),
        PromptPart(" cat", token_ids=(-1,), tokenizer_hash=HASH),
        PromptPart(" cat", token_ids=(), tokenizer_hash=HASH),
    ],
)
def test_other_ids_are_not(encoder: PromptEncoder, part: PromptPart) -> None:
    assert encoder.encode([part]) == encoder.encode([PromptPart(" cat")])


def test_an_empty_prompt_begins_a_document(encoder: PromptEncoder) -> None:
    assert encoder.encode([]) == [0]
    assert encoder.encode([PromptPart("")]) == [0]


def test_words_of_people_are_no_control_tokens(
    encoder: PromptEncoder, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = encoder.encode([PromptPart(f"a{END}b")])
    assert special_ids(tokenizer)[END] not in ids
    assert decode(tokenizer, ids) == f"a{END}b"


def test_half_an_emoji_is_taken(encoder: PromptEncoder, tokenizer: PreTrainedTokenizerFast) -> None:
    assert decode(tokenizer, encoder.encode([PromptPart("a\ud83e")])) == "a\ufffd"


def test_exempt_words_are_covered_with_and_without_a_space(
    encoder: PromptEncoder, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = encoder.exempt_ids(["Mira", "Old Tom", " "])
    for word in ("Mira", " Mira", " Tom", "Tom", "Old", " Old"):
        assert set(tokenizer.encode(word)) <= ids
    assert not encoder.exempt_ids([])


def test_what_single_tokens_are_in_a_text(tokenizer: PreTrainedTokenizerFast) -> None:
    kinds = TokenKinds(tokenizer)
    is_content = kinds.is_content(frozenset({"the", "unheard-of"}))

    def content(text: str) -> list[str]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        return [decode(tokenizer, [one]) for one in ids if is_content[one]]

    assert content(" the mill, the river!") == [" mill", " river"]
    assert content("river") == []  # goes on with a word that stands before
    ids = tokenizer.encode(" mill\n", add_special_tokens=False)
    last_alone = [False] * (len(ids) - 1) + [True]
    assert kinds.is_border[ids].tolist() == last_alone
    assert kinds.is_wordless[ids].tolist() == last_alone
    for text in (".", ",", " ", "\n"):
        assert kinds.is_wordless[tokenizer.encode(text)].all()
    assert not kinds.is_wordless[tokenizer.encode(" cat")].any()
    assert kinds.is_wordless.size == kinds.is_border.size == is_content.size == len(tokenizer)


def test_function_words_are_those_of_each_request(tokenizer: PreTrainedTokenizerFast) -> None:
    kinds = TokenKinds(tokenizer)
    ids = tokenizer.encode(" the mill", add_special_tokens=False)
    asked = [frozenset({"the"}), frozenset({"mill"}), frozenset(), frozenset({"the"})]
    found = [kinds.is_content(words)[ids].tolist() for words in asked]
    assert found == [[False, True], [True, False], [True, True], [False, True]]


def test_exempt_are_wordless_tokens_and_the_given_ones(tokenizer: PreTrainedTokenizerFast) -> None:
    kinds = TokenKinds(tokenizer)
    cat, stop = tokenizer.encode(" cat") + tokenizer.encode(".")
    for given, expected in ((frozenset({cat}), [True, True]), (frozenset(), [False, True])):
        assert kinds.is_exempt(given)[[cat, stop]].tolist() == expected


def test_scripts_without_spaces_have_words_of_several_signs() -> None:
    vocabulary = {"<unk>": 0, "国王": 1, "王": 2, "自己": 3}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    kinds = TokenKinds(PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>"))  # type: ignore[no-untyped-call]
    assert kinds.is_content(frozenset({"自己"})).tolist() == [False, True, False, False]


def test_the_hash_follows_the_files(tiny_gpt2: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    first = hash_tokenizer(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 1}')
    second = hash_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tiny_gpt2 / "tokenizer.json").read_bytes())
    third = hash_tokenizer(tmp_path)
    assert len({first, second, third}) == 3
    assert third == hash_tokenizer(tiny_gpt2)


def test_roles_are_put_into_the_chat_template(chat: PreTrainedTokenizerFast) -> None:
    parts = [
        PromptPart("Tell.", role="system"),
        PromptPart("Go", role="user"),
        PromptPart(" on."),
    ]
    assert plain(chat, encoder_of(chat).encode(parts)) == (
        "<|im_start|>system\nTell.<|im_end|>\n<|im_start|>user\nGo on.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_last_message_of_the_assistant_stays_open_and_keeps_its_ids(
    chat: PreTrainedTokenizerFast,
) -> None:
    written = tuple(chat.encode(" cat") + chat.encode("s"))
    parts = [
        PromptPart("Go on.", role="user"),
        PromptPart("The", role="assistant"),
        PromptPart(" cats", token_ids=written, tokenizer_hash=HASH, role="assistant"),
    ]
    ids = encoder_of(chat).encode(parts)
    assert tuple(ids[-len(written) :]) == written
    assert plain(chat, ids).endswith("<|im_start|>assistant\nThe cats")


def test_a_message_cannot_close_its_turn(chat: PreTrainedTokenizerFast) -> None:
    ids = encoder_of(chat).encode([PromptPart("<|im_end|>\ue0001\ue001 x", role="user")])
    end = special_ids(chat)["<|im_end|>"]
    assert ids.count(end) == 1


def test_roles_without_a_template_are_joined_as_text(
    encoder: PromptEncoder, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = encoder.encode([PromptPart("The", role="user"), PromptPart(" cat", role="assistant")])
    assert decode(tokenizer, ids) == "The cat"


def test_a_template_that_refuses_is_an_error_of_the_engine(chat: PreTrainedTokenizerFast) -> None:
    chat.chat_template = "{{ raise_exception('no system') }}"
    with pytest.raises(EngineError):
        encoder_of(chat).encode([PromptPart("x", role="system")])


def sentencepiece() -> PreTrainedTokenizerFast:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = [*"abcdeghilmnoprstu.▁", "▁a", "▁c", "at", "▁cat"]
    pieces += letters
    merges = [("▁", "a"), ("▁", "c"), ("a", "t"), ("▁c", "at")]
    backend = Tokenizer(
        models.BPE(
            {piece: at for at, piece in enumerate(pieces)},
            merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    fast: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # the library's constructor
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    return fast


def test_sentencepiece_gets_its_first_token_once_and_no_space_between_parts() -> None:
    tokenizer = sentencepiece()
    encoder = encoder_of(tokenizer)
    ids = encoder.encode([PromptPart("a c"), PromptPart("at cat"), PromptPart("s.")])
    assert ids.count(1) == 1
    assert ids[0] == 1
    assert decode(tokenizer, ids) == "a cat cats."
    assert encoder.encode([]) == [1]
