"""Batches for the trainer: padded windows, and their sparse targets, from plain arrays.

Legend: W windows, B windows of a batch, T tokens, N positions of a batch, E sparse entries.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from memdec_core.errors import UserError
from memdec_core.training.losses import PositionTargets
from memdec_core.training.sparse_targets import ReadTargets, join_targets
from memdec_core.training.training_config import TrainingConfig
from memdec_core.windows.window_batches import (
    ReadTokens,
    n_scored,
    pad_rows,
    predicting_states,
)
from memdec_core.windows.windows import (
    END,
    ROW,
    START,
    Int64Array,
    epoch_order,
    n_steps_of,
    step_bounds,
)

# Enough to choose between checkpoints: the loss of 65,536 tokens varies by about a hundredth.
VALIDATION_TOKENS = 65_536


class TrainingBatch(NamedTuple):
    """Windows padded on the right; causal attention needs no mask for that.

    Attributes:
        input_ids_BT: int64; padding has id 0.
        state_N: int64 index into the B × T hidden states, from which each position is predicted.
        label_N: int64 tokens that follow.
        targets: Sparse p_kNN of the N positions, or None.
    """

    input_ids_BT: Tensor
    state_N: Tensor
    label_N: Tensor
    targets: PositionTargets | None

    def to(self, device: torch.device) -> "TrainingBatch":
        """The batch on `device`; the offsets of the targets stay on the CPU."""
        if device.type == "cpu":
            return self
        targets = self.targets and PositionTargets(
            self.targets.offsets_N1,
            self.targets.token_ids_E.to(device),
            self.targets.probs_E.to(device),
        )
        return TrainingBatch(
            self.input_ids_BT.to(device), self.state_N.to(device), self.label_N.to(device), targets
        )


class WindowData(NamedTuple):
    """One split to train on or to validate on.

    Attributes:
        windows_W4: Windows as `make_windows` cuts them.
        read_tokens: (start, stop) of the stream -> token ids.
        read_targets: (start, stop) of the rows -> targets; None trains on tokens alone.
        group_starts_G1: First row of each row group of the targets, and the end.
        vocab_size: Ids of tokens and targets are below it.
    """

    windows_W4: Int64Array
    read_tokens: ReadTokens
    read_targets: ReadTargets | None
    group_starts_G1: Int64Array
    vocab_size: int


def assemble_batch(data: WindowData, windows_B4: Int64Array) -> TrainingBatch:
    """Reads the tokens and targets of some windows and pads them to one batch.

    Raises:
        UserError: Targets were made for other tokens, or for another vocabulary.
    """
    texts = [data.read_tokens(int(w[START]), int(w[END])) for w in windows_B4]
    input_ids_BT = pad_rows([text[:-1] for text in texts])  # the last token is only predicted
    labels = [text[-count:] for text, count in zip(texts, n_scored(windows_B4), strict=True)]
    label_N = np.concatenate(labels).astype(np.int64)
    targets = _read_targets(data, windows_B4, label_N) if data.read_targets else None
    _check_ids(label_N, data.vocab_size, "tokens")
    return TrainingBatch(
        torch.from_numpy(input_ids_BT),
        torch.from_numpy(predicting_states(windows_B4, input_ids_BT.shape[1])),
        torch.from_numpy(label_N),
        targets,
    )


def _read_targets(data: WindowData, windows_B4: Int64Array, label_N: Int64Array) -> PositionTargets:
    """The targets of all scored positions of the windows, one block after the other."""
    assert data.read_targets is not None
    row_B, count_B = windows_B4[:, ROW], n_scored(windows_B4)
    targets = join_targets(
        [
            data.read_targets(int(row), int(row + count))
            for row, count in zip(row_B, count_B, strict=True)
        ]
    )
    if not np.array_equal(targets.next_token_R, label_N):
        raise UserError(
            f"targets of rows {row_B.min()} and following belong to other tokens than the ones "
            "trained on: build targets and memory from the same tokens artifact and scope"
        )
    token_ids_E = targets.token_ids_E.astype(np.int64)
    _check_ids(token_ids_E, data.vocab_size, "targets")
    return PositionTargets(
        torch.from_numpy(targets.offsets_R1),
        torch.from_numpy(token_ids_E),
        torch.from_numpy(targets.probs_E),
    )


def _check_ids(ids: Int64Array, vocab_size: int, what: str) -> None:
    if len(ids) and int(ids.max()) >= vocab_size:
        raise UserError(
            f"{what} hold the token id {ids.max()}, but the student's vocabulary has {vocab_size} "
            "tokens: choose a student with the base model's tokenizer"
        )


class EpochBatches:
    """The micro-batches of any step, a pure function of (seed, epoch, step).

    Attributes:
        steps_per_epoch: Optimiser steps, the same in every epoch.
        steps: Optimiser steps of the whole training.
    """

    def __init__(self, data: WindowData, config: TrainingConfig, steps: int | None = None) -> None:
        """Trains for `steps` optimiser steps, or for all of `config.epochs` when None."""
        self._data = data
        self._config = config
        self._size_W = n_scored(data.windows_W4)
        self.steps_per_epoch = n_steps_of(
            int(self._size_W.sum()), len(self._size_W), config.batch_tokens
        )
        self.steps = config.epochs * self.steps_per_epoch if steps is None else steps
        self._epoch = -1
        self._order_W = self._bounds_S1 = np.zeros(0, np.int64)

    def micro_batches(self, epoch: int, step: int) -> Iterator[TrainingBatch]:
        """Reads and yields the micro-batches of a step, windows of like length together.

        Args:
            epoch: Counted from 0.
            step: Step of the epoch, from 0.
        """
        if epoch != self._epoch:
            rows_W = self._data.windows_W4[:, ROW]
            starts = self._data.group_starts_G1
            self._order_W = epoch_order(rows_W, starts, self._config.seed, epoch)
            self._bounds_S1 = step_bounds(self._size_W[self._order_W], self._config.batch_tokens)
            self._epoch = epoch
        chosen = self._order_W[self._bounds_S1[step] : self._bounds_S1[step + 1]]
        windows = self._data.windows_W4[chosen]
        length_B = windows[:, END] - windows[:, START]
        by_length = np.argsort(length_B, kind="stable")
        bounds = step_bounds(length_B[by_length], self._config.micro_batch_tokens)
        for part in np.split(by_length, bounds[1:-1]):
            yield assemble_batch(self._data, windows[part])


def validation_batches(
    data: WindowData, batch_tokens: int, sample_tokens: int = VALIDATION_TOKENS
) -> Iterator[TrainingBatch]:
    """Batches over a fixed sample of windows, evenly spaced, in stream order.

    Args:
        data: The split to validate on.
        batch_tokens: Tokens of a batch at most (at least one window), padding included.
        sample_tokens: Tokens of the sample at most (at least one window), padding included.
    """
    length_W = data.windows_W4[:, END] - data.windows_W4[:, START]
    longest = int(length_W.max())
    n_sample = min(len(length_W), max(1, sample_tokens // longest))
    chosen = np.linspace(0, len(length_W) - 1, n_sample).astype(np.int64)
    windows = data.windows_W4[chosen]
    per_batch = max(1, batch_tokens // longest)
    for start in range(0, len(windows), per_batch):
        yield assemble_batch(data, windows[start : start + per_batch])
