"""The order of windows in an epoch: shuffled, yet each row group of targets is read about once.

Legend: W windows, G row groups.

A plain shuffle would read a row group of 4,096 positions for every window. Instead blocks of
neighbouring row groups are permuted, and windows are shuffled within pools of a few such blocks:
a reader that caches one pool's row groups (`POOL_GROUPS`) reads each about once per epoch.
"""

import numpy as np

from memdec_core.windows.windows import Int64Array

_BLOCK_GROUPS = 2
_POOL_BLOCKS = 5
# A pool's own row groups, and the next one of each block, into which its last window may reach.
POOL_GROUPS = _POOL_BLOCKS * (_BLOCK_GROUPS + 1)


def epoch_order(
    row_W: Int64Array, group_starts_G1: Int64Array, seed: int, epoch: int
) -> Int64Array:
    """The windows in the order of an epoch, a pure function of the arguments.

    Args:
        row_W: First row of each window.
        group_starts_G1: First row of each row group, and the end.
        seed: Seed of the training.
        epoch: Counted from 0.

    Returns:
        A permutation of 0 .. W - 1, int64.
    """
    rng = np.random.default_rng([seed, epoch])
    group_W = np.searchsorted(group_starts_G1, row_W, side="right") - 1
    block_W = group_W // _BLOCK_GROUPS
    n_blocks = -(-(len(group_starts_G1) - 1) // _BLOCK_GROUPS)
    pool_W = rng.permutation(n_blocks)[block_W] // _POOL_BLOCKS
    shuffled = rng.permutation(len(row_W))
    return shuffled[np.argsort(pool_W[shuffled], kind="stable")]


def step_bounds(size_W: Int64Array, step_size: int) -> Int64Array:
    """Cuts windows, in their order, into steps of about equal size.

    The number of steps depends on the sum of sizes alone, so that it is the same in every epoch.

    Args:
        size_W: Predicted tokens of each window, in the order of the epoch.
        step_size: Predicted tokens wanted per step.

    Returns:
        bounds_S1, int64: step s takes the windows bounds[s] .. bounds[s + 1] - 1, at least one.
    """
    n_windows, total = len(size_W), int(size_W.sum())
    n_steps = n_steps_of(total, n_windows, step_size)
    steps = np.arange(n_steps + 1)
    middles_W = np.cumsum(size_W) - size_W / 2
    cuts = np.searchsorted(middles_W, steps * (total / n_steps))
    cuts[0], cuts[-1] = 0, n_windows
    cuts = np.maximum.accumulate(cuts - steps) + steps  # at least one window per step ...
    return np.minimum(cuts, n_windows - n_steps + steps).astype(np.int64)  # ... to the last


def n_steps_of(total: int, n_windows: int, step_size: int) -> int:
    """Steps of an epoch of `total` predicted tokens in `n_windows` windows."""
    return min(n_windows, -(-total // step_size))
