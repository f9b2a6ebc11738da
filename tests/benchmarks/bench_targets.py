"""From keys to targets: exact sparse targets against the way of the paper's scripts.

The reference searches an IVFPQ index of 64-byte codes with 32 lists probed (the number of lists is
scaled down with the datastore), drops the first hit, and fills one row of the whole vocabulary per
position in a Python loop. It is given as many queries per call as we take, which is FAISS's best.
Ours probes as many lists as it takes to reach the recall that the index stage demands.
Its targets are further from exact p_kNN, which the figures here do not
show; the targets' manifest does.
"""

from functools import partial

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.search.excluded_rows import excluded_self
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.index_filling import train_index
from memdec_core.search.neighbour_index import new_index, raise_nprobe, recall
from memdec_core.search.neighbour_search import Datastore, search_neighbours
from memdec_core.search.one_thread import one_thread
from memdec_core.search.tile_search import Queries, exact_neighbours
from memdec_core.targets.knn_distribution import knn_targets
from memdec_core.targets.targets_config import TargetsConfig
from tests.benchmarks.interleaved import BenchRow, Work, compare
from tests.oracles.knn_oracle import array_blocks, clustered_keys

VOCABULARY = 50_257
QUERIES = 4096
SAMPLE = 256
TRAINED = 10_000
DENSE_ROWS = 256
K = 1024
TAU = 16.0


def run() -> list[BenchRow]:
    """Search and aggregation for a flat datastore, and for one behind inverted lists."""
    works = [("Flat", 20_000, 128), ("IVF1265,SQfp16", 100_000, 128)]
    return [
        compare(
            "targets",
            f"{QUERIES:,} positions, {rows:,} rows, d = {width}, k = {K}, {kind} vs IVFPQ64",
            "positions",
            ours=partial(ours, kind, rows, width),
            reference=partial(reference, rows, width),
            rounds=2,
        )
        for kind, rows, width in works
    ]


def ours(kind: str, n_rows: int, width: int) -> Work:
    """The search and the aggregation of the targets stage."""
    keys, tokens = datastore(n_rows, width)
    wide = keys.astype(np.float32)
    index = new_index(kind, width)
    train_index(index, wide[:TRAINED], kind)
    index.add(wide)
    store = Datastore(index, lambda: array_blocks(keys))
    sample = Queries(wide[:SAMPLE], excluded_self(np.arange(SAMPLE)))
    exact = exact_neighbours(array_blocks(keys), sample, K)
    raise_nprobe(index, IndexConfig(), lambda: recall(search_neighbours(store, sample, K), exact))
    config = TargetsConfig(k=K, tau=TAU)
    queries = Queries(wide[:QUERIES], excluded_self(np.arange(QUERIES)))

    def work() -> int:
        found = search_neighbours(store, queries, K)
        return len(knn_targets(found, tokens, tokens[:QUERIES], config).tail_mass_R)

    return work


def reference(n_rows: int, width: int) -> Work:
    """Quantised search, then a dense row per position."""
    keys, tokens = datastore(n_rows, width)
    wide = keys.astype(np.float32)
    index = faiss.index_factory(width, f"IVF{scaled_lists(n_rows)},PQ64np")
    with one_thread():
        index.train(wide[:TRAINED])
    index.add(wide)
    index.nprobe = 32

    def work() -> int:
        distances, ids = index.search(wide[:QUERIES], K + 1)
        for start in range(0, QUERIES, DENSE_ROWS):
            targets = np.zeros((DENSE_ROWS, VOCABULARY), np.float32)
            for row in range(DENSE_ROWS):
                near = distances[start + row, 1:]
                weights = np.exp(-(near - near[0]) / TAU)
                np.add.at(targets[row], tokens[ids[start + row, 1:]], weights / weights.sum())
        return QUERIES

    return work


def scaled_lists(n_rows: int) -> int:
    """Lists of the paper's index, 4096 for about 100 million rows, in proportion to √N."""
    return max(32, round(4096 * (n_rows / 1e8) ** 0.5))


def datastore(n_rows: int, width: int) -> tuple[NDArray[np.float16], NDArray[np.uint32]]:
    """Keys in clumps, and next tokens that follow Zipf's law."""
    keys = clustered_keys(n_rows, width, seed=0, clusters=400)
    ranks = np.random.default_rng(1).zipf(1.2, n_rows)
    return keys, np.minimum(ranks, VOCABULARY - 1).astype(np.uint32)
