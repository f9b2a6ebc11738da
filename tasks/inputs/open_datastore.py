"""The datastore as search sees it: the index, and the true keys behind it."""

from pydantic import BaseModel

from memdec_core.search.neighbour_search import KEY_BLOCK, Datastore
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.index_files import open_index, open_keys
from storage.store.shard_files import ShardReader

INDEX_FILE = "index.faiss"
KEYS_FILE = "keys.npy"
MEMORY_SHARE = 1 / 3
"""Of a worker's memory: for the forward pass, and for the search."""


class KnnLmConfig(BaseModel):
    """kNN-LM: neighbours per position, and the temperatures to score with."""

    k: int
    taus: tuple[float, ...] = ()


def open_datastore(index: ShardReader, embeddings: EmbeddingReader) -> Datastore:
    """Opens a datastore for `memdec_core.search.neighbour_search.search_neighbours`.

    Args:
        index: The index artifact's one shard.
        embeddings: The rows the index was built over, split train.
    """
    has_keys = KEYS_FILE in index.names()
    return Datastore(
        open_index(index.local_path(INDEX_FILE)),
        lambda: embeddings.iter_keys(KEY_BLOCK),
        open_keys(index.local_path(KEYS_FILE)) if has_keys else None,
    )
