"""Targets as they are kept and trained on: of p_kNN at each position, the tokens that matter.

Legend: R positions in stream order, S picked ones, E entries of all positions, one position's
after another's.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.windows.window_batches import ranges


class SparseTargets(NamedTuple):
    """Sparse distributions over tokens, one per position, and what did follow.

    Attributes:
        offsets_R1: First entry of each position, and the end; int64.
        token_ids_E: Tokens, largest probability first, equal ones by token; int32.
        probs_E: Probabilities: float16 as they are made and stored, float32 as they are read.
        next_token_R: The token that did follow; an integer.
        tail_mass_R: What truncation and rounding dropped, float32: the stored probabilities of a
            position and its tail sum to 1.
    """

    offsets_R1: NDArray[np.int64]
    token_ids_E: NDArray[np.int32]
    probs_E: NDArray[np.floating]
    next_token_R: NDArray[np.integer]
    tail_mass_R: NDArray[np.float32]

    def take(self, picked_S: NDArray[np.int64]) -> "SparseTargets":
        """Copies some positions out, in the order given."""
        starts_S = self.offsets_R1[picked_S]
        lengths_S = self.offsets_R1[picked_S + 1] - starts_S
        entries_E = ranges(starts_S, lengths_S)
        return SparseTargets(
            np.concatenate([[0], np.cumsum(lengths_S)]),
            self.token_ids_E[entries_E],
            self.probs_E[entries_E],
            self.next_token_R[picked_S],
            self.tail_mass_R[picked_S],
        )


ReadTargets = Callable[[int, int], SparseTargets]
"""Targets of the positions start .. stop - 1 of a split."""


def join_targets(blocks: Sequence[SparseTargets]) -> SparseTargets:
    """Puts blocks of positions one after the other."""
    lengths_R = np.concatenate([np.diff(block.offsets_R1) for block in blocks])
    _, *columns = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return SparseTargets(np.concatenate([[0], np.cumsum(lengths_R)]), *columns)
