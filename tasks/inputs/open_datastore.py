"""Opens what was fitted: the datastore as search sees it, and a router."""

from pydantic import BaseModel

from memdec_core.errors import UserError
from memdec_core.router.alpha_router import AlphaRouter
from memdec_core.router.router_features import FEATURES
from memdec_core.search.neighbour_search import KEY_BLOCK, Datastore
from storage.formats.array_files import read_router
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.index_files import open_index, open_keys
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
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


def open_router(store: Store, ref: ArtifactRef) -> AlphaRouter:
    """A router, on the CPU.

    Args:
        store: Where it is.
        ref: An artifact of the stage `alpha_router`.

    Raises:
        UserError: It was fitted on other features than this version computes.
    """
    arrays, facts = read_router(store.only(ref))
    if facts["features"] != [*FEATURES]:
        raise UserError(
            f"{ref} was fitted on the features {facts['features']}, but this version computes "
            f"{[*FEATURES]}; fit it again with `memdec compare`"
        )
    return AlphaRouter.from_arrays(arrays)
