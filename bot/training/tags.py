"""Control tags: tokens that tell format and genre (Keskar et al. 2019, "CTRL").

Invariants:
    - A tag is one special token, so that no words of people are ever read as one, and the
      engine never writes one.
    - A model has exactly the tags that it was trained with: whoever writes a prompt can see
      by its vocabulary which these are.
    - A tag that is there already keeps its id and its weights.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bot.story.concept_tables import GENRES
from bot.story.formats import FORMATS
from bot.training.data.tale import Tale


def format_tag(form: str) -> str:
    """Return the tag of a format."""
    return f"<|format:{form}|>"


def genre_tag(genre: str) -> str:
    """Return the tag of a genre."""
    return f"<|genre:{genre}|>"


def tags_of(tale: Tale) -> tuple[str, ...]:
    """Return the tags that stand before a tale; a genre that is not ours has none."""
    genre = () if tale.genre not in GENRES else (genre_tag(tale.genre),)
    return (format_tag(tale.format), *genre)


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a vocabulary.

    Attributes:
        ids: by tag.
        added: those that this training brings.
    """

    ids: dict[str, int]
    added: tuple[str, ...]

    def before(self, tale: Tale) -> list[int]:
        """Return the ids that stand before a tale."""
        return [self.ids[tag] for tag in tags_of(tale) if tag in self.ids]


def known_tags(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Return the tags that a vocabulary has, by tag."""
    vocabulary = tokenizer.get_vocab()
    every = [*map(format_tag, FORMATS), *map(genre_tag, GENRES)]
    return {tag: vocabulary[tag] for tag in every if tag in vocabulary}


def add_tags(
    tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, tales: Iterable[Tale]
) -> Tags:
    """Give vocabulary and model the tags of the tales; each begins as the mean of its words."""
    known = known_tags(tokenizer)
    wanted = sorted({tag for tale in tales for tag in tags_of(tale)})
    new = [tag for tag in wanted if tag not in known]
    plain = {tag: _word_ids(tokenizer, tag) for tag in new}
    tokenizer.add_tokens(
        [AddedToken(tag, special=True, normalized=False) for tag in new], special_tokens=True
    )
    vocabulary = tokenizer.get_vocab()
    ids = {**known, **{tag: vocabulary[tag] for tag in new}}
    embedding: Any = model.get_input_embeddings()
    if new and max(ids.values()) >= embedding.weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    _fill(model, [(ids[tag], plain[tag]) for tag in new])
    return Tags(ids, tuple(new))


def _word_ids(tokenizer: PreTrainedTokenizerBase, tag: str) -> list[int]:
    words = tag.strip("<|>").split(":", 1)[1]
    ids: list[int] = tokenizer.encode(" " + words, add_special_tokens=False)
    return ids


def _fill(model: PreTrainedModel, rows: Sequence[tuple[int, list[int]]]) -> None:
    whole: Any = model  # the library's own method has no types
    layers = [whole.get_input_embeddings(), whole.get_output_embeddings()]
    with torch.no_grad():
        for layer in layers:
            if layer is not None:
                for row, words in rows:
                    layer.weight[row] = layer.weight[words].mean(dim=0)
