"""Keys and values of many rows, with room to grow.

Shapes: B rows, H heads, T columns, D width of a head.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

BLOCK = 128


class BlockLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """A layer that writes into room it has made beforehand.

    transformers' own layer copies all it has for every token, which takes a third of a step's time
    at 16 rows of 700 tokens.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._room = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_options: object
    ) -> tuple[Tensor, Tensor]:
        """Append columns (B, H, new, D); return all keys and all values, (B, H, T, D)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.replace(key_states[:, :, :0], value_states[:, :, :0])
        past, new = self.keys.shape[2], key_states.shape[2]
        if new > self._room:
            self._room = new + BLOCK
            self._roomy_keys = _with_room(self.keys, self._room)
            self._roomy_values = _with_room(self.values, self._room)
        self._roomy_keys[:, :, past : past + new] = key_states
        self._roomy_values[:, :, past : past + new] = value_states
        self._room -= new
        self.keys = self._roomy_keys[:, :, : past + new]
        self.values = self._roomy_values[:, :, : past + new]
        return self.keys, self.values

    def replace(self, keys: Tensor, values: Tensor) -> None:
        """Go on from other keys and values, (B, H, T, D) with any B and T."""
        self.keys, self.values = self._roomy_keys, self._roomy_values = keys, values
        self._room = 0


def _with_room(kept: Tensor, room: int) -> Tensor:
    rows, heads, columns, width = kept.shape
    grown = kept.new_empty((rows, heads, columns + room, width))
    grown[:, :, :columns] = kept
    return grown


def new_cache() -> Any:  # noqa: ANN401 - a Cache, whose layers are typed too widely
    """An empty cache of plain keys and values in every layer.

    It is made without the model's configuration, so that layers with a sliding window keep all
    columns, too, and rows can be joined; the window is held by the model's attention mask.
    """
    return Cache(layer_class_to_replicate=BlockLayer)


def keep_rows(cache: Any, rows: list[int], trimmed: int) -> None:  # noqa: ANN401
    """Drop all rows but some, and the first `trimmed` columns of those."""
    for layer in cache.layers:
        index = torch.tensor(rows, device=layer.keys.device)
        layer.replace(
            layer.keys[:, :, trimmed:].index_select(0, index),
            layer.values[:, :, trimmed:].index_select(0, index),
        )


def join_rows(cache: Any, other: Any, columns: int) -> None:  # noqa: ANN401
    """Append another cache's rows; both are padded on the left to `columns`."""
    for layer, further in zip(cache.layers, other.layers, strict=True):
        layer.replace(
            _joined(layer.keys, further.keys, columns),
            _joined(layer.values, further.values, columns),
        )


def _joined(first: Tensor, second: Tensor, columns: int) -> Tensor:
    rows = first.shape[0]
    joined = first.new_zeros((rows + second.shape[0], first.shape[1], columns, first.shape[3]))
    joined[:rows, :, columns - first.shape[2] :] = first
    joined[rows:, :, columns - second.shape[2] :] = second
    return joined
