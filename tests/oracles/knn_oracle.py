"""Slow and plain: neighbours by comparing everything in float64, p_kNN in a dictionary."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from tests.oracles.embeddings_oracle import full_forward_keys

Allowed = Callable[[int, int], bool]


class KnnKnobs(NamedTuple):
    """The numbers of a kNN-LM."""

    vocab_size: int
    k: int
    tau: float
    weight: float


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


def knn_lm_distributions(
    model: PreTrainedModel, tokens: list[int], keys: NDArray, values: NDArray, knobs: KnnKnobs
) -> NDArray[np.float64]:
    """kNN-LM's probabilities (T, V) by one whole forward pass and sums over plain lists."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens])).logits[0, :, : knobs.vocab_size].double()
    mixture = (1 - knobs.weight) * torch.softmax(logits, dim=-1).numpy()
    queries = full_forward_keys(model, tokens).astype(np.float16)
    for row, pairs in enumerate(brute_neighbours(queries, keys, knobs.k, everything)):
        for token, mass in dictionary_distribution(pairs, values.tolist(), knobs.tau).items():
            mixture[row, token] += knobs.weight * mass
    return mixture
