"""Which records of a downstream dataset are used, which of them tune, which are reported.

Both are decided by hashes of the record ids: neither the order of the records nor how many there
are moves one from one half to the other.
"""

import heapq
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray


def sample_records(record_ids: Sequence[str], most: int | None, seed: int) -> NDArray[np.int64]:
    """Draws records.

    Args:
        record_ids: All records' ids, each once.
        most: How many to draw; None for all.
        seed: Of the draw.

    Returns:
        Indices of those drawn, in order; int64.
    """
    if most is None or most >= len(record_ids):
        return np.arange(len(record_ids))
    drawn = heapq.nsmallest(
        most,
        range(len(record_ids)),
        key=lambda number: _digest(f"sample {seed}", record_ids[number]),
    )
    return np.array(sorted(drawn), np.int64)


def tuning_half(record_ids: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each record belongs to the half that weights are tuned on; else it is reported."""
    return np.array([_digest("half", each)[0] % 2 == 0 for each in record_ids], np.bool_)


def _digest(purpose: str, record_id: str) -> bytes:
    return sha256(f"{purpose}\0{record_id}".encode()).digest()
