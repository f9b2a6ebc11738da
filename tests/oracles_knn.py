"""Slow and plain: neighbours by comparing everything in float64, p_kNN in a dictionary."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Allowed = Callable[[int, int], bool]


def all_distances(queries: NDArray, keys: NDArray) -> NDArray[np.float64]:
    """Squared distances of every pair, from float64 differences."""
    wide_queries, wide_keys = queries.astype(np.float64), keys.astype(np.float64)
    return np.array([((wide_keys - query) ** 2).sum(axis=1) for query in wide_queries])


def brute_neighbours(
    queries: NDArray, keys: NDArray, k: int, allowed: Allowed
) -> list[list[tuple[float, int]]]:
    """The k nearest allowed rows per query as (distance, row), nearest first, ties by row."""
    lists = []
    for query, distances in enumerate(all_distances(queries, keys)):
        pairs = [(d, row) for row, d in enumerate(distances) if allowed(query, row)]
        lists.append(sorted(pairs)[:k])
    return lists


def everything(_query: int, _row: int) -> bool:
    """Allows every row."""
    return True


def dictionary_distribution(
    neighbours: Sequence[tuple[float, int]], next_tokens: Sequence[int], tau: float
) -> dict[int, float]:
    """p_kNN of one query from (distance, row) pairs."""
    least = min(distance for distance, _ in neighbours)
    masses: dict[int, float] = {}
    for distance, row in neighbours:
        token = int(next_tokens[row])
        masses[token] = masses.get(token, 0.0) + math.exp(-(distance - least) / tau)
    total = math.fsum(masses.values())
    return {token: mass / total for token, mass in masses.items()}


def clustered_keys(n_rows: int, width: int, seed: int, clusters: int = 20) -> NDArray[np.float16]:
    """Keys in clumps, as a language model's are, with a few exact duplicates.

    The clumps are the same for every seed, so that other seeds give queries that fit.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((clusters, width)) * 4
    keys = centres[rng.integers(0, clusters, n_rows)] + rng.standard_normal((n_rows, width))
    keys[n_rows // 2 : n_rows // 2 + n_rows // 20] = keys[: n_rows // 20]
    return keys.astype(np.float16)


def array_blocks(keys: NDArray, block_rows: int = 16_384) -> Iterator[tuple[int, NDArray]]:
    """Passes over keys that are an array, as a datastore passes over its own."""
    for start in range(0, len(keys), block_rows):
        yield start, keys[start : start + block_rows]
