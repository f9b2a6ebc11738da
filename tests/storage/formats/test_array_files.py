"""Checkpoints and routers come back as they were saved; a half-saved one is never seen."""

from pathlib import Path

import numpy as np
import pytest

from storage.formats.array_files import CheckpointFiles, read_router, write_router
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.scratch import Scratch
from tests.support.artifacts import publish

REF = ArtifactRef(stage="memory", fingerprint="0" * 32)


@pytest.fixture
def scratch(store: Store) -> Scratch:
    return store.scratch(REF)


def test_arrays_and_facts_come_back_to_the_bit(scratch: Scratch) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "model/a.weight": rng.normal(size=(3, 5)).astype(np.float32),
        "transposed": rng.normal(size=(4, 6)).T,
        "step/a.weight": np.array(7.0, np.float32),
        "ids": np.arange(5),
    }
    facts = {"loss": 0.1 + 0.2, "best": None, "curve": [{"step": 1, "split": "train"}]}
    checkpoints = CheckpointFiles(scratch)
    assert checkpoints.latest() is None
    checkpoints.save(3, arrays, facts)  # type: ignore[arg-type]
    found = CheckpointFiles(scratch).latest()
    assert found is not None
    assert found[1] == facts
    assert found[0].keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[0][name].dtype == array.dtype
        assert np.array_equal(found[0][name], array)


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(scratch: Scratch) -> None:
    checkpoints = CheckpointFiles(scratch)
    for step in (9, 10, 1000):
        checkpoints.save(step, {"x": np.array([step])}, {"step": step})
    found = checkpoints.latest()
    assert found is not None
    assert found[1] == {"step": 1000}


def test_a_damaged_checkpoint_falls_back_to_the_one_before(scratch: Scratch) -> None:
    checkpoints = CheckpointFiles(scratch)
    for step in (1, 2, 3):
        checkpoints.save(step, {"x": np.arange(100) * step}, {"step": step})
    newest = scratch.latest()
    assert newest is not None
    path = newest[1] / "arrays.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    found = checkpoints.latest()
    assert found is not None
    assert found[1] == {"step": 2}


def test_a_save_that_dies_leaves_the_last_checkpoint(scratch: Scratch, tmp_path: Path) -> None:
    checkpoints = CheckpointFiles(scratch)
    checkpoints.save(1, {"x": np.arange(3)}, {"step": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoints.save(2, {"x": np.arange(3)}, {"step": float("nan")})
    found = checkpoints.latest()
    assert found is not None
    assert found[1] == {"step": 1}


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
