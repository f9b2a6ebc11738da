"""Labels get what a dictionary of neighbours gives them; λ and τ are those of a double loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.scoring.knn_scores import KnnChoice, label_log_probs, search_weight_and_tau
from memdec_core.search.neighbours import Neighbours, nearest
from tests.oracles.knn_oracle import dictionary_distribution

TAUS = [16.0, 0.5, 100.0]
WEIGHTS = [0.5, 0.0, 0.25, 1.0, 0.75]
RNG = np.random.default_rng(8)
BASE = np.log(RNG.uniform(0.001, 1, size=400))
KNN = np.log(RNG.uniform(0.001, 1, size=(3, 400)))
KNN[:, ::7] = -np.inf


@st.composite
def labelled_lists(draw: st.DrawFn) -> tuple[Neighbours, np.ndarray, np.ndarray]:
    """Neighbour lists with ties and filling, some all filling; values and labels of few tokens."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    queries, k, tokens = draw(st.integers(1, 6)), draw(st.integers(1, 20)), draw(st.integers(1, 9))
    ids = np.stack([rng.permutation(30)[:k] for _ in range(queries)]).astype(np.int64)
    scale = draw(st.sampled_from([0.0, 1.0, 50.0, 1e3]))
    distances = (rng.integers(0, 8, (queries, k)) * scale + scale).astype(np.float32)
    filled = rng.random((queries, k)) < draw(st.sampled_from([0.0, 0.3, 0.9]))
    ids[filled], distances[filled] = -1, np.inf
    values = rng.integers(0, tokens, 30).astype(np.uint32)
    return nearest(ids, distances, k), values, rng.integers(0, tokens, queries)


def probabilities(neighbours: Neighbours, values: np.ndarray, tau: float) -> list[dict]:
    lists = zip(neighbours.distances_QK.tolist(), neighbours.ids_QK.tolist(), strict=True)
    found = [[(d, i) for d, i in zip(*pair, strict=True) if i >= 0] for pair in lists]
    return [dictionary_distribution(pairs, values, tau) if pairs else {} for pairs in found]


@settings(max_examples=100, deadline=None)
@given(labelled_lists())
def test_scores_are_the_logarithms_of_a_dictionary_in_float64(
    lists: tuple[Neighbours, np.ndarray, np.ndarray],
) -> None:
    neighbours, values, labels = lists
    scores = label_log_probs(neighbours, values, labels, TAUS)
    assert scores.dtype == np.float64
    assert scores.shape == (len(TAUS), len(labels))
    for tau, scores_Q in zip(TAUS, scores, strict=True):
        expected = probabilities(neighbours, values, tau)
        for masses, label, score in zip(expected, labels.tolist(), scores_Q.tolist(), strict=True):
            assert (score == -math.inf) == (label not in masses)
            if masses.get(label, 0.0) > 1e-300:
                assert score == pytest.approx(math.log(masses[label]), rel=1e-12, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(labelled_lists(), st.sampled_from(TAUS))
def test_the_probabilities_of_all_tokens_sum_to_one(
    lists: tuple[Neighbours, np.ndarray, np.ndarray], tau: float
) -> None:
    neighbours, values, _ = lists
    queries = len(neighbours.ids_QK)
    total_Q = np.zeros(queries)
    for token in range(9):
        total_Q += np.exp(label_log_probs(neighbours, values, np.full(queries, token), [tau])[0])
    np.testing.assert_allclose(total_Q, neighbours.ids_QK[:, 0] >= 0, rtol=1e-12)


def test_a_label_far_beyond_the_temperature_keeps_a_finite_score() -> None:
    distances = np.array([[1e6, 2e6, 3e6]], np.float32)
    neighbours = Neighbours(np.array([[2, 0, 1]]), distances)
    scores = label_log_probs(neighbours, np.array([4, 4, 9]), np.array([4]), [1.0, 1e6])
    expected = [-1e6, math.log((math.exp(-1) + math.exp(-2)) / (1 + math.exp(-1) + math.exp(-2)))]
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-12)


def test_an_id_of_minus_one_is_not_the_last_value() -> None:
    neighbours = Neighbours(
        np.array([[0, -1], [-1, -1]]), np.array([[5, np.inf], [np.inf] * 2], "f4")
    )
    scores = label_log_probs(neighbours, np.array([1, 2, 77]), np.array([77, 77]), [1.0])
    assert scores.tolist() == [[-np.inf, -np.inf]]


def slow_perplexity(knn_N: np.ndarray, weight: float) -> float:
    with np.errstate(divide="ignore"):
        log_probs_N = np.log(weight * np.exp(knn_N) + (1 - weight) * np.exp(BASE))
    return float(np.exp(-log_probs_N.mean()))


def choose(*, refine: bool) -> KnnChoice:
    return search_weight_and_tau(BASE, KNN, TAUS, WEIGHTS, refine=refine)


def test_the_best_pair_is_that_of_a_double_loop_although_neighbours_lack_a_token() -> None:
    choice = choose(refine=False)
    expected = [[slow_perplexity(knn_N, weight) for weight in sorted(WEIGHTS)] for knn_N in KNN]
    assert np.isinf(np.array(expected)[:, -1]).all()
    best_g, best_w = np.unravel_index(np.argmin(expected), (3, 5))
    assert (choice.tau, choice.weight) == (TAUS[best_g], sorted(WEIGHTS)[best_w])
    assert choice.perplexity == pytest.approx(np.min(expected), rel=1e-7)


def test_refinement_finds_the_best_pair_between_grid_points_for_every_tau() -> None:
    choice = choose(refine=True)
    fine = np.linspace(0, 1, 1001)
    expected = np.array([[slow_perplexity(knn_N, weight) for weight in fine] for knn_N in KNN])
    best_g, best_w = np.unravel_index(np.argmin(expected), expected.shape)
    assert choice.tau == TAUS[best_g]
    assert choice.weight == pytest.approx(fine[best_w], abs=0.0021)
    assert choice.perplexity < choose(refine=False).perplexity


def test_neighbours_that_only_lack_one_token_get_nearly_all_the_weight_but_not_all() -> None:
    knn_N = np.full(400, -1e-3)
    knn_N[0] = -np.inf
    choice = search_weight_and_tau(BASE, knn_N[None], [1.0], WEIGHTS, refine=True)
    assert 0.75 < choice.weight < 1
    assert math.isfinite(choice.perplexity)


def test_of_equal_perplexities_the_smallest_tau_and_weight_win() -> None:
    choice = search_weight_and_tau(BASE, np.stack([BASE] * 3), TAUS, [1.0, 0.0], refine=False)
    assert (choice.tau, choice.weight) == (0.5, 0.0)
