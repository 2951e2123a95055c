"""Forward passes of our own for two families of models, with as few calls as they need.

transformers' forward costs 30 to 200 calls of Python a layer; at one token a step that is as
much as the arithmetic. Written after ``modeling_gpt2.py`` and ``modeling_llama.py`` of
transformers 5.23; the probe at load compares every model's logits with theirs.

Invariant: the residual stream is fp32 whatever the layers' precision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 -- the name that torch's own documentation uses
from transformers import PreTrainedModel

from bot.engine.local.packed.batch import Layout, Packed
from bot.engine.local.packed.linears import Activation, Linear

_GELUS: Final = {
    "gelu": Activation.GELU,
    "gelu_new": Activation.GELU_TANH,
    "gelu_fast": Activation.GELU_TANH,
    "gelu_pytorch_tanh": Activation.GELU_TANH,
}
_LLAMAS: Final = frozenset({"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"})
# Frequencies that depend on the longest text of a batch would make texts depend on company.
STEADY_ROPES: Final = frozenset({"default", "linear", "llama3", "yarn"})


class MakeLinear(Protocol):
    """Makes a layer of the wanted precision."""

    def __call__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        activation: Activation = Activation.NONE,
        *,
        is_head: bool = False,
    ) -> Linear:
        """Return the layer; ``is_head`` marks the one that gives the logits."""
        ...


class Forward(Protocol):
    """A model that computes packed steps."""

    @property
    def layout(self) -> Layout:
        """The shape of its keys and values."""
        ...

    def __call__(self, packed: Packed) -> torch.Tensor:
        """Compute a step; return the logits at its places, (R, V), of any float type.

        Where none is wanted there may be none.
        """
        ...


def has_lean_forward(model: PreTrainedModel) -> bool:
    """Whether there is a lean forward for a model's kind."""
    name = type(model).__name__
    if name == "GPT2LMHeadModel":
        return _is_plain_gpt2(model.config)
    return name in _LLAMAS and _is_plain_llama(model.config)


def lean_forward(model: PreTrainedModel, make: MakeLinear) -> Forward:
    """Return a lean forward for a model that has one.

    Layers are made one by one and their weights taken from the model: it is of no use
    afterwards, and memory never holds everything twice.
    """
    return LeanLlama(model, make) if type(model).__name__ in _LLAMAS else LeanGPT2(model, make)


def _is_plain_gpt2(config: Any) -> bool:
    return (
        config.activation_function in _GELUS
        and not config.add_cross_attention
        and not config.reorder_and_upcast_attn
    )


def _is_plain_llama(config: Any) -> bool:
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        config.hidden_act == "silu"
        and rope.get("rope_type", "default") in STEADY_ROPES
        and not getattr(config, "use_sliding_window", False)
        and rope.get("partial_rotary_factor", 1.0) == 1.0
    )


def _take(module: Any, name: str) -> torch.Tensor | None:
    """Take a tensor out of a module, so that its memory is freed with the last use."""
    tensor: torch.Tensor | None = getattr(module, name, None)
    if tensor is not None:
        setattr(module, name, None)
    return tensor


def _weight(module: Any) -> torch.Tensor:
    weight = _take(module, "weight")
    if weight is None:
        msg = "a layer without a weight"
        raise TypeError(msg)
    return weight


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: torch.Tensor
    bias: torch.Tensor | None
    epsilon: float

    def layer(self, values: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(values, values.shape[-1:], self.weight, self.bias, self.epsilon)

    def root(self, values: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(values, values.shape[-1:], self.weight, self.epsilon)


def _norm(module: Any, epsilon: float) -> _Norm:
    bias = getattr(module, "bias", None)
    return _Norm(module.weight.float(), None if bias is None else bias.float(), epsilon)


@dataclass(frozen=True, slots=True)
class _Layer:
    first: _Norm
    attention_in: Linear  # queries, keys and values at once
    attention_out: Linear
    second: _Norm
    mlp_in: Linear
    mlp_out: Linear
    scale: float


class LeanGPT2:
    """GPT-2 (Radford et al. 2019), ``GPT2LMHeadModel``."""

    def __init__(self, model: Any, make: MakeLinear) -> None:
        config, body = model.config, model.transformer
        self._heads = config.num_attention_heads
        self._words = body.wte.weight
        self.layout = Layout.of(
            self._words,
            layers=config.num_hidden_layers,
            heads=self._heads,
            head_size=config.hidden_size // self._heads,
        )
        self._places = body.wpe.weight
        activation = _GELUS[config.activation_function]
        self._layers = [
            _Layer(
                first=_norm(block.ln_1, block.ln_1.eps),
                attention_in=_from_conv(block.attn.c_attn, make),
                attention_out=_from_conv(block.attn.c_proj, make),
                second=_norm(block.ln_2, block.ln_2.eps),
                mlp_in=_from_conv(block.mlp.c_fc, make, activation),
                mlp_out=_from_conv(block.mlp.c_proj, make),
                scale=block.attn.scaling,
            )
            for block in body.h
        ]
        self._last = _norm(body.ln_f, body.ln_f.eps)
        self._head = make(model.lm_head.weight, model.lm_head.bias, is_head=True)

    def __call__(self, packed: Packed) -> torch.Tensor:
        """Compute a step; see ``Forward``."""
        stream = self._words[packed.ids].float() + self._places[packed.positions]
        heads, size = self._heads, self.layout.head_size
        for number, layer in enumerate(self._layers):
            both = layer.attention_in(layer.first.layer(stream)).view(-1, 3, heads, size)
            query, keys, values = both.unbind(1)
            stream += layer.attention_out(packed.attend(number, query, keys, values, layer.scale))
            stream += layer.mlp_out(layer.mlp_in(layer.second.layer(stream)))
        return _logits(stream, packed, self._last.layer, self._head)


def _from_conv(module: Any, make: MakeLinear, activation: Activation = Activation.NONE) -> Linear:
    """Make a layer from transformers' Conv1D, whose weight is transposed."""
    return make(_weight(module).t().contiguous(), module.bias, activation)


class LeanLlama:
    """Llama (Touvron et al. 2023) and what is built like it: Mistral and Qwen2 without windows."""

    def __init__(self, model: Any, make: MakeLinear) -> None:
        config, body = model.config, model.model
        attention = body.layers[0].self_attn
        self._heads = config.num_attention_heads
        self._key_heads = config.num_key_value_heads
        self._words = body.embed_tokens.weight
        self.layout = Layout.of(
            self._words,
            layers=config.num_hidden_layers,
            heads=self._key_heads,
            head_size=attention.head_dim,
        )
        rotary = body.rotary_emb
        self._frequencies = rotary.inv_freq.float()
        self._rotary_scale = float(rotary.attention_scaling)
        self._layers = [
            _Layer(
                first=_norm(block.input_layernorm, block.input_layernorm.variance_epsilon),
                attention_in=_fused(
                    make, block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj
                ),
                attention_out=_fused(make, block.self_attn.o_proj),
                second=_norm(
                    block.post_attention_layernorm, block.post_attention_layernorm.variance_epsilon
                ),
                mlp_in=_fused(make, block.mlp.gate_proj, block.mlp.up_proj),
                mlp_out=_fused(make, block.mlp.down_proj),
                scale=block.self_attn.scaling,
            )
            for block in body.layers
        ]
        self._last = _norm(body.norm, body.norm.variance_epsilon)
        self._head = make(model.lm_head.weight, model.lm_head.bias, is_head=True)

    def __call__(self, packed: Packed) -> torch.Tensor:
        """Compute a step; see ``Forward``."""
        stream = self._words[packed.ids].float()
        turned = self._heads + self._key_heads  # heads that are rotated
        cosines, sines = self._rotation(packed.positions)
        for number, layer in enumerate(self._layers):
            both = layer.attention_in(layer.first.root(stream)).float()
            both = both.view(len(both), -1, self.layout.head_size)
            rotated = _rotate(both[:, :turned], cosines, sines)
            stream += layer.attention_out(
                packed.attend(
                    number,
                    rotated[:, : self._heads],
                    rotated[:, self._heads :],
                    both[:, turned:],
                    layer.scale,
                )
            )
            gate, up = layer.mlp_in(layer.second.root(stream)).chunk(2, dim=-1)
            stream += layer.mlp_out(F.silu(gate).mul_(up))
        return _logits(stream, packed, self._last.root, self._head)

    def _rotation(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosines and signed sines, (N, 1, head_size) each (Su et al. 2021)."""
        angles = positions[:, None].float() * self._frequencies
        cosines = angles.cos() * self._rotary_scale
        sines = angles.sin() * self._rotary_scale
        return torch.cat((cosines, cosines), -1)[:, None], torch.cat((-sines, sines), -1)[:, None]


def _rotate(values: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Rotate each half against the other: (N, heads, head_size)."""
    first, second = values.chunk(2, dim=-1)
    return torch.cat((second, first), -1).mul_(sines).addcmul_(values, cosines)


def _fused(make: MakeLinear, *modules: Any) -> Linear:
    """Make one layer from several that take the same input."""
    biases = [module.bias for module in modules if module.bias is not None]
    bias = None
    if biases:
        bias = torch.cat(
            [
                module.weight.new_zeros(module.weight.shape[0])
                if module.bias is None
                else module.bias
                for module in modules
            ]
        )
    weights = [_weight(module) for module in modules]
    return make(torch.cat(weights) if len(weights) > 1 else weights[0], bias)


def _logits(
    stream: torch.Tensor,
    packed: Packed,
    norm: Callable[[torch.Tensor], torch.Tensor],
    head: Linear,
) -> torch.Tensor:
    if packed.wanted == 0:
        return stream.new_empty(0, 0)
    return head(norm(stream[packed.places]))
