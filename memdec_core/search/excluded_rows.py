"""Which rows of the datastore a query must not see: always its own, by id.

Rows are in stream order, so that a row itself, its document, and the row's neighbourhood within its
document are each one run of rows `first:stop`; search masks the run, whatever rank its rows have.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Exclude = Literal["self", "document", "neighbourhood"]


def excluded_nothing(n_queries: int) -> NDArray[np.int64]:
    """Ranges for queries that are not in the datastore, shape (Q, 2)."""
    return np.zeros((n_queries, 2), np.int64)


def excluded_self(rows_Q: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranges that strike out each query's own row, shape (Q, 2)."""
    return np.stack([rows_Q, rows_Q + 1], axis=1)


def excluded_document(docs_S: NDArray[np.int64], first_row: int) -> NDArray[np.int64]:
    """Ranges that strike out every row of the query's document.

    Args:
        docs_S: Document of each row of a run of whole documents, not decreasing.
        first_row: Row of the datastore at which the run begins.

    Returns:
        One range per row of the run, int64, shape (S, 2).
    """
    first_S = np.searchsorted(docs_S, docs_S, side="left")
    stop_S = np.searchsorted(docs_S, docs_S, side="right")
    return (np.stack([first_S, stop_S], axis=1) + first_row).astype(np.int64)


def excluded_neighbourhood(
    docs_S: NDArray[np.int64], positions_S: NDArray[np.int64], first_row: int, reach: int
) -> NDArray[np.int64]:
    """Ranges that strike out the rows of the same document at most `reach` positions away.

    Args:
        docs_S: Document of each row of a run of whole documents, not decreasing.
        positions_S: Position of each row, rising within a document.
        first_row: Row of the datastore at which the run begins.
        reach: Positions struck out on either side.

    Returns:
        One range per row of the run, int64, shape (S, 2).
    """
    if docs_S.size == 0:
        return excluded_nothing(0)
    # One rising number for document and position, with a gap wider than `reach` between documents.
    pitch = int(positions_S.max()) + 2 * reach + 1
    places_S = (docs_S - docs_S[0]) * pitch + positions_S
    first_S = np.searchsorted(places_S, places_S - reach, side="left")
    stop_S = np.searchsorted(places_S, places_S + reach, side="right")
    return (np.stack([first_S, stop_S], axis=1) + first_row).astype(np.int64)
