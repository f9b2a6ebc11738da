import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.search.neighbours import (
    count_found,
    mask_candidates,
    nearest,
    true_distances,
    without_rows,
)
from tests.oracles.knn_oracle import all_distances


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([0.0, 0.5, 1.0, 3e-8, 7e20]), st.integers(0, 2**32 - 2)),
            min_size=5,
            max_size=5,
            unique_by=lambda pair: pair[1],
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 7),
)
def test_nearest_sorts_by_distance_then_row_and_fills_with_minus_one(
    rows: list[list[tuple[float, int]]], k: int
) -> None:
    distances = np.array([[d for d, _ in row] for row in rows], np.float32)
    ids = np.array([[i for _, i in row] for row in rows], np.int64)
    found = nearest(ids, distances, k)
    for query in range(len(rows)):
        expected = sorted(zip(distances[query].tolist(), ids[query].tolist(), strict=True))[:k]
        filling = [(np.inf, -1)] * (k - len(expected))
        got = list(
            zip(found.distances_QK[query].tolist(), found.ids_QK[query].tolist(), strict=True)
        )
        assert got == expected + filling


def test_masking_strikes_out_the_excluded_run_and_faiss_minus_one() -> None:
    ids = np.array([[4, 5, 6, 7, -1], [0, 1, 2, 3, 9]], np.int64)
    distances = np.ones((2, 5), np.float32)
    mask_candidates(ids, distances, np.array([[5, 7], [0, 0]]))
    assert ids.tolist() == [[4, -1, -1, 7, -1], [0, 1, 2, 3, 9]]
    assert np.isinf(distances[0]).tolist() == [False, True, True, False, True]
    assert count_found(nearest(ids, distances, 5)).tolist() == [2, 5]


def test_true_distances_match_float64_differences_even_for_large_norms() -> None:
    rng = np.random.default_rng(1)
    keys = (rng.standard_normal((50, 33)) + 300).astype(np.float16)
    keys[3] = 6e-8  # subnormal
    queries = keys[:7].astype(np.float32)
    ids = rng.integers(0, 50, (7, 11))
    ids[2, 4] = -1
    got = true_distances(queries, keys, ids)
    expected = np.take_along_axis(all_distances(queries, keys), ids, axis=1)
    expected[2, 4] = np.inf
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@given(st.sets(st.integers(0, 9)), st.integers(1, 6))
def test_struck_rows_leave_the_others_in_order_and_filling_behind(struck: set[int], k: int) -> None:
    ids = np.array([[3, 1, 4, 0, 5, 9], [2, 6, 8, 7, -1, -1]], np.int64)[:, :k]
    distances = np.array([[1, 1, 2, 3, 5, 8], [0, 2, 4, 4, np.inf, np.inf]], np.float32)[:, :k]
    lists = nearest(ids.copy(), distances.copy(), k)
    found = without_rows(lists, np.isin(np.arange(10), [*struck]))
    for query in range(2):
        pairs = list(
            zip(lists.ids_QK[query].tolist(), lists.distances_QK[query].tolist(), strict=True)
        )
        kept = [(row, d) for row, d in pairs if row >= 0 and row not in struck]
        expected = kept + [(-1, np.inf)] * (k - len(kept))
        got = zip(found.ids_QK[query].tolist(), found.distances_QK[query].tolist(), strict=True)
        assert list(got) == expected
