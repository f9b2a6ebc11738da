"""Batches hold exactly the windows' tokens, and each position's own targets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.errors import UserError
from memdec_core.training.training_batches import (
    EpochBatches,
    TrainingBatch,
    assemble_batch,
    validation_batches,
)
from memdec_core.training.training_config import TrainingConfig
from memdec_core.windows.windows import WindowConfig
from tests.support.training_data import Split, make_split

Position = tuple[tuple[int, ...], int, tuple[tuple[int, float], ...]]


def positions_of(batch: TrainingBatch) -> list[Position]:
    """Context, next token and sorted targets of every position, read off the batch."""
    width = batch.input_ids_BT.shape[1]
    found = []
    for n in range(len(batch.label_N)):
        row, column = divmod(int(batch.state_N[n]), width)
        context = tuple(batch.input_ids_BT[row, : column + 1].tolist())
        entries: list[tuple[int, float]] = []
        if batch.targets:
            span = slice(*batch.targets.offsets_N1[n : n + 2].tolist())
            ids, probs = batch.targets.token_ids_E[span], batch.targets.probs_E[span]
            entries = sorted(zip(ids.tolist(), probs.tolist(), strict=True))
        found.append((context, int(batch.label_N[n]), tuple(entries)))
    return found


def positions_expected(split: Split) -> list[Position]:
    """The same from the stream, one window and one position at a time."""
    expected = []
    for start, first, end, row in split.data.windows_W4.tolist():
        for p in range(first, end):
            r = row + p - first
            entries = zip(split.ids[r].tolist(), split.probs[r].tolist(), strict=True)
            context = tuple(split.tokens[start:p].tolist())
            expected.append((context, int(split.tokens[p]), tuple(sorted(entries))))
    return expected


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(lambda x: max(x) > 1),
    stride=st.integers(1, 11),
    scope=st.sampled_from(["document", "stream"]),
    batch_tokens=st.integers(1, 100),
    micro_batch_tokens=st.integers(1, 60),
    epoch=st.integers(0, 3),
)
def test_an_epoch_holds_every_position_once_with_its_context_and_targets(
    seed: int,
    lengths: list[int],
    stride: int,
    scope: str,
    batch_tokens: int,
    micro_batch_tokens: int,
    epoch: int,
) -> None:
    window = WindowConfig(length=12, stride=stride, scope=scope)  # type: ignore[arg-type]
    split = make_split(seed, lengths, window=window)
    config = TrainingConfig(
        batch_tokens=batch_tokens, micro_batch_tokens=micro_batch_tokens, seed=seed
    )
    batches = EpochBatches(split.data, config)
    found: list[Position] = []
    for step in range(batches.steps_per_epoch):
        for batch in batches.micro_batches(epoch, step):
            assert len(batch.label_N) <= micro_batch_tokens + window.length
            found += positions_of(batch)
    assert sorted(found) == sorted(positions_expected(split))


def test_a_step_is_the_same_whatever_was_read_before_it() -> None:
    split, config = make_split(0, [30] * 20), TrainingConfig(batch_tokens=40, seed=3)
    running, fresh = EpochBatches(split.data, config), EpochBatches(split.data, config)
    for epoch in range(2):
        for step in range(running.steps_per_epoch):
            (batch,) = running.micro_batches(epoch, step)
    (again,) = fresh.micro_batches(1, fresh.steps_per_epoch - 1)
    assert torch.equal(batch.input_ids_BT, again.input_ids_BT)
    assert torch.equal(batch.label_N, again.label_N)


def test_validation_takes_a_bounded_evenly_spaced_sample_of_windows() -> None:
    split = make_split(1, [200])
    every = [p for b in validation_batches(split.data, 40) for p in positions_of(b)]
    assert every == positions_expected(split)
    few = list(validation_batches(split.data, 24, 4 * 12))
    assert [len(batch.input_ids_BT) for batch in few] == [2, 2]
    assert few[-1].label_N[-1] == split.tokens[-1]


def test_targets_of_other_tokens_are_refused() -> None:
    split = make_split(2, [30])
    other = make_split(3, [30])
    mixed = split.data._replace(read_targets=other.data.read_targets)
    with pytest.raises(UserError, match="belong to other tokens"):
        assemble_batch(mixed, mixed.windows_W4)


def test_ids_beyond_the_students_vocabulary_are_refused() -> None:
    split = make_split(4, [300])
    small = split.data._replace(vocab_size=20)
    with pytest.raises(UserError, match=r"token id 4\d, but the student's vocabulary has 20"):
        assemble_batch(small, small.windows_W4)


def test_padding_never_reaches_the_loss() -> None:
    split = make_split(5, [5, 12, 2])
    batch = assemble_batch(split.data, split.data.windows_W4)
    assert batch.input_ids_BT.shape == (3, 11)
    assert len(np.unique(batch.state_N)) == len(batch.label_N) == 4 + 11 + 1
