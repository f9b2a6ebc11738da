import numpy as np
import pytest

from memdec_core.search import tile_search
from memdec_core.search.excluded_rows import excluded_self
from memdec_core.search.neighbours import Neighbours
from memdec_core.search.tile_search import (
    Queries,
    exact_neighbours,
    exact_neighbours_in_memory,
)
from tests.oracles.knn_oracle import brute_neighbours, clustered_keys

N, D, K = 2600, 24, 30


@pytest.fixture(params=["int8", "float32"], autouse=True)
def code_type(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_search, "fastest_codes", lambda: request.param)


def assert_equal_to_oracle(found: Neighbours, keys: np.ndarray, rows: np.ndarray, k: int) -> None:
    expected = brute_neighbours(keys[rows], keys, k, lambda q, row: row != rows[q])
    distances = np.array([[distance for distance, _ in row] for row in expected])
    np.testing.assert_allclose(found.distances_QK[rows], distances, rtol=1e-5, atol=1e-5)
    assert not (found.ids_QK[rows] == rows[:, None]).any()
    for row in found.ids_QK[rows]:
        assert len(set(row.tolist())) == k


def grid(n_rows: int, width: int) -> np.ndarray:
    """Keys that rounding treats all alike: each a multiple of one vector."""
    return np.repeat(np.arange(n_rows)[:, None] % 97 / 7, width, axis=1).astype(np.float16)


def lonely(n_rows: int, width: int) -> np.ndarray:
    """Keys of which one is far longer than all others."""
    keys = clustered_keys(n_rows, width, seed=2)
    keys[5] *= 300
    return keys


@pytest.mark.parametrize("make", [clustered_keys, grid, lonely])
def test_a_pass_over_the_keys_finds_what_brute_force_finds(make: object) -> None:
    assert callable(make)
    keys = make(N, D, 1) if make is clustered_keys else make(N, D)
    wide = keys.astype(np.float32)
    queries = Queries(wide, excluded_self(np.arange(N)))
    blocks = [(0, keys[:700]), (700, keys[700:701]), (701, keys[701:])]
    rows = np.array([*range(0, N, 119), 5])
    assert_equal_to_oracle(exact_neighbours(blocks, queries, K), keys, rows, K)
    assert_equal_to_oracle(exact_neighbours_in_memory(wide, queries, K), keys, rows, K)


def test_a_sample_that_shows_too_little_is_not_relied_on() -> None:
    keys = clustered_keys(N, D, 1)
    wide = keys.astype(np.float32)
    everything_else = np.tile([[100, N]], (N, 1))
    found = exact_neighbours_in_memory(wide, Queries(wide, everything_else), K)
    expected = brute_neighbours(keys[:9], keys, K, lambda _q, row: row < 100)
    distances = np.array([[distance for distance, _ in row] for row in expected])
    np.testing.assert_allclose(found.distances_QK[:9], distances, rtol=1e-5, atol=1e-5)


def test_a_datastore_smaller_than_k_gives_short_lists() -> None:
    keys = clustered_keys(20, D, 1)
    wide = keys.astype(np.float32)
    queries = Queries(wide, excluded_self(np.arange(20)))
    for found in (
        exact_neighbours([(0, keys)], queries, K),
        exact_neighbours_in_memory(wide, queries, K),
    ):
        assert ((found.ids_QK >= 0).sum(axis=1) == 19).all()
        assert np.isinf(found.distances_QK[:, 19:]).all()
