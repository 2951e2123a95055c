from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from bot.engine.local.tokenizer import control_tags
from bot.story.context_parts import frame_of
from bot.story.control_tags import format_tag, genre_tag
from bot.story.front import ENGLISH
from bot.story.model import Concept
from bot.training.base import add_lora
from bot.training.data.tale import Tale
from bot.training.packing import IGNORED, Packing, encode, pack
from bot.training.recipe import Recipe
from bot.training.tags import Tags, add_tags, tags_of
from tests.support.tiny_model import END, build_tokenizer

TOKENIZER = build_tokenizer()
END_ID = int(TOKENIZER.vocab[END])


def tale(text: str, number: int = 0, genre: str | None = "fantasy", form: str = "prose") -> Tale:
    return Tale(
        id=str(number), title="", source="", genre=genre, format=form, text=text, licence=""
    )


def tied_model() -> Any:
    torch.manual_seed(1)
    return GPT2LMHeadModel(
        GPT2Config(
            n_layer=1,
            n_embd=16,
            n_head=2,
            n_positions=64,
            vocab_size=len(TOKENIZER),
            bos_token_id=END_ID,
            eos_token_id=END_ID,
        )
    )


def packing(window: int, tagged: float, pad: int = END_ID) -> Packing:
    return Packing(
        window_tokens=window,
        start_id=END_ID,
        end_id=END_ID,
        pad_id=pad,
        tagged_share=tagged,
        seed=3,
    )


TEXTS = st.lists(
    st.text(alphabet="abc de.", min_size=1, max_size=300).filter(str.strip),
    min_size=1,
    max_size=5,
)


@given(TEXTS, st.integers(min_value=32, max_value=80), st.sampled_from([0.0, 0.5, 1.0]))
def test_every_token_and_every_end_is_a_label_once_and_nothing_else_is(
    texts: list[str], window: int, tagged: float
) -> None:
    tales = [tale(text, number) for number, text in enumerate(texts)]
    tags = Tags({format_tag("prose"): 9001, genre_tag("fantasy"): 9002}, ())
    rows = list(pack(tales, TOKENIZER, tags, packing(window, tagged)))
    learned = [label for row in rows for label in row["labels"] if label != IGNORED]
    expected = sorted([*encode(TOKENIZER, text), END_ID] for text in texts)
    found: list[list[int]] = [[]]
    for label in learned:
        found[-1].append(label)
        if label == END_ID:
            found.append([])
    assert sorted(found[:-1]) == expected
    for row in rows:
        assert len(row["input_ids"]) == len(row["labels"]) == window
        for token, label in zip(row["input_ids"], row["labels"], strict=True):
            assert label in {token, IGNORED}
            assert token < 9000 or label == IGNORED
        assert (9001 in row["input_ids"]) <= (tagged > 0)


def test_the_end_of_a_text_is_learned_though_it_pads_as_well() -> None:
    (row,) = pack([tale("a cat")], TOKENIZER, Tags({}, ()), packing(32, 0.0))
    ids = encode(TOKENIZER, "a cat")
    assert row["input_ids"] == [*ids, *[END_ID] * (32 - len(ids))]
    assert row["labels"] == [*ids, END_ID, *[IGNORED] * (31 - len(ids))]


def test_a_model_whose_texts_begin_with_a_token_of_their_own_gets_it() -> None:
    how = replace(packing(32, 0.0), start_id=7)
    (row,) = pack([tale("a cat")], TOKENIZER, Tags({}, ()), how)
    assert row["input_ids"][0] == 7


def test_tags_stand_after_the_mark_of_a_text_and_before_its_words() -> None:
    how = replace(packing(32, 1.0), start_id=7)
    tags = Tags({format_tag("prose"): 9001, genre_tag("fantasy"): 9002}, ())
    (row,) = pack([tale("a cat")], TOKENIZER, tags, how)
    ids = encode(TOKENIZER, "a cat")
    assert row["input_ids"][: 3 + len(ids)] == [7, 9001, 9002, *ids]
    assert row["labels"][: 3 + len(ids)] == [7, IGNORED, IGNORED, *ids]
    long = list(pack([tale("a cat " * 30)], TOKENIZER, tags, how))
    assert [each["input_ids"][:2] for each in long[1:]] == [[9001, 9002]] * (len(long) - 1)


def test_each_beginning_of_a_prompt_is_shown_in_its_share() -> None:
    tags = Tags({format_tag("prose"): 9001, genre_tag("fantasy"): 9002}, ())
    tales = [tale("a cat sat on a mat", number) for number in range(2000)]
    how = replace(packing(16, 0.8), start_id=7, genre_share=0.875)
    fronts = Counter(
        tuple(token for token in row["input_ids"][1:3] if token > 9000)
        for row in pack(tales, TOKENIZER, tags, how)
    )
    total = sum(fronts.values())
    assert set(fronts) == {(), (9001,), (9001, 9002)}
    assert fronts[()] / total == pytest.approx(0.2, abs=0.03)
    assert fronts[9001,] / total == pytest.approx(0.1, abs=0.02)
    assert fronts[9001, 9002] / total == pytest.approx(0.7, abs=0.03)


def test_a_story_without_a_genre_begins_as_training_showed_it() -> None:
    frame = frame_of(
        Concept(genre="", format="prose"),
        "",
        ENGLISH,
        style="completion",
        ending=None,
        tokenizer_hash="",
        known_tags={format_tag("prose"), genre_tag("fantasy")},
    )
    assert frame.tags == (format_tag("prose"),)
    assert 0 < Recipe().tagged_share * (1 - Recipe().genre_share) < Recipe().tagged_share


def test_words_that_look_like_a_control_token_stay_words() -> None:
    assert END_ID not in encode(TOKENIZER, f"He wrote {END} on the wall")


def test_tags_are_single_special_tokens_that_start_as_the_mean_of_their_words() -> None:
    tokenizer, model = build_tokenizer(), tied_model()
    before = len(tokenizer)
    tags = add_tags(tokenizer, model, [tale("x"), tale("x", genre="opera", form="fable")])
    assert sorted(tags.added) == [format_tag("fable"), format_tag("prose"), genre_tag("fantasy")]
    assert sorted(tags.ids.values()) == [before, before + 1, before + 2]
    assert tokenizer.encode(genre_tag("fantasy")) == [tags.ids[genre_tag("fantasy")]]
    assert tags.before(tale("x")) == [tags.ids[format_tag("prose")], tags.ids[genre_tag("fantasy")]]
    weight: Any = model.get_input_embeddings().weight
    words = tokenizer.encode(" fantasy", add_special_tokens=False)
    assert torch.equal(weight[tags.ids[genre_tag("fantasy")]], weight[words].mean(dim=0))
    assert model.get_output_embeddings().weight is weight
    assert encode(tokenizer, genre_tag("fantasy")) != [tags.ids[genre_tag("fantasy")]]


def test_tags_that_are_there_keep_their_id_and_weights() -> None:
    tokenizer, model = build_tokenizer(), tied_model()
    first = add_tags(tokenizer, model, [tale("x")])
    weight: Any = model.get_input_embeddings().weight
    with torch.no_grad():
        weight[first.ids[genre_tag("fantasy")]] = 5.0
    again = add_tags(tokenizer, model, [tale("x", genre="romance")])
    assert again.added == (genre_tag("romance"),)
    assert again.ids.items() > first.ids.items()
    assert control_tags(tokenizer) == again.ids
    kept: Any = model.get_input_embeddings().weight
    assert bool((kept[first.ids[genre_tag("fantasy")]] == 5.0).all())
    assert len(tokenizer) == kept.shape[0]


def test_a_genre_that_is_not_ours_has_no_tag() -> None:
    assert tags_of(tale("x", genre="opera")) == (format_tag("prose"),)
    assert tags_of(tale("x", genre=None)) == (format_tag("prose"),)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_only_tags_and_matrices_learn_and_the_tied_head_follows(tmp_path: Any) -> None:
    tokenizer, model = build_tokenizer(), tied_model()
    tags = add_tags(tokenizer, model, [tale("x")])
    old: Any = model.get_input_embeddings().weight.detach().clone()
    adapted = add_lora(model, Recipe(rank=2), sorted(tags.ids.values()), tmp_path)
    learning = [name for name, each in adapted.named_parameters() if each.requires_grad]
    assert all("lora_" in name or "trainable_tokens" in name for name in learning)
    assert sum("trainable_tokens_delta" in name for name in learning) == 1
    optimizer = torch.optim.SGD([each for each in adapted.parameters() if each.requires_grad], 1.0)
    ids = torch.tensor([[*sorted(tags.ids.values()), 5, 6, 7]])
    adapted(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    adapted.save_pretrained(str(tmp_path / "saved"), save_embedding_layers=False)
    size = (tmp_path / "saved" / "adapter_model.safetensors").stat().st_size
    assert size < old.numel() * 4
    expected = adapted.eval()(input_ids=ids).logits
    merged = adapted.merge_and_unload()
    assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-4)
    new: Any = merged.get_input_embeddings().weight
    assert merged.get_output_embeddings().weight is new
    changed = (new != old).any(dim=1).nonzero().flatten().tolist()
    assert changed == sorted(tags.ids.values())
