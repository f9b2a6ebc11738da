"""Rows of different lengths that go through all parts together, column by column.

Rows are padded on the left, so that all of them end in the same column. Shapes: B rows, C new
columns, T all columns, K last columns of interest, V shared vocabulary.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.block_cache import join_rows, keep_rows, new_cache


class CachedPart:
    """One transformer and what it has read of every row."""

    def __init__(self, lm: TransformerLM) -> None:
        self._lm = lm
        self.cache: Any = new_cache()
        self._accepted = inspect.signature(lm.model.forward).parameters

    def feed(
        self, tokens_BC: Tensor, present_BT: Tensor, positions_BC: Tensor, keep: int
    ) -> Tensor:
        """Append columns; return log p(· | row so far) at the last `keep`, float32 (B, K, V)."""
        device = self._lm.device
        options: dict[str, Any] = {"position_ids": positions_BC.to(device), "logits_to_keep": keep}
        output = self._lm.model(
            input_ids=tokens_BC.to(device),
            attention_mask=present_BT.to(device),
            past_key_values=self.cache,
            use_cache=True,
            **{name: value for name, value in options.items() if name in self._accepted},
        )
        logits_BKV = output.logits[:, -keep:, : self._lm.vocab_size]
        return torch.log_softmax(logits_BKV.float(), dim=-1)


class RowBatch:
    """What all parts have read of some rows.

    Args:
        parts: The base and the memories.
        padding: Columns on the left of every row that are no tokens of it.
    """

    def __init__(self, parts: Sequence[TransformerLM], padding: Sequence[int]) -> None:
        self.columns = 0
        self._parts = [CachedPart(part) for part in parts]
        self._device = parts[0].device
        self._padding_B = torch.tensor(padding)

    def feed(self, tokens_BC: Tensor, keep: int) -> list[Tensor]:
        """Append columns of token ids, int64; any valid id stands for padding.

        Returns:
            Of every part, log p(· | row so far) at the last `keep` columns, float32 (B, K, V) on
            the base's device. What stands at a column of padding is to be ignored.
        """
        columns_T = torch.arange(self.columns + tokens_BC.shape[1])
        offsets_BT = columns_T - self._padding_B.unsqueeze(1)
        present_BT = offsets_BT >= 0
        positions_BC = offsets_BT[:, self.columns :].clamp_min(0)
        self.columns = len(columns_T)
        return [
            part.feed(tokens_BC, present_BT, positions_BC, keep).to(self._device)
            for part in self._parts
        ]

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but some, and the columns that are padding in all of those."""
        self._padding_B = self._padding_B[rows]
        # a prompt may be longer than what has been read of it
        trimmed = min(int(self._padding_B.min()), self.columns)
        self._padding_B = self._padding_B - trimmed
        self.columns -= trimmed
        for part in self._parts:
            keep_rows(part.cache, rows, trimmed)

    def join(self, other: "RowBatch") -> None:
        """Append the rows of another batch, which is used up."""
        columns = max(self.columns, other.columns)
        self._padding_B = torch.cat(
            [batch._padding_B + (columns - batch.columns) for batch in (self, other)]
        )
        for part, further in zip(self._parts, other._parts, strict=True):
            join_rows(part.cache, further.cache, columns)
        self.columns = columns
