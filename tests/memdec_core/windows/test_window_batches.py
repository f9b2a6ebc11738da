"""Batches hold each window once, and the way back to stream order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.windows.window_batches import (
    batches_by_length,
    consecutive_runs,
    group_windows,
    ranges,
)
from memdec_core.windows.windows import WindowConfig, make_windows


def greedy_runs(sizes: list[int], limit: int) -> list[list[int]]:
    """Item numbers of each run, one item at a time."""
    runs: list[list[int]] = []
    filled = 0
    for item, size in enumerate(sizes):
        if not runs or filled + size > limit:
            runs.append([])
            filled = 0
        runs[-1].append(item)
        filled += size
    return runs


@given(st.lists(st.integers(1, 9)), st.integers(1, 20))
def test_runs_are_those_of_a_greedy_loop(sizes: list[int], limit: int) -> None:
    runs = consecutive_runs(np.array(sizes, np.int64), limit)
    assert [list(range(*run)) for run in runs] == greedy_runs(sizes, limit)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5))))
def test_ranges_are_joined_in_order(pairs: list[tuple[int, int]]) -> None:
    starts, counts = np.array(pairs, np.int64).reshape(-1, 2).T
    expected = [start + i for start, count in pairs for i in range(count)]
    assert ranges(starts, counts).tolist() == expected


@given(
    lengths=st.lists(st.integers(2, 50), min_size=1, max_size=40), batch_tokens=st.integers(1, 120)
)
def test_batches_hold_every_sequence_once_and_stay_in_the_budget(
    lengths: list[int], batch_tokens: int
) -> None:
    lengths_W = np.array(lengths)
    batches = list(batches_by_length(lengths_W, batch_tokens))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * lengths_W[b].max() <= batch_tokens for b in batches)


@given(
    st.lists(st.integers(0, 40), max_size=12),
    st.integers(1, 60),
    st.integers(1, 200),
    st.sampled_from(["document", "stream"]),
)
def test_every_row_is_predicted_from_the_token_before_it(
    lengths: list[int], batch_tokens: int, group_tokens: int, scope: str
) -> None:
    # a token is its own place in the stream, so that a batch shows where its tokens come from
    stream = np.arange(1, sum(lengths) + 1)
    offsets_D1 = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    config = WindowConfig(length=8, stride=3, scope=scope)
    windows_W4 = make_windows(offsets_D1, config)
    positions: list[int] = []
    for group in group_windows(windows_W4, lambda a, b: stream[a:b], group_tokens):
        previous = np.zeros(len(group.positions_N), np.int64)
        for batch in group.batches(batch_tokens):
            assert batch.tokens_BT.size <= batch_tokens or len(batch.tokens_BT) == 1
            assert (previous[batch.rows_P] == 0).all()
            previous[batch.rows_P] = batch.tokens_BT.ravel()[batch.picked_P]
        assert previous.tolist() == group.positions_N.tolist()  # token 1 is at place 0
        assert group.next_token_N.tolist() == (group.positions_N + 1).tolist()
        positions += group.positions_N.tolist()
    expected = [p for _, first, end, _ in windows_W4.tolist() for p in range(first, end)]
    assert positions == expected


def test_windows_of_like_length_share_a_batch_so_that_little_is_padded() -> None:
    lengths = [3, 90] * 20
    offsets_D1 = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    windows_W4 = make_windows(offsets_D1, WindowConfig())
    stream = np.ones(sum(lengths), np.uint16)
    (group,) = group_windows(windows_W4, lambda a, b: stream[a:b], 10_000)
    padded = sum(batch.tokens_BT.size for batch in group.batches(500))
    read = sum(lengths) - len(lengths)
    assert padded < 1.1 * read
