"""A frozen decoder that runs up to its keys and no further.

A key is the input of the last block's feed-forward module, which has a name of its own in every
family. Legend: D width of the model, B windows and T tokens of a batch, P scored positions of a
batch.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.models.forward_hooks import forward_until
from memdec_core.models.models_config import ComputeDtype
from memdec_core.windows.window_batches import WindowBatch

BLOCK_LISTS = ("h", "layers", "decoder.layers", "blocks")
"""Names of the list of blocks in a decoder's body: GPT-2, Llama and its kin, OPT, MPT."""

FEED_FORWARDS = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "fc1")
"""Names of the feed-forward module in a block; OPT has only its first linear layer, `fc1`."""

FLOAT16_MAX = float(np.finfo(np.float16).max)


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


def check_key_size(largest: float, layer_name: str, compute_dtype: str) -> None:
    """Refuses keys that float16 cannot hold.

    Args:
        largest: The largest absolute entry of the keys, before rounding.
        layer_name: The layer they are the input of, for messages.
        compute_dtype: Precision of the forward pass, for messages.

    Raises:
        UserError: A key does not fit float16, or is not a number.
    """
    if not largest <= FLOAT16_MAX:  # true for NaN as well
        remedy = (
            "set embeddings.compute_dtype to `float32`"
            if compute_dtype != "float32"
            else "use another base model: this one's weights are damaged or its keys too large"
        )
        raise UserError(
            f"base_model: the keys (input of the layer {layer_name}) have an entry of "
            f"size {largest:.6g}, but are stored in float16, which ends at {FLOAT16_MAX:g}; "
            f"{remedy}"
        )


class LaunchedBatch:
    """Keys that the device may still be computing.

    Args:
        batch: What they are the keys of.
        layer_name: The layer they are the input of, for messages.
        compute_dtype: Precision of the forward pass, for messages.
        keys_PD: The keys on the model's device, in whatever precision the layer got them.
    """

    def __init__(
        self, batch: WindowBatch, layer_name: str, compute_dtype: str, keys_PD: Tensor
    ) -> None:
        self.batch = batch
        self._layer_name = layer_name
        self._compute_dtype = compute_dtype
        # the largest value is reduced on the device: numpy is slow on float16
        self._largest = _to_host(keys_PD.abs().amax().float())
        self._keys_PD = _to_host(keys_PD.to(torch.float16))
        self._done: torch.cuda.Event | None = None
        if keys_PD.is_cuda:
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record(torch.cuda.current_stream(keys_PD.device))

    def collect(self) -> npt.NDArray[np.float16]:
        """Wait for the keys and return them, float16 (P, D).

        Raises:
            UserError: A key does not fit float16, or is not a number.
        """
        if self._done is not None:
            self._done.synchronize()
        check_key_size(float(self._largest), self._layer_name, self._compute_dtype)
        keys_PD: npt.NDArray[np.float16] = self._keys_PD.numpy()
        return keys_PD


class KeyModel:
    """Computes keys with a decoder that stays as it is.

    Args:
        model: A causal decoder; used where it is, in evaluation mode.
        compute_dtype: Precision of the forward pass. The lower ones by autocast, whose keys are
            closer to float32 than those of rounded weights, at the same speed.

    Attributes:
        config: The model's text configuration.
        device: Where it is.

    Raises:
        UserError: The decoder has no known key layer, or its device is slow in this precision.
    """

    def __init__(self, model: PreTrainedModel, compute_dtype: ComputeDtype) -> None:
        self.config: PreTrainedConfig = model.config.get_text_config()
        self.device: torch.device = model.device
        if compute_dtype == "float16" and self.device.type == "cpu":
            raise UserError(
                "embeddings.compute_dtype: `float16` is some fifty times slower than `float32` on "
                "a CPU; use `float32` or `bfloat16`, or set device to `cuda`"
            )
        self._layer = find_key_layer(model)
        self._compute_dtype = compute_dtype
        self._body: Any = model.base_model.eval()
        embedding = cast("nn.Embedding", model.get_input_embeddings())
        self._vocab_size = int(embedding.weight.shape[0])

    def launch(self, batch: WindowBatch) -> LaunchedBatch:
        """Start computing the keys of a batch's scored positions.

        Raises:
            UserError: A token id is not in the model's vocabulary.
        """
        if (largest := int(batch.tokens_BT.max())) >= self._vocab_size:
            raise UserError(
                f"base_model: the corpus has the token id {largest}, but the model knows only "
                f"{self._vocab_size} ids: use the tokenizer that belongs to the model"
            )
        tokens_BT = self._to_device(batch.tokens_BT)
        keys_PD = self.keys(tokens_BT).index_select(0, self._to_device(batch.picked_P))
        return LaunchedBatch(batch, self._layer.name, self._compute_dtype, keys_PD)

    @torch.inference_mode()
    def keys(self, tokens_BT: Tensor) -> Tensor:
        """Compute the keys of all positions, (B * T, D), in whatever precision the layer gets."""
        dtype: torch.dtype = getattr(torch, self._compute_dtype)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            keys = forward_until(self._body, self._layer.module, tokens_BT)
        return keys.reshape(-1, keys.shape[-1])

    def _to_device(self, array: npt.NDArray[np.int64]) -> Tensor:
        host = torch.from_numpy(array)
        if self.device.type != "cuda":
            return host.to(self.device)
        return host.pin_memory().to(self.device, non_blocking=True)


def _to_host(tensor: Tensor) -> Tensor:
    """The tensor in host memory; from a GPU, once the device has got that far."""
    if not tensor.is_cuda:
        return tensor
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return pinned.copy_(tensor, non_blocking=True)
