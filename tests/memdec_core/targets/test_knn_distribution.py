import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.errors import UserError
from memdec_core.search.neighbours import Neighbours, nearest
from memdec_core.targets.knn_distribution import knn_targets, token_masses
from memdec_core.targets.targets_config import TargetsConfig, check_k
from tests.oracles.knn_oracle import dictionary_distribution

WHOLE = TargetsConfig(mass=1.0, max_entries=10_000)
LABELS = np.zeros(0, np.int64)  # targets do not depend on what did follow


@st.composite
def neighbour_lists(draw: st.DrawFn) -> tuple[Neighbours, np.ndarray]:
    """Sorted lists with far distances, ties, filling, and values from a small vocabulary."""
    seed = draw(st.integers(0, 2**32 - 1))
    queries, k, rows = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(40, 90))
    scale = draw(st.sampled_from([0.0, 1e-3, 1.0, 50.0, 1e4, 1e7]))
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.permutation(rows)[:k] for _ in range(queries)]).astype(np.int64)
    distances = (rng.random((queries, k)) * scale).astype(np.float32)
    short = rng.random((queries, k)) < draw(st.sampled_from([0.0, 0.3]))
    short[:, 0] = False
    ids[short], distances[short] = -1, np.inf
    values = rng.integers(0, draw(st.sampled_from([1, 5, 60_000])), rows).astype(np.uint32)
    return nearest(ids, distances, k), values


def _pairs(neighbours: Neighbours, query: int) -> list[tuple[float, int]]:
    ids, distances = neighbours.ids_QK[query].tolist(), neighbours.distances_QK[query].tolist()
    return [(d, i) for d, i in zip(distances, ids, strict=True) if i >= 0]


@settings(max_examples=60, deadline=None)
@given(neighbour_lists(), st.sampled_from([0.5, 16.0]))
def test_masses_equal_the_dictionary_in_float64(
    lists: tuple[Neighbours, np.ndarray], tau: float
) -> None:
    neighbours, values = lists
    offsets, tokens, masses = token_masses(neighbours, values, tau)
    for query in range(len(neighbours.ids_QK)):
        here = slice(*offsets[query : query + 2])
        got = dict(zip(tokens[here].tolist(), masses[here].tolist(), strict=True))
        expected = dictionary_distribution(_pairs(neighbours, query), values, tau)
        assert got.keys() <= expected.keys()
        for token, mass in expected.items():
            assert got.get(token, 0.0) == pytest.approx(mass, rel=1e-12, abs=1e-300)


@settings(max_examples=100, deadline=None)
@given(
    neighbour_lists(),
    st.sampled_from([0.3, 0.9, 0.999, 1.0]),
    st.sampled_from([1, 3, 256]),
    st.sampled_from([0.01, 1.0, 16.0]),
)
def test_stored_probabilities_and_tail_sum_to_exactly_one(
    lists: tuple[Neighbours, np.ndarray], mass: float, most: int, tau: float
) -> None:
    neighbours, values = lists
    config = TargetsConfig(mass=mass, max_entries=most, tau=tau)
    rows = knn_targets(neighbours, values, LABELS, config)
    assert rows.probs_E.dtype == np.float16
    assert rows.tail_mass_R.dtype == np.float32
    for query in range(len(neighbours.ids_QK)):
        here = slice(*rows.offsets_R1[query : query + 2])
        probs, tokens = rows.probs_E[here].astype(np.float64), rows.token_ids_E[here]
        tail = float(rows.tail_mass_R[query])
        assert probs.sum() + tail == 1
        assert tail >= 0
        assert (probs > 0).all()
        assert 1 <= len(probs) <= most
        order = sorted(zip((-probs).tolist(), tokens.tolist(), strict=True))
        assert order == list(zip((-probs).tolist(), tokens.tolist(), strict=True))
        assert probs[:-1].sum() < mass
        exact = dictionary_distribution(_pairs(neighbours, query), values, tau)
        expected = [exact[token] for token in tokens.tolist()]
        np.testing.assert_allclose(probs, expected, rtol=2**-4 + 2**-6, atol=2**-24)
        left_out = [p for token, p in exact.items() if token not in set(tokens.tolist())]
        assert max(left_out, default=0) <= probs[-1] * (1 + 2**-3) + 2**-24


def test_equal_probabilities_are_sorted_by_token() -> None:
    neighbours = Neighbours(np.array([[2, 0, 1]]), np.full((1, 3), 7, np.float32))
    rows = knn_targets(neighbours, np.array([9, 30_000, 4], np.uint32), LABELS, WHOLE)
    assert rows.token_ids_E.tolist() == [4, 9, 30_000]


def test_distances_far_beyond_the_temperature_do_not_underflow() -> None:
    distances = np.array([[1e9, 1e9 + 64]], np.float32)
    neighbours = Neighbours(np.array([[0, 1]]), distances)
    rows = knn_targets(neighbours, np.array([3, 5], np.uint32), LABELS, WHOLE)
    np.testing.assert_allclose(
        rows.probs_E, [1 / (1 + np.exp(-4)), 1 / (1 + np.exp(4))], rtol=2**-6
    )


def test_an_id_of_minus_one_never_counts_as_the_last_value() -> None:
    neighbours = Neighbours(np.array([[0, -1]]), np.array([[5.0, np.inf]], np.float32))
    rows = knn_targets(neighbours, np.array([1, 2, 77], np.uint32), LABELS, WHOLE)
    assert rows.token_ids_E.tolist() == [1]
    assert rows.tail_mass_R.tolist() == [0]


def test_a_position_without_any_neighbour_is_refused() -> None:
    neighbours = Neighbours(np.array([[-1]]), np.array([[np.inf]], np.float32))
    with pytest.raises(UserError, match=r"config\.targets\.exclude"):
        knn_targets(neighbours, np.array([1], np.uint32), LABELS, WHOLE)


def test_k_beyond_the_datastore_names_k_the_size_and_the_remedy() -> None:
    check_k(9, 10)
    with pytest.raises(UserError, match=r"config\.targets\.k: 10 .* 10 rows; set it to 9 or less"):
        check_k(10, 10)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([3, 250, 1000]), st.sampled_from([0.0, 1.0, 30.0])
)
def test_rounding_is_within_a_hundredth_and_adds_up(seed: int, k: int, spread: float) -> None:
    """Of many entries, alike or not: total variation from the exact probabilities."""
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.random((1, k)) * spread, axis=1).astype(np.float32)
    neighbours = Neighbours(np.arange(k)[None], distances)
    values = rng.permutation(60_000)[:k].astype(np.uint32)
    rows = knn_targets(neighbours, values, LABELS, TargetsConfig(mass=1.0, max_entries=k, tau=16.0))
    exact = dictionary_distribution(_pairs(neighbours, 0), values, 16.0)
    probs = rows.probs_E.astype(np.float64)
    assert probs.sum() + float(rows.tail_mass_R[0]) == 1
    wrong = sum(abs(p - exact[t]) for p, t in zip(probs, rows.token_ids_E.tolist(), strict=True))
    assert wrong / 2 <= 2**-8 + 2**-10


def test_tokens_that_are_almost_as_likely_are_stored_as_equal_and_sorted() -> None:
    distances = np.array([[0.0, 0.001, 0.002, 30.0]], np.float32)
    neighbours = Neighbours(np.array([[0, 1, 2, 3]]), distances)
    rows = knn_targets(neighbours, np.array([9, 7, 8, 1], np.uint32), LABELS, WHOLE)
    assert rows.token_ids_E.tolist() == [7, 8, 9, 1]
    assert len(set(rows.probs_E[:3].tolist())) == 1
