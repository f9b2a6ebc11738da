"""Confidence intervals by resampling whole documents.

Tokens of one document are not independent, so documents (in stream scope: windows) are the
clusters that are drawn with replacement. All intervals of a split use the same draws: the
interval of a ratio of two systems is paired. Shapes: N positions, C clusters, S resamples.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.windows.windows import END, FIRST, START

DRAWS_AT_ONCE = 2**22


class Interval(NamedTuple):
    """A value and its confidence interval; the bounds are NaN where one cluster is all there is."""

    value: float
    low: float
    high: float

    @property
    def known_bounds(self) -> tuple[float | None, float | None]:
        """The bounds, None where they are unknown."""
        low, high = (None if math.isnan(end) else end for end in (self.low, self.high))
        return low, high


@dataclass(frozen=True)
class Bootstrap:
    """How to resample the positions of a split.

    Attributes:
        starts_C: First position of each cluster, int64, increasing from 0.
        samples: Number of resamples.
        confidence: Share of resamples inside the interval, e.g. 0.95.
        seed: Of the draws.
    """

    starts_C: NDArray[np.int64]
    samples: int
    confidence: float
    seed: int


def cluster_starts(
    windows_W4: NDArray[np.int64], offsets_D1: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """First position of each cluster: documents, or windows where `offsets_D1` is None.

    A split of a single document falls back to its windows. Positions count from the first window
    given, in the order of the windows.
    """
    counts_W = windows_W4[:, END] - windows_W4[:, FIRST]
    starts_W: NDArray[np.int64] = np.cumsum(counts_W) - counts_W
    if offsets_D1 is None:
        return starts_W
    documents_W = np.searchsorted(offsets_D1, windows_W4[:, START], side="right")
    is_new_W = np.diff(documents_W, prepend=-1) != 0
    starts_D: NDArray[np.int64] = starts_W[is_new_W]
    return starts_D if len(starts_D) > 1 else starts_W


def perplexity_interval(log_probs_N: NDArray[np.float64], bootstrap: Bootstrap) -> Interval:
    """Perplexity of the scored positions, with its interval."""
    value, low, high = mean_interval(log_probs_N, bootstrap)
    return Interval(float(np.exp(-value)), float(np.exp(-high)), float(np.exp(-low)))


def perplexity_ratio_interval(
    system_N: NDArray[np.float64], base_N: NDArray[np.float64], bootstrap: Bootstrap
) -> Interval:
    """Perplexity of a system over that of the base on the same tokens: below 1 is better.

    Both have the same number of tokens in every resample, so the ratio of perplexities is the
    perplexity of the differences.
    """
    return perplexity_interval(system_N - base_N, bootstrap)


def mean_interval(values_N: NDArray[np.float64], bootstrap: Bootstrap) -> Interval:
    """Mean per position and its percentile interval."""
    value = float(np.mean(values_N, dtype=np.float64))
    means_S = resampled_means(values_N, bootstrap)
    return percentile_interval(value, means_S, bootstrap.confidence, len(bootstrap.starts_C))


def percentile_interval(
    value: float, resampled_S: NDArray[np.float64], confidence: float, n_clusters: int
) -> Interval:
    """A value with the interval that holds this share of its resamples of so many clusters."""
    if n_clusters < 2:
        return Interval(value, math.nan, math.nan)
    outside = (1 - confidence) / 2
    low, high = np.quantile(resampled_S, [outside, 1 - outside])
    return Interval(value, float(low), float(high))


def resampled_means(values_N: NDArray[np.float64], bootstrap: Bootstrap) -> NDArray[np.float64]:
    """Mean per position of every resample, float64 (S,); a pure function of the arguments."""
    starts_C = bootstrap.starts_C
    sums_C = np.add.reduceat(values_N.astype(np.float64, copy=False), starts_C)
    counts_C = np.diff(starts_C, append=len(values_N))
    return np.concatenate(
        [
            sums_C[draws_SC].sum(axis=1) / counts_C[draws_SC].sum(axis=1)
            for draws_SC in cluster_draws(bootstrap)
        ]
    )


def cluster_draws(bootstrap: Bootstrap) -> Iterator[NDArray[np.int64]]:
    """The clusters of every resample, as many as there are: int64 (S, C), some at a time."""
    n_clusters = len(bootstrap.starts_C)
    rng = np.random.default_rng(bootstrap.seed)
    rows = max(1, DRAWS_AT_ONCE // n_clusters)
    for done in range(0, bootstrap.samples, rows):
        size = (min(rows, bootstrap.samples - done), n_clusters)
        yield rng.integers(n_clusters, size=size)
