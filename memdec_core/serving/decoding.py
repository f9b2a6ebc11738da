"""The rows under way: new ones are read, all take a step together, finished ones leave.

Everything here happens in one thread. Shapes: B rows, P parts, V shared vocabulary.
"""

import logging
from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from memdec_core.serving.decoding_row import DecodingRow, changed_scores, row_tensors
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.prefill import Prefill
from memdec_core.serving.row_batch import RowBatch
from memdec_core.serving.row_mixture import mix_rows, token_scores
from memdec_core.serving.token_choice import choose_tokens

logger = logging.getLogger(__name__)


class Decoding:
    """Continuous batching: rows join and leave between any two steps.

    Attributes:
        rows: Those that take steps, in the order of the batch.
        steps: Steps taken.
    """

    def __init__(self, models: ServedModels, limits: EngineLimits) -> None:
        self.rows: list[DecodingRow] = []
        self.steps = 0
        self._models = models
        self._limits = limits
        self._batch: RowBatch | None = None
        self._prefill: Prefill | None = None

    @property
    def under_way(self) -> list[DecodingRow]:
        """All rows, those whose prompts are being read last."""
        prefill = self._prefill
        return self.rows + (prefill.rows if prefill else [])

    @property
    def cached_tokens(self) -> int:
        """Tokens whose keys and values are kept, padding included."""
        batch, prefill = self._batch, self._prefill
        kept = batch.columns * len(self.rows) if batch else 0
        return kept + (prefill.batch.columns * len(prefill.rows) if prefill else 0)

    def fitting(self, waiting: Sequence[DecodingRow]) -> int:
        """How many of the first waiting rows can be read now, together."""
        if self._prefill is not None:
            return 0
        limits, prompts = self._limits, 0
        longest = max((row.most_tokens for row in self.rows), default=0)
        for count, row in enumerate(islice(waiting, limits.max_batch - len(self.rows)), start=1):
            longest = max(longest, row.most_tokens)
            prompts = max(prompts, len(row.request.prompt))
            too_much = (len(self.rows) + count) * longest > limits.max_batch_tokens
            together = count * prompts <= limits.prefill_tokens and (
                row.request.prompt_log_probs == waiting[0].request.prompt_log_probs
            )
            if too_much or (count > 1 and not together):
                return count - 1
        return min(len(waiting), limits.max_batch - len(self.rows))

    def admit(self, rows: list[DecodingRow]) -> None:
        """Begin to read the prompts of new rows, which were found fitting."""
        if not rows:
            return
        try:
            self._prefill = Prefill(rows, self._models.parts, self._limits.prefill_tokens)
        except Exception as error:
            _fail(rows, error)

    def advance(self) -> None:
        """Read a bite of the new rows' prompts, then let the others take a step."""
        if self._prefill is not None:
            self._read(self._prefill)
        if self._batch is not None:
            self._step(self._batch)

    def drop_finished(self) -> None:
        """Free the rows that ended."""
        if self._prefill is not None:
            kept = _unfinished(self._prefill.rows)
            if not kept:
                self._prefill = None
            elif len(kept) < len(self._prefill.rows):
                self._prefill.keep(kept)
        kept = _unfinished(self.rows)
        if not kept:
            self._batch = None
        elif self._batch is not None and len(kept) < len(self.rows):
            self._batch.keep(kept)
        self.rows = [self.rows[row] for row in kept]

    def fail(self, error: Exception) -> None:
        """End all rows and go on with an empty batch."""
        failed = self.under_way
        self.rows, self._batch, self._prefill = [], None, None
        _fail(failed, error)

    def _read(self, prefill: Prefill) -> None:
        try:
            parts_PBV = prefill.advance()
            if parts_PBV is None:
                return
            for row in prefill.rows:
                row.tell_prompt()
            self._choose(prefill.rows, parts_PBV)
        except Exception as error:
            # the others' keys and values are untouched, so that they go on
            _fail(prefill.rows, error)
        self.drop_finished()
        if self._prefill is not None:
            self._join(self._prefill)

    def _join(self, prefill: Prefill) -> None:
        if self._batch is None:
            self._batch = prefill.batch
        else:
            self._batch.join(prefill.batch)
        self.rows = self.rows + prefill.rows
        self._prefill = None

    def _step(self, batch: RowBatch) -> None:
        tokens_B1 = torch.tensor([[row.next_token] for row in self.rows])
        parts_PB1V = batch.feed(tokens_B1, 1)
        self.steps += 1
        self._choose(self.rows, [part_B1V[:, -1] for part_B1V in parts_PB1V])
        self.drop_finished()

    def _choose(self, rows: list[DecodingRow], parts_PBV: list[Tensor]) -> None:
        """Add a token to every row."""
        log_weights_BP, choices = row_tensors(rows, parts_PBV[0].device)
        mixed_BV = mix_rows(log_weights_BP, parts_PBV)
        tokens_B = choose_tokens(changed_scores(rows, mixed_BV), choices)
        top_B = [row.request.top_log_probs for row in rows]
        told = token_scores(tokens_B, mixed_BV, parts_PBV, top_B)
        for row, scores in zip(rows, told, strict=True):
            if row.outcome is None:
                row.add(scores)


def _unfinished(rows: Sequence[DecodingRow]) -> list[int]:
    return [number for number, row in enumerate(rows) if row.outcome is None]


def _fail(rows: Sequence[DecodingRow], error: Exception) -> None:
    logger.error("decoding failed", exc_info=error)
    for row in rows:
        row.finish("error", f"decoding failed: {type(error).__name__}: {error}")
