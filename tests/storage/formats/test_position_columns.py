"""Features and routed scores come back as they were written."""

from pathlib import Path

import numpy as np

from memdec_core.router.router_features import FEATURES
from storage.formats.position_columns import (
    read_features,
    read_routed,
    write_features,
    write_routed,
)
from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader
from tests.support.artifacts import Fill, as_shard, publish


def stored(store: Store, fill: Fill) -> ShardReader:
    return store.readers(publish(store, "alpha_router", {"all": (fill, {})}))["all"]


def test_features_are_read_in_the_order_asked_for(store: Store) -> None:
    features_NF = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    reader = stored(store, lambda folder: write_features(as_shard(folder), features_NF))
    np.testing.assert_array_equal(read_features(reader, FEATURES), features_NF)
    asked = (FEATURES[2], FEATURES[0])
    np.testing.assert_array_equal(read_features(reader, asked), features_NF[:, [2, 0]])


def test_routed_scores_keep_their_split_and_their_weights(store: Store) -> None:
    scores = {
        split: np.random.default_rng(n).uniform(-9, 0, (2, 5)) for n, split in enumerate("ab")
    }

    def fill(folder: Path) -> None:
        for split, (log_probs_N, alphas_N) in scores.items():
            write_routed(as_shard(folder), split, log_probs_N, alphas_N)

    reader = stored(store, fill)
    for split, written in scores.items():
        found = np.stack(read_routed(reader, split))
        np.testing.assert_array_equal(found, written.astype(np.float32))
        assert found.dtype == np.float64
