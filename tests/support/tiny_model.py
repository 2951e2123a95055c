"""A model of a few hundred thousand weights that writes plausible words, made in a moment.

    python -m tests.support.tiny_model FOLDER [--arch gpt2|llama|mistral]

Its weights are random but for three hidden dimensions, which make whole English words,
commas and full stops likely, and capitals likely after a full stop. What it writes
depends on all that stands before, through random attention.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

Arch = Literal["gpt2", "llama", "mistral"]

END: Final = "<|endoftext|>"
_WORD_LIST = (
    "a about above after again all along and another any apple around as at autumn away back bag"
    " bell below beside bird black blue boat book bread bridge bright brother came candle cat chair"
    " child clock cloud coat cold corner could dark day deep dog door down dream drum evening eyes"
    " face far farm field fire fish floor flower forest found friend from garden gate gave girl gold"
    " green grey hand hat he heard heart hill his horse house in it key king knew lamp lane leaf"
    " letter light like little long looked made map market mill moon morning mother mountain music"
    " near never night no not now of old on once one open over owl path quiet rain ran red river"
    " road room rope said sang sat saw sea she ship silver sky sleep slow small snow so song spoke"
    " star stone storm story street sun table tall that the their then there they thing thought"
    " three time to told took tower town tree turned two under until up valley very village voice"
    " waited walked wall warm was water well went were what when where while white who wind window"
    " winter with wolf woman wood word would year yellow young"
)
_NAME_LIST = (
    "After All And As At Before But Every He Her His In It Mira Nobody Now Old On Once One Only"
    " She So Some Soon That The Then There They Tom Two Under We What When Where While Who"
)

WORDS: Final = _WORD_LIST.split()
NAMES: Final = _NAME_LIST.split()

_ALWAYS, _AFTER_STOP, _AFTER_COMMA = 0, 1, 2
_HIDDEN, _HEADS, _LAYERS, _VOCABULARY = 64, 2, 2, 1400


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the words, so that each is one token with its space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = " ".join(["", *WORDS, *NAMES])
    tokenizer.train_from_iterator([text + ". " + text + ", "] * 4, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # the library's constructor
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        unk_token=END,
        clean_up_tokenization_spaces=False,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    arch: Arch = "gpt2",
    n_positions: int = 1024,
    layers: int = _LAYERS,
) -> PreTrainedModel:
    """Return the model; the same every time. With more layers it is slower and no wiser."""
    end = int(tokenizer.vocab[END])
    model: PreTrainedModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        if arch == "gpt2":
            model = GPT2LMHeadModel(
                GPT2Config(
                    n_layer=layers,
                    n_embd=_HIDDEN,
                    n_head=_HEADS,
                    n_positions=n_positions,
                    vocab_size=len(tokenizer),
                    initializer_range=0.1,
                    tie_word_embeddings=False,
                    bos_token_id=end,
                    eos_token_id=end,
                )
            )
        else:
            # Mistral is Llama with a sliding window: what it wrote long ago is forgotten.
            kind: Any
            config: Any
            kind, config = (
                (LlamaForCausalLM, LlamaConfig)
                if arch == "llama"
                else (MistralForCausalLM, partial(MistralConfig, sliding_window=16))
            )
            model = kind(
                config(
                    num_hidden_layers=layers,
                    hidden_size=_HIDDEN,
                    intermediate_size=2 * _HIDDEN,
                    num_attention_heads=_HEADS,
                    num_key_value_heads=1,
                    max_position_embeddings=n_positions,
                    vocab_size=len(tokenizer),
                    initializer_range=0.1,
                    tie_word_embeddings=False,
                    bos_token_id=end,
                    eos_token_id=end,
                )
            )
        teach(model, tokenizer)
    return model


def teach(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Set the hidden dimensions that make words likely."""

    def ids_of(texts: list[str]) -> list[int]:
        found = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        return [ids[0] for ids in found if len(ids) == 1]

    words = ids_of([f" {word}" for word in WORDS])
    names = ids_of([f" {name}" for name in NAMES])
    stop, comma = ids_of([".", ","])
    marked = slice(0, 3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Nothing but the embedding writes into the marked dimensions.
            if name.endswith(("wpe.weight", "c_proj.weight")):
                weight[:, marked] = 0.0
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                weight[marked] = 0.0
        embedding: Any = model.get_input_embeddings().weight
        embedding[:, marked] = 0.0
        embedding[:, _ALWAYS] = 3.0
        embedding[stop, _AFTER_STOP] = 3.0
        embedding[comma, _AFTER_COMMA] = 3.0
        head: Any = model.get_parameter("lm_head.weight")
        head.normal_(std=0.25)
        head[:, marked] = 0.0
        head[:, _ALWAYS] = -1.0
        head[words, _ALWAYS] = 1.0
        head[names, _ALWAYS] = 0.4
        head[stop, _ALWAYS] = 2.0
        head[comma, _ALWAYS] = 1.45
        head[names, _AFTER_STOP] = 1.5
        head[words, _AFTER_STOP] = -1.0
        for mark in (stop, comma):
            head[mark, _AFTER_STOP] = -3.0
            head[mark, _AFTER_COMMA] = -3.0


def write_tiny_model(
    folder: Path, *, arch: Arch = "gpt2", n_positions: int = 1024, layers: int = _LAYERS
) -> Path:
    """Write model and tokenizer into a folder, and return it."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the library's
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(str(folder))
    model = build_model(tokenizer, arch=arch, n_positions=n_positions, layers=layers)
    model.save_pretrained(str(folder))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=write_tiny_model.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", choices=("gpt2", "llama", "mistral"), default="gpt2")
    parser.add_argument("--positions", type=int, default=1024)
    arguments = parser.parse_args()
    write_tiny_model(arguments.folder, arch=arguments.arch, n_positions=arguments.positions)


if __name__ == "__main__":
    main()
