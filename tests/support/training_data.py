"""A small random split with targets, in plain arrays, for tests of training."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memdec_core.training.sparse_targets import SparseTargets
from memdec_core.training.training_batches import WindowData
from memdec_core.windows.windows import WindowConfig, make_windows, n_rows


class Split(NamedTuple):
    """A token stream, its windows, and per row: ids, probabilities, the next token."""

    tokens: npt.NDArray[np.uint16]
    offsets: npt.NDArray[np.int64]
    ids: list[npt.NDArray[np.int32]]
    probs: list[npt.NDArray[np.float32]]
    next_token: npt.NDArray[np.int64]
    data: WindowData


def make_split(
    seed: int,
    lengths: list[int],
    *,
    vocabulary: int = 50,
    window: WindowConfig | None = None,
    group_rows: int = 8,
    with_targets: bool = True,
) -> Split:
    """Random documents of the given lengths; each row has 1 to 5 target entries."""
    window = window or WindowConfig(length=12, stride=11)
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, vocabulary, sum(lengths)).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    scored = np.ones(len(tokens), bool)
    starts = offsets[:-1] if window.scope == "document" else offsets[:1]
    scored[starts[starts < len(tokens)]] = False
    next_token = tokens[scored].astype(np.int64)
    rows = n_rows(offsets, window.scope)
    counts = rng.integers(1, 6, rows)
    ids = [rng.choice(vocabulary, count, replace=False).astype(np.int32) for count in counts]
    probs = [rng.dirichlet(np.ones(count)).astype(np.float32) for count in counts]

    def read_targets(start: int, stop: int) -> SparseTargets:
        offsets_R1 = np.concatenate([[0], np.cumsum(counts[start:stop])]).astype(np.int64)
        ids_E, probs_E = np.concatenate(ids[start:stop]), np.concatenate(probs[start:stop])
        tail_R = np.zeros(stop - start, np.float32)
        return SparseTargets(offsets_R1, ids_E, probs_E, next_token[start:stop], tail_R)

    data = WindowData(
        make_windows(offsets, window),
        lambda start, stop: tokens[start:stop],
        read_targets if with_targets else None,
        np.append(np.arange(0, rows, group_rows), rows),
        vocabulary,
    )
    return Split(tokens, offsets, ids, probs, next_token, data)
