"""Datastores of a wanted size, to see what a search costs as they grow.

Shapes: R rows of the real datastore, N rows wanted, D width.
"""

from collections.abc import Iterator

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.search.excluded_rows import excluded_self
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.index_filling import add_rows, train_index
from memdec_core.search.neighbour_index import (
    choose_factory,
    has_exact_distances,
    new_index,
    raise_nprobe,
    recall,
    sample_rows,
)
from memdec_core.search.neighbour_search import KEY_BLOCK, Datastore, search_neighbours
from memdec_core.search.tile_search import Queries, exact_neighbours

JITTER = 0.1
"""Deviation of a copied key from its original, as a share of the keys' own in each entry."""


def resize_keys(keys_RD: NDArray[np.float16], n_rows: int, seed: int) -> NDArray[np.float16]:
    """Cuts keys to a size, or fills them up with copies that lie a little beside the originals.

    Args:
        keys_RD: Real keys, at least one.
        n_rows: Rows wanted.
        seed: Of the copies' deviations.

    Returns:
        keys_ND; the first min(R, N) are the real ones.
    """
    keys_ND = np.resize(keys_RD, (n_rows, keys_RD.shape[1]))
    rng = np.random.default_rng(seed)
    spread_D = JITTER * keys_RD.astype(np.float32).std(axis=0)
    for start in range(len(keys_RD), n_rows, KEY_BLOCK):
        copies = keys_ND[start : start + KEY_BLOCK]
        copies += (spread_D * rng.standard_normal(copies.shape, np.float32)).astype(np.float16)
    return keys_ND


def build_datastore(keys_ND: NDArray[np.float16], config: IndexConfig) -> Datastore:
    """Indexes keys in memory as the pipeline indexes a datastore on disk.

    Args:
        keys_ND: Keys, at least two.
        config: Kind by size, training, and the recall to reach.

    Raises:
        UserError: The configured kind cannot be built, or its recall is below `min_recall`.
    """
    factory = choose_factory(len(keys_ND), config)
    index = new_index(factory, keys_ND.shape[1])
    if not index.is_trained:
        rows_S = sample_rows(len(keys_ND), config.train_rows, config.seed)
        train_index(index, keys_ND[rows_S].astype(np.float32), factory)
    for _, block in _blocks(keys_ND):
        add_rows(index, block.astype(np.float32))
    kept_ND = None if has_exact_distances(index) else keys_ND
    datastore = Datastore(index, lambda: _blocks(keys_ND), kept_ND)
    if not isinstance(index, faiss.IndexFlat):  # which compares every key
        _raise_nprobe(datastore, keys_ND, config)
    return datastore


def stored_bytes(datastore: Datastore) -> int:
    """Bytes of a datastore's index as a file, and of the true keys where they lie beside it."""
    total = 0 if datastore.keys_ND is None else datastore.keys_ND.nbytes

    def count(part: bytes) -> int:
        nonlocal total
        total += len(part)
        return len(part)

    # FAISS's stubs lack the class
    faiss.write_index(datastore.index, faiss.PyCallbackIOWriter(count))  # type: ignore[attr-defined]
    return total


def _blocks(keys_ND: NDArray[np.float16]) -> Iterator[tuple[int, NDArray[np.float16]]]:
    for start in range(0, len(keys_ND), KEY_BLOCK):
        yield start, keys_ND[start : start + KEY_BLOCK]


def _raise_nprobe(datastore: Datastore, keys_ND: NDArray[np.float16], config: IndexConfig) -> None:
    rows_Q = sample_rows(len(keys_ND), config.recall_sample, config.seed + 1)
    queries = Queries(keys_ND[rows_Q].astype(np.float32), excluded_self(rows_Q))
    k = min(config.recall_k, len(keys_ND) - 1)
    exact = exact_neighbours(_blocks(keys_ND), queries, k)
    raise_nprobe(
        datastore.index,
        config,
        lambda: recall(search_neighbours(datastore, queries, k), exact),
    )
