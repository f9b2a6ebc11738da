"""Whether the targets' probabilities can be taken at their word.

A probability is reliable if, of the tokens that are given p, a share p does follow. Every stored
pair of a token and its probability is such a forecast. Most are small, so the bins they are sorted
into are equally wide in the logarithm.

Shapes: R positions, E stored entries of these, B bins.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.training.sparse_targets import SparseTargets

EDGES_B1: NDArray[np.float64] = np.geomspace(1e-4, 1, 17)
"""Bins hold [edge, next edge); the first one also all below, the last one also 1."""


class Reliability(NamedTuple):
    """Stored probabilities beside what happened.

    Attributes:
        mass_B: Sum of the probabilities in each bin; float64.
        hits_B: Entries of the bin whose token followed; int64.
        entries_B: Entries of the bin; int64.
        positions: Positions they belong to, at least one.
    """

    mass_B: NDArray[np.float64]
    hits_B: NDArray[np.int64]
    entries_B: NDArray[np.int64]
    positions: int

    @property
    def figures(self) -> dict[str, float]:
        """What tables show.

        `kept_mass` is the probability that a position's stored tokens share, on average,
        `coverage` the share of the positions whose next token is among the stored ones,
        `calibration_error` the probability per position by which the bins' forecasts miss; 0 is
        reliable throughout.
        """
        sums = {
            "kept_mass": self.mass_B.sum(),
            "coverage": self.hits_B.sum(),
            "calibration_error": np.abs(self.mass_B - self.hits_B).sum(),
        }
        return {name: float(total / self.positions) for name, total in sums.items()}

    def points(self) -> list[tuple[float, float, int]]:
        """Mean probability, share that followed and entries of every bin that has any."""
        return [
            (float(mass / entries), float(hits / entries), int(entries))
            for mass, hits, entries in zip(*self[:3], strict=True)
            if entries
        ]


def measure_reliability(blocks: Iterable[SparseTargets]) -> Reliability:
    """Sorts all stored probabilities into bins; one block is in memory at a time.

    Args:
        blocks: Targets of all positions, at least one.
    """
    bins = len(EDGES_B1) - 1
    mass_B = np.zeros(bins)
    hits_B, entries_B = np.zeros((2, bins), np.int64)
    positions = 0
    for block in blocks:
        next_token_E = np.repeat(block.next_token_R, np.diff(block.offsets_R1))
        bin_E = np.searchsorted(EDGES_B1[1:-1], block.probs_E, side="right")
        mass_B += np.bincount(bin_E, block.probs_E, bins)
        hits_B += np.bincount(bin_E[block.token_ids_E == next_token_E], minlength=bins)
        entries_B += np.bincount(bin_E, minlength=bins)
        positions += len(block.next_token_R)
    return Reliability(mass_B, hits_B, entries_B, positions)
