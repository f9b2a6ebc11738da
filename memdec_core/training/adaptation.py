"""LoRA inside a Hugging Face model: low-rank additions to its matrices, trained, then folded in.

Each adapted matrix W (in × out) becomes W + 2 · A·B with A (in × r) random and B (r × out) zero, so
that an adapted model starts as the model itself. The model keeps its class, its body and its head:
the trainer sees nothing but fewer parameters that take gradients.
"""

from collections.abc import Iterable

import torch
from peft import LoraConfig, LoraModel
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from memdec_core.errors import UserError

ATTENTION_INPUTS = ("c_attn", "q_proj", "k_proj", "v_proj", "query_key_value")
"""Names of the matrices of queries, keys and values: GPT-2, Llama and its kin with OPT, NeoX."""

FEED_FORWARD_MATRICES = (
    *("mlp.c_fc", "mlp.c_proj"),  # GPT-2's attention has a c_proj too
    *("gate_proj", "up_proj", "down_proj"),
    *("fc1", "fc2"),
    *("dense_h_to_4h", "dense_4h_to_h"),
)
"""Names of the matrices of a feed-forward layer: GPT-2, Llama and its kin, OPT, GPT-NeoX."""

ALPHA_PER_RANK = 2  # additions are scaled by α / rank: the step does not depend on the rank


def adapted_layers(model: PreTrainedModel) -> dict[str, nn.Linear | Conv1D]:
    """The layers that LoRA adds to, by name.

    Raises:
        UserError: The model has no attention or no feed-forward layer under the known names.
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    }
    attention, feed_forward = (
        {name for name in layers if f".{name}".endswith(tuple(f".{known}" for known in names))}
        for names in (ATTENTION_INPUTS, FEED_FORWARD_MATRICES)
    )
    if not attention or not feed_forward:
        raise UserError(
            f"base_model: {type(model).__name__} has no layers that LoRA knows: looked for linear "
            f"layers named {' or '.join(ATTENTION_INPUTS)} and for ones named "
            f"{' or '.join(FEED_FORWARD_MATRICES)}; use method `dapt`, or a decoder of the GPT-2, "
            "Llama, Qwen, Mistral, GPT-NeoX or OPT kind"
        )
    return {name: layers[name] for name in layers if name in attention | feed_forward}


def matched_rank(shapes: Iterable[tuple[int, int]], parameters: int) -> int:
    """The rank whose additions come nearest to a number of parameters; at least 1.

    It may exceed the smaller side of a matrix, where more rank adds no freedom: a model no larger
    than the memory has no room for as many useful parameters.

    Args:
        shapes: Both sides of each adapted matrix.
        parameters: The number wanted.
    """
    per_rank = sum(rows + columns for rows, columns in shapes)
    return max(1, round(parameters / per_rank))


def add_lora(model: PreTrainedModel, rank: int, seed: int) -> LoraModel:
    """Puts LoRA layers into the model, in place; only they take gradients from then on.

    Args:
        model: A causal language model.
        rank: r of all additions.
        seed: Seeds their initial weights.

    Returns:
        A handle for `merge_lora`.

    Raises:
        UserError: The model is of a family whose layers are not known.
    """
    layers = adapted_layers(model)
    config = LoraConfig(
        r=rank,
        lora_alpha=ALPHA_PER_RANK * rank,
        target_modules=list(layers),
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers.values()),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LoraModel(model, config, "default")


def merge_lora(adapter: LoraModel) -> None:
    """Folds the additions into the model's matrices; leaves a plain model, as it was loaded."""
    adapter.merge_and_unload()
    adapter.model.requires_grad_(requires_grad=True)
