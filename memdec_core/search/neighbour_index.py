"""The index over the datastore: its kind by size, its recall.

Flat search to `exact_limit` rows; above, inverted lists of the float16 keys themselves, which are
searched in the file they are in, one after the other.

Shapes: N rows of the datastore, S rows of a sample, D width.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.neighbours import Neighbours

FIRST_PROBED = 0.02
"""Share of the lists probed at first; on language-model keys it gave a recall of .999 and more."""


def choose_factory(n_rows: int, config: IndexConfig) -> str:
    """Names the kind of index for a datastore of `n_rows` rows, as a FAISS factory string."""
    if config.kind != "auto":
        return config.kind
    if n_rows <= config.exact_limit:
        return "Flat"
    return f"IVF{max(1, round(4 * math.sqrt(n_rows)))},SQfp16"


def new_index(factory: str, width: int) -> faiss.Index:
    """Makes an empty, untrained index for squared L2 distances.

    Raises:
        UserError: FAISS does not know the factory string, or it does not fit the width.
    """
    try:
        index = faiss.index_factory(width, factory, faiss.METRIC_L2)
    except RuntimeError as error:
        reason = str(error).split("failed: ")[-1].strip()
        raise UserError(
            f"config.index.kind: FAISS cannot make {factory!r} for keys of width {width} "
            f"({reason}); use `auto` or a valid factory string such as `IVF4096,SQ8`"
        ) from error
    if isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
        raise UserError(
            f"config.index.kind: {factory!r} gives rows ids of their own, but a row's id is its "
            f"number here; leave the IDMap out"
        )
    lists = inverted_lists(index)
    if lists is not None:
        if isinstance(lists, faiss.IndexIVFScalarQuantizer) and _holds_halves(lists):
            lists.by_residual = False  # then the codes are the float16 keys, and distances exact
        lists.cp.min_points_per_centroid = 1  # small datastores are no reason for a warning
    return index


def inverted_lists(index: faiss.Index) -> faiss.IndexIVF | None:
    """The inverted-list part of an index, None when it has none."""
    lists = faiss.try_extract_index_ivf(index)
    exact_kind = None if lists is None else faiss.downcast_index(lists)
    return exact_kind if isinstance(exact_kind, faiss.IndexIVF) else None


def has_exact_distances(index: faiss.Index) -> bool:
    """Whether the index's distances are those of the float16 keys, so that no re-ranking is due."""
    if isinstance(index, faiss.IndexIVFScalarQuantizer):
        return _holds_halves(index) and not index.by_residual
    return isinstance(index, faiss.IndexFlat | faiss.IndexIVFFlat)


def _holds_halves(lists: faiss.IndexIVFScalarQuantizer) -> bool:
    return bool(lists.sq.qtype == faiss.ScalarQuantizer.QT_fp16)


def sample_rows(n_rows: int, size: int, seed: int) -> NDArray[np.int64]:
    """Draws at most `size` different rows, sorted, the same for the same arguments."""
    if size >= n_rows:
        return np.arange(n_rows, dtype=np.int64)
    drawn_S = np.random.default_rng(seed).choice(n_rows, size, replace=False, shuffle=False)
    return np.sort(drawn_S).astype(np.int64)


@contextmanager
def index_nprobe(index: faiss.Index, times: int) -> Iterator[None]:
    """Probes `times` as many lists for the duration of the block."""
    lists = inverted_lists(index)
    if lists is None or times == 1:
        yield
        return
    before = lists.nprobe
    lists.nprobe = min(lists.nlist, before * times)
    try:
        yield
    finally:
        lists.nprobe = before


def recall(found: Neighbours, exact: Neighbours) -> float:
    """Share of the exact neighbours that were found, as good as found when equally near.

    Args:
        found: Lists to judge, with exact distances.
        exact: The exact lists of the same queries and the same length.
    """
    real_QK = exact.ids_QK >= 0
    last_Q = np.where(real_QK, exact.distances_QK, 0).max(axis=1)
    bound_Q1 = (last_Q * np.float32(1 + 1e-5))[:, None]  # duplicates tie, up to rounding
    near_Q = np.count_nonzero((found.distances_QK <= bound_Q1) & (found.ids_QK >= 0), axis=1)
    wanted_Q = np.count_nonzero(real_QK, axis=1)
    return float(np.minimum(near_Q, wanted_Q).sum() / max(1, wanted_Q.sum()))


def raise_nprobe(
    index: faiss.Index, config: IndexConfig, measure_recall: Callable[[], float]
) -> float:
    """Sets how many lists are probed: as configured, or doubled until the recall suffices.

    Args:
        index: The filled index; its nprobe is set, and saved with it.
        config: `nprobe`, or None to start at `FIRST_PROBED` of the lists; `min_recall`.
        measure_recall: Searches a sample with the index as it is.

    Returns:
        The recall measured with the final setting.

    Raises:
        UserError: The recall stays below `min_recall`.
    """
    lists = inverted_lists(index)
    if lists is not None:
        first = config.nprobe or max(1, math.ceil(FIRST_PROBED * lists.nlist))
        lists.nprobe = min(lists.nlist, first)
    reached = measure_recall()
    while reached < config.min_recall:
        if lists is None or config.nprobe is not None or lists.nprobe == lists.nlist:
            raise UserError(_too_low(reached, config, lists))
        lists.nprobe = min(lists.nlist, 2 * lists.nprobe)
        reached = measure_recall()
    return reached


def _too_low(reached: float, config: IndexConfig, lists: faiss.IndexIVF | None) -> str:
    if lists is not None and config.nprobe is not None:
        remedy = f"raise config.index.nprobe above {config.nprobe}, or leave it unset"
    else:
        remedy = "choose finer codes in config.index.kind, or `auto`"
    return (
        f"config.index.min_recall: recall@{config.recall_k} is {reached:.4f}, which is below "
        f"{config.min_recall}; {remedy}"
    )
