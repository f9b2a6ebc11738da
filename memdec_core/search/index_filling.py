"""Training and filling an index, with the same result on any number of threads.

What a linear transform (PCA, OPQ) gives depends on how many threads multiply the matrices, down to
its directions; so transforms are trained and applied on one. What follows them uses all.

Shapes: N rows, S rows of a sample, D width.
"""

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.search.one_thread import one_thread

Rows = NDArray[np.float32]


def train_index(index: faiss.Index, sample_SD: Rows, factory: str) -> None:
    """Trains transforms, lists and codes on a sample of the keys.

    Raises:
        UserError: The sample is too small for the index.
    """
    try:
        inner, rows_SD = index, sample_SD
        if isinstance(index, faiss.IndexPreTransform):
            inner, rows_SD = faiss.downcast_index(index.index), _train_transforms(index, sample_SD)
        inner.train(rows_SD)
        index.is_trained = True
    except RuntimeError as error:
        raise UserError(
            f"config.index.kind: {factory!r} cannot be trained on {len(sample_SD)} keys; use "
            "fewer lists or smaller codes, `auto`, or raise config.index.train_rows"
        ) from error


def add_rows(index: faiss.Index, rows_ND: Rows) -> None:
    """Adds rows to a trained index."""
    if not isinstance(index, faiss.IndexPreTransform):
        index.add(rows_ND)
        return
    with one_thread():
        for transform in _transforms(index):
            rows_ND = transform.apply(rows_ND)
    faiss.downcast_index(index.index).add(rows_ND)
    index.ntotal = index.index.ntotal


def _train_transforms(index: faiss.IndexPreTransform, rows_SD: Rows) -> Rows:
    """Trains one transform on what the one before gives; returns what the last gives."""
    with one_thread():
        for transform in _transforms(index):
            if not transform.is_trained:
                transform.train(rows_SD)
            rows_SD = transform.apply(rows_SD)
    return rows_SD


def _transforms(index: faiss.IndexPreTransform) -> Iterator[faiss.VectorTransform]:
    chain: Any = index.chain  # the stubs say a list
    for number in range(chain.size()):
        yield faiss.downcast_VectorTransform(chain.at(number))
