"""An index is the same whatever the threads, and what FAISS itself would make of the same rows."""

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from memdec_core.search.index_filling import add_rows, train_index
from memdec_core.search.neighbour_index import new_index

_RNG = np.random.default_rng(0)
KEYS = (_RNG.normal(size=(6000, 256)) @ _RNG.normal(size=(256, 256))).astype(np.float32)


def filled(factory: str, threads: int, block: int = 2500) -> faiss.Index:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        index = new_index(factory, KEYS.shape[1])
        train_index(index, KEYS[:4000], factory)
        for start in range(0, len(KEYS), block):
            add_rows(index, KEYS[start : start + block])
        assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    return index


def as_bytes(index: faiss.Index) -> NDArray[np.uint8]:
    stored: NDArray[np.uint8] = faiss.serialize_index(index)
    return stored


@pytest.mark.parametrize("factory", ["PCA200,IVF16,SQ8", "PCA200,Flat", "IVF16,SQfp16", "Flat"])
def test_one_and_several_threads_make_the_same_bytes(factory: str) -> None:
    one, two = filled(factory, 1), filled(factory, 2)
    assert one.ntotal == two.ntotal == len(KEYS)
    np.testing.assert_array_equal(as_bytes(one), as_bytes(two))


def test_transformed_rows_are_those_of_faiss() -> None:
    ours = filled("PCA200,Flat", 1, block=len(KEYS))
    theirs = faiss.clone_index(ours)
    theirs.reset()
    theirs.add(KEYS)
    np.testing.assert_allclose(
        ours.search(KEYS[:20], 5)[0], theirs.search(KEYS[:20], 5)[0], rtol=1e-3, atol=1.0
    )
    assert ours.search(KEYS[:20], 1)[1][:, 0].tolist() == list(range(20))
