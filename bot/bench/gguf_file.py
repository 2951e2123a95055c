"""A model's weights as a GGUF file in Q8_0, which llama.cpp reads.

Source: the names and layouts of llama.cpp's ``convert_hf_to_gguf.py`` (GPT2Model, LlamaModel).

Invariant: matrices are quantised and vectors kept in fp32, as llama.cpp's own files have it;
no tokenizer goes with them, for only ids are exchanged.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM

from bot.bench.models import BenchModel
from bot.bench.ways import NotAvailableError

_TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # GPT-2 keeps Conv1D weights
_BUFFERS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")


def write_gguf(bench_model: BenchModel, target: Path) -> None:
    """Write the file.

    Raises:
        NotAvailableError: the architecture is neither GPT-2 nor Llama.
    """
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(bench_model.path), dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    config = model.config
    kind = str(config.model_type)
    archs = {"gpt2": gguf.MODEL_ARCH.GPT2, "llama": gguf.MODEL_ARCH.LLAMA}
    if kind not in archs:
        raise NotAvailableError(f"no GGUF file is written for {kind}")
    writer = gguf.GGUFWriter(target, kind)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config.vocab_size)
    if kind == "gpt2":
        writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    names = gguf.get_tensor_name_map(archs[kind], config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name.endswith(_BUFFERS):
            continue
        values = _laid_out(name, tensor.numpy(), config, kind)
        is_matrix = values.ndim > 1 and not name.endswith("wpe.weight")
        quant = gguf.GGMLQuantizationType.Q8_0 if is_matrix else gguf.GGMLQuantizationType.F32
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise NotAvailableError(f"llama.cpp has no name for {name}")
        writer.add_tensor(
            known,
            gguf.quants.quantize(np.ascontiguousarray(values), quant),
            raw_dtype=quant,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _laid_out(name: str, values: Any, config: Any, kind: str) -> Any:
    """Return a tensor as llama.cpp wants it."""
    if kind == "gpt2":
        return values.T if name.endswith(_TRANSPOSED) else values
    # transformers rotates halves, llama.cpp neighbours: rows of a head change places.
    for part, heads in (
        ("q_proj.weight", config.num_attention_heads),
        ("k_proj.weight", config.num_key_value_heads),
    ):
        if name.endswith(part):
            rows = values.shape[0] // heads // 2
            return values.reshape(heads, 2, rows, -1).swapaxes(1, 2).reshape(values.shape)
    return values
