"""Any causal model's own forward pass over packed steps.

transformers lets a function be registered as attention (``AttentionInterface``) and a cache be
handed in. Ours take the step as a keyword of forward, and read and write its blocks; ids are
one row with their positions given. Nothing of the model is patched but its linear layers.

A model that adds something of its own to attention (a bias by position, a window) is wrong
here without saying so: that is what the probe at load is for.
"""

from typing import Any, Final

import torch
from torch import nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer
from transformers.pytorch_utils import Conv1D

from bot.engine.local.packed.batch import Layout, Packed
from bot.engine.local.packed.lean import MakeLinear
from bot.engine.local.packed.linears import Linear

_NAME: Final = "roundtale_packed"


class PackedCache(Cache):
    """Hands through what attention stores itself, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=DynamicLayer)
        self._updates = 0

    def take_updates(self) -> int:
        """Return how many layers asked since the last call."""
        updates, self._updates = self._updates, 0
        return updates

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the new keys and values as they are."""
        self._updates += 1
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0: positions are given, and nobody else may count."""
        return 0


def _attend(  # noqa: PLR0917 -- as transformers calls it
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    *,
    packed: Packed,
    **options: object,
) -> tuple[torch.Tensor, None]:
    """Attend, in the form that transformers asks for: (1, heads, N, size) to (1, N, heads, size)."""
    layer: Any = module.layer_idx
    heads = query.shape[1]
    outcome = packed.attend(
        layer,
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        scaling,
    )
    return outcome.view(1, -1, heads, query.shape[3]).to(query.dtype), None


AttentionInterface.register(_NAME, _attend)


class _Swapped(nn.Module):
    """A linear layer in another's place."""

    def __init__(self, linear: Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self._linear = linear
        self._dtype = dtype

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute (..., out) from (..., in)."""
        rows = self._linear(values.reshape(-1, values.shape[-1]))
        return rows.view(*values.shape[:-1], -1).to(self._dtype)


class GenericForward:
    """Compute packed steps with transformers' forward.

    Args:
        model: is changed: its attention and its linear layers are swapped.
        make: makes the layers.

    Raises:
        TypeError: the model's configuration tells no shape for keys and values.
    """

    def __init__(self, model: PreTrainedModel, make: MakeLinear) -> None:
        self._model = model
        self.layout = _layout(model)
        model.set_attn_implementation(_NAME)
        _swap_linears(model, make)
        self.cache = PackedCache()

    def __call__(self, packed: Packed) -> torch.Tensor:
        """Compute a step; see ``Forward``."""
        self.cache.take_updates()  # of a step that failed
        output = self._model(
            input_ids=packed.ids[None],
            position_ids=packed.positions[None],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=packed.places,
            packed=packed,
        )
        if self.cache.take_updates() != self.layout.layers:
            msg = "the model stores keys and values of its own"
            raise RuntimeError(msg)
        logits: torch.Tensor = output.logits[0]
        return logits


def _layout(model: PreTrainedModel) -> Layout:
    config: Any = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if not isinstance(heads, int) or not isinstance(size, int):
        msg = "the shape of keys and values is not told"
        raise TypeError(msg)
    weight: torch.Tensor = next(model.parameters())
    return Layout.of(weight, layers=config.num_hidden_layers, heads=heads, head_size=size)


def _swap_linears(model: PreTrainedModel, make: MakeLinear) -> None:
    untyped: Any = model
    head = untyped.get_output_embeddings()
    embedding = model.get_input_embeddings()
    shared = getattr(embedding, "weight", None)
    for parent in list(model.modules()):
        for name, module in list(parent.named_children()):
            if type(module) is nn.Linear:
                weight = module.weight.detach()
            elif type(module) is Conv1D:
                weight = module.weight.detach().t().contiguous()
            else:
                continue
            bias: torch.Tensor | None = module.bias
            layer = make(weight, bias, is_head=module is head)
            setattr(parent, name, _Swapped(layer, weight.dtype))
            del weight
            if module.weight is not shared:
                module.weight = nn.Parameter(torch.empty(0), requires_grad=False)
