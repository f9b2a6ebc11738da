"""Prompts of new rows, read in bites so that the rows under way need not wait for all of them.

Shapes: B rows, C unread columns, N columns of a bite, V shared vocabulary.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from memdec_core.models.language_model import LOGIT_BYTES, TransformerLM
from memdec_core.serving.decoding_row import DecodingRow
from memdec_core.serving.row_batch import RowBatch
from memdec_core.serving.row_mixture import mix_rows, token_scores


class Prefill:
    """Rows whose prompts are being read.

    Args:
        rows: The rows; all of them want scores of their prompts, or none does.
        parts: The base and the memories.
        prefill_tokens: Most tokens of a bite, padding included, but a column at least.
    """

    def __init__(
        self, rows: list[DecodingRow], parts: Sequence[TransformerLM], prefill_tokens: int
    ) -> None:
        self.rows = rows
        lengths = [len(row.request.prompt) for row in rows]
        longest = max(lengths)
        padding = [longest - length for length in lengths]
        self.batch = RowBatch(parts, padding)
        self._unread_BC = torch.tensor(
            [[0] * pad + list(row.request.prompt) for pad, row in zip(padding, rows, strict=True)]
        )
        self._scored = rows[0].request.prompt_log_probs
        most = prefill_tokens
        if self._scored:
            most = min(most, LOGIT_BYTES // (4 * parts[0].vocab_size))
        self._bite = max(1, most // len(rows))

    def advance(self) -> list[Tensor] | None:
        """Read a bite.

        Returns:
            Once all is read, log p(· | prompt) of every part, float32 (B, V).
        """
        bite_BN = self._unread_BC[:, : self._bite]
        parts_PBNV = self.batch.feed(bite_BN, bite_BN.shape[1] if self._scored else 1)
        if self._scored:
            self._score(parts_PBNV)
        self._unread_BC = self._unread_BC[:, self._bite :]
        if self._unread_BC.shape[1]:
            return None
        return [part_BNV[:, -1] for part_BNV in parts_PBNV]

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but some."""
        self.rows = [self.rows[row] for row in rows]
        self._unread_BC = self._unread_BC[rows]
        self.batch.keep(rows)

    def _score(self, parts_PBNV: list[Tensor]) -> None:
        """Score the tokens that follow the bite's columns in the prompts."""
        followers_BN = self._unread_BC[:, 1 : self._bite + 1]
        for number, row in enumerate(self.rows):
            first = max(0, self._unread_BC.shape[1] - len(row.request.prompt))
            followers_N = followers_BN[number, first:]
            parts_PNV = [
                part_BNV[number, first : first + len(followers_N)] for part_BNV in parts_PBNV
            ]
            device = parts_PNV[0].device
            weights_1P = torch.tensor([row.log_weights], device=device)
            row.prompt_scores += token_scores(
                followers_N.to(device),
                mix_rows(weights_1P, parts_PNV),
                parts_PNV,
                [row.request.top_log_probs] * len(followers_N),
            )
