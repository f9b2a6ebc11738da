"""The order of an epoch: a permutation, shuffled, gentle to row groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.windows.windows import POOL_GROUPS, epoch_order, n_steps_of, step_bounds


@given(
    windows=st.integers(1, 200),
    per_window=st.integers(1, 30),
    group=st.integers(1, 60),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 9),
)
def test_every_window_comes_once_and_the_order_is_a_function_of_seed_and_epoch(
    windows: int, per_window: int, group: int, seed: int, epoch: int
) -> None:
    rows = np.arange(windows) * per_window
    starts = np.append(np.arange(0, windows * per_window, group), windows * per_window)
    order = epoch_order(rows, starts, seed, epoch)
    assert sorted(order) == list(range(windows))
    assert np.array_equal(order, epoch_order(rows, starts, seed, epoch))


def test_epochs_and_seeds_differ_and_windows_move_far() -> None:
    rows, starts = np.arange(5000) * 100, np.arange(0, 500_001, 4000)
    orders = [epoch_order(rows, starts, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (orders[first] == orders[second]).mean() < 0.01
    neighbours = np.abs(np.diff(orders[0])) == 1
    assert neighbours.mean() < 0.01


def test_a_cache_of_one_pool_reads_each_row_group_about_once_per_epoch() -> None:
    length, group, total = 1000, 4096, 2_000_000
    rows = np.arange(0, total - length, length)
    starts = np.append(np.arange(0, total, group), total)
    cached: dict[int, None] = {}
    reads = 0
    for window in epoch_order(rows, starts, 3, 0):
        first, last = rows[window] // group, (rows[window] + length - 1) // group
        for wanted in range(first, last + 1):
            reads += wanted not in cached
            cached.pop(wanted, None)
            cached[wanted] = None
            if len(cached) > POOL_GROUPS:
                del cached[next(iter(cached))]
    assert reads < 1.6 * (len(starts) - 1)


@given(sizes=st.lists(st.integers(1, 100), min_size=1, max_size=80), step_size=st.integers(1, 400))
def test_steps_cover_all_windows_with_at_least_one_each(sizes: list[int], step_size: int) -> None:
    size_W = np.array(sizes)
    bounds = step_bounds(size_W, step_size)
    assert bounds[0] == 0
    assert bounds[-1] == len(sizes)
    assert (np.diff(bounds) >= 1).all()
    assert len(bounds) - 1 == n_steps_of(int(size_W.sum()), len(sizes), step_size)


def test_steps_of_many_small_windows_are_of_nearly_equal_size() -> None:
    size_W = np.random.default_rng(0).integers(1, 64, 3000)
    sums = np.add.reduceat(size_W, step_bounds(size_W, 1000)[:-1])
    assert np.abs(sums - sums.mean()).max() <= 64
