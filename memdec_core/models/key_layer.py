"""Where a model's keys are: the input of its last block's feed-forward module."""

from typing import NamedTuple

from torch import nn
from transformers import PreTrainedModel

from memdec_core.errors import UserError

BLOCK_LISTS = ("h", "layers", "decoder.layers", "blocks")
"""Names of the list of blocks in a decoder's body: GPT-2, Llama and its kin, OPT, MPT."""

FEED_FORWARDS = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "fc1")
"""Names of the feed-forward module in a block; OPT has only its first linear layer, `fc1`."""


class KeyLayer(NamedTuple):
    """The module whose input is the key, and its name within the model's body."""

    name: str
    module: nn.Module


def find_key_layer(model: PreTrainedModel) -> KeyLayer:
    """Find the last block's feed-forward module by the names that decoders use.

    Its input has passed the block's second norm in every decoder that normalises first.

    Args:
        model: A causal decoder, with or without its head.

    Raises:
        UserError: The model has no list of blocks, or its blocks no feed-forward module, under
            any of the names looked for.
    """
    for list_name in BLOCK_LISTS:
        blocks = _submodule(model.base_model, list_name)
        if not isinstance(blocks, nn.ModuleList) or len(blocks) == 0:
            continue
        for name in FEED_FORWARDS:
            module = _submodule(blocks[-1], name)
            if module is not None:
                return KeyLayer(f"{list_name}.{len(blocks) - 1}.{name}", module)
    raise UserError(
        f"base_model: {type(model).__name__} has no last feed-forward layer to take keys from: "
        f"looked in its body ({type(model.base_model).__name__}) for a list of blocks named "
        f"{' or '.join(BLOCK_LISTS)} whose last block has a module named "
        f"{' or '.join(FEED_FORWARDS)}; use a decoder of the GPT-2, Llama, Qwen, Mistral, "
        "GPT-NeoX or OPT kind"
    )


def _submodule(module: nn.Module, path: str) -> nn.Module | None:
    """The submodule at a dotted path, None where there is none."""
    for part in path.split("."):
        child = getattr(module, part, None)
        if not isinstance(child, nn.Module):
            return None
        module = child
    return module
