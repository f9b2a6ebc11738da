"""Floating-point operations of a decoder, counted from its layers.

What a joint model must cost at least, beside what it was measured to cost.
"""

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


def forward_flops(model: PreTrainedModel, context: int) -> int:
    """Operations that one token takes whose predecessors are cached.

    Two for every weight of a linear layer, the head included: a product and a sum. In every layer,
    the same twice for every position attended to: for its score, and for its value. Norms and
    activations are left out, as is the embedding, which is looked up. A decoder is taken to be
    dense: each of its weights works on each token.

    Args:
        model: A causal decoder with its head.
        context: Positions attended to, the token's own among them.
    """
    linear = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, nn.Linear | Conv1D)
    )
    config = model.config.get_text_config()
    heads: int = config.num_attention_heads
    head_width: int = getattr(config, "head_dim", None) or config.hidden_size // heads
    attended: int = config.num_hidden_layers * heads * head_width * context
    return 2 * linear + 4 * attended


def joint_flops_ratio(base: PreTrainedModel, memory: PreTrainedModel, context: int) -> float:
    """(base + memory) / base: operations per token of both beside those of the base alone."""
    return 1 + forward_flops(memory, context) / forward_flops(base, context)
