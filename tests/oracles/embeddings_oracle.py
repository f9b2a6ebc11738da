"""Rows of a datastore the slow way: whole forward passes, one window and one position at a time."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests.oracles.windows_oracle import sliding_windows


class SlowRow(NamedTuple):
    """A key in float32 (D,), the token that follows, its document and its place in the stream."""

    key_D: np.ndarray
    next_token: int
    doc: int
    position: int


def second_norm(model: PreTrainedModel) -> nn.Module:
    """The last block's norm before its feed-forward layer, by the family's own name."""
    if model.config.model_type == "gpt2":
        return model.get_submodule(f"transformer.h.{model.config.n_layer - 1}.ln_2")
    return model.get_submodule(
        f"model.layers.{model.config.num_hidden_layers - 1}.post_attention_layernorm"
    )


@torch.no_grad()
def full_forward_keys(
    model: PreTrainedModel, tokens: list[int], norm: nn.Module | None = None
) -> np.ndarray:
    """What the last block's second norm gives out in a full forward pass, float32 (T, D)."""
    seen: list[Tensor] = []

    def record(_norm: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append(output)

    hook = (norm or second_norm(model)).register_forward_hook(record)
    model(input_ids=torch.tensor([tokens]))
    hook.remove()
    (keys,) = seen
    return keys.reshape(len(tokens), -1).float().numpy()


def slow_rows(
    model: PreTrainedModel,
    documents: list[list[int]],
    length: int,
    stride: int,
    scope: str,
) -> list[SlowRow]:
    """All rows of the datastore of some documents, in stream order."""
    stream = [(doc, token) for doc, tokens in enumerate(documents) for token in tokens]
    lengths = [len(tokens) for tokens in documents]
    rows = []
    for start, end, scored in sliding_windows(lengths, length, stride, scope):
        keys_TD = full_forward_keys(model, [token for _, token in stream[start:end]])
        for position in scored:
            doc, token = stream[position]
            rows.append(SlowRow(keys_TD[position - 1 - start], token, doc, position))
    return rows
