"""Routers come back as they were written."""

import numpy as np

from storage.formats.router_files import read_router, write_router
from storage.store.artifact_store import Store
from tests.support.artifacts import publish


def test_routers_keep_empty_scalar_and_strided_weights(store: Store) -> None:
    arrays = {
        "empty": np.zeros((9, 0)),
        "scalar": np.array(0.25),
        "strided": np.arange(12.0).reshape(3, 4).T,
    }
    facts = {"features": ["a", "b"], "penalty": 1e-3}
    shards = {"all": (lambda folder: write_router(folder, arrays, {**facts}), {})}
    reader = store.readers(publish(store, "alpha_router", shards))["all"]
    found, found_facts = read_router(reader)
    assert found_facts == facts
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape
        assert found[name].dtype == np.float64
