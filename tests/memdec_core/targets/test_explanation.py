"""Explanations against sums over all keys of a tiny datastore, in float64."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memdec_core.search.neighbours import Neighbours
from memdec_core.targets.explanation import (
    Distributions,
    WeighedNeighbours,
    carriers_of,
    knn_probabilities,
    probable_tokens,
    token_shares,
    weigh_neighbours,
)
from tests.oracles.knn_oracle import (
    brute_neighbours,
    clustered_keys,
    dictionary_distribution,
    everything,
)

VOCABULARY = 30
KEYS = clustered_keys(300, 8, seed=1)
QUERY = clustered_keys(1, 8, seed=2)
VALUES = np.random.default_rng(3).integers(0, VOCABULARY, len(KEYS)).astype(np.uint32)


def weighed(k: int, tau: float, filling: int = 0) -> WeighedNeighbours:
    (pairs,) = brute_neighbours(QUERY, KEYS, k, everything)
    ids = [row for _, row in pairs] + [-1] * filling
    distances = [distance for distance, _ in pairs] + [math.inf] * filling
    found = Neighbours(np.array([ids]), np.array([distances], np.float32))
    return weigh_neighbours(found, VALUES, tau)


@given(k=st.integers(1, len(KEYS)), tau=st.floats(0.5, 1000), filling=st.integers(0, 3))
def test_p_knn_is_a_sum_over_the_keys_that_count(k: int, tau: float, filling: int) -> None:
    p_knn_V = knn_probabilities(weighed(k, tau, filling), VOCABULARY)
    (pairs,) = brute_neighbours(QUERY, KEYS, k, everything)
    masses = dictionary_distribution(pairs, VALUES.tolist(), tau)
    expected_V = [masses.get(token, 0.0) for token in range(VOCABULARY)]
    np.testing.assert_allclose(p_knn_V, expected_V, rtol=1e-3, atol=1e-12)
    assert p_knn_V.sum() == pytest.approx(1)


def test_neighbours_that_carry_a_token_past_the_vocabulary_add_to_none() -> None:
    whole_V = knn_probabilities(weighed(len(KEYS), tau=20.0), VOCABULARY)
    shorter_V = knn_probabilities(weighed(len(KEYS), tau=20.0), VOCABULARY - 7)
    np.testing.assert_array_equal(shorter_V, whole_V[:-7])
    assert shorter_V.sum() < 1


def test_the_carriers_of_a_token_are_its_neighbours_and_sum_to_its_p_knn() -> None:
    near = weighed(len(KEYS), tau=20.0)
    distances = ((KEYS.astype(np.float64) - QUERY.astype(np.float64)) ** 2).sum(axis=1)
    weights = np.exp(-distances / 20.0) / np.exp(-distances / 20.0).sum()
    for token in range(VOCABULARY):
        rows = sorted(np.flatnonzero(token == VALUES), key=lambda row: (distances[row], row))
        carriers = carriers_of(near, token)
        assert [carrier.row for carrier in carriers] == rows
        assert [c.distance for c in carriers] == pytest.approx(distances[rows], rel=1e-6)
        assert [c.weight for c in carriers] == pytest.approx(weights[rows], rel=1e-4)
        share = knn_probabilities(near, VOCABULARY)[token]
        assert math.fsum(c.weight for c in carriers) == pytest.approx(share)


def test_what_fills_a_short_list_is_no_neighbour() -> None:
    short = weighed(4, tau=20.0, filling=3)
    assert len(short.rows_K) == len(short.weights_K) == 4
    carriers = [c for token in range(VOCABULARY) for c in carriers_of(short, token)]
    assert sorted(c.row for c in carriers) == sorted(short.rows_K)
    assert min(short.rows_K) >= 0


def test_weights_of_keys_that_are_far_away_do_not_underflow() -> None:
    found = Neighbours(np.array([[4, 9]]), np.array([[1e6, 1e6 + 1]], np.float32))
    weights_K = weigh_neighbours(found, np.arange(10), tau=1.0).weights_K
    assert weights_K == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.e)])


def distribution(**masses: float) -> NDArray[np.float64]:
    p_V = np.zeros(VOCABULARY)
    for name, mass in masses.items():
        p_V[int(name[1:])] = mass
    return p_V


SAID = Distributions(
    p_knn_V=distribution(t7=0.8, t1=0.2),
    p_mem_V=distribution(t2=0.6, t3=0.4),
    p_base_V=distribution(t4=0.9, t1=0.1),
    p_joint_V=distribution(t2=0.4, t3=0.3, t4=0.25, t1=0.05),
)


def test_listed_are_the_first_of_the_mixture_and_what_each_system_would_choose() -> None:
    listed = probable_tokens(SAID, 2, explained=2)
    assert [shares.token for shares in listed] == [2, 3, 4, 7]
    assert listed[0] == token_shares(SAID, 2)
    assert listed[0][1:] == (0.0, 0.6, 0.0, 0.4)
    assert listed[3][1:] == (0.8, 0.0, 0.0, 0.0)


def test_the_explained_token_is_listed_however_improbable() -> None:
    assert [shares.token for shares in probable_tokens(SAID, 4, 29)] == [2, 3, 4, 1, 7, 29]
