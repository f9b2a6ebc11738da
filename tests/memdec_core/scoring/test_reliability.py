"""Reliability of sparse targets against plain loops over every entry."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.scoring.reliability import EDGES_B1, measure_reliability
from memdec_core.training.sparse_targets import SparseTargets

VOCABULARY = 6


Position = tuple[dict[int, float], int]
"""Probability by token, and the token that followed."""

positions = st.tuples(
    st.dictionaries(
        st.integers(0, VOCABULARY - 1),
        st.one_of(st.floats(0, 1, width=16), st.sampled_from([0.0, 1e-4, 0.1, 1.0])),
    ),
    st.integers(0, VOCABULARY - 1),
)


def block_of(positions: list[Position]) -> SparseTargets:
    counts = [len(probs) for probs, _ in positions]
    return SparseTargets(
        np.cumsum([0, *counts]),
        np.array([token for probs, _ in positions for token in probs], np.int32),
        np.array([p for probs, _ in positions for p in probs.values()], np.float32),
        np.array([following for _, following in positions], np.int64),
        np.zeros(len(positions), np.float32),
    )


def bin_of(probability: float) -> int:
    """The last edge that is not above a probability, but for the ends."""
    found = 0
    for number, edge in enumerate(EDGES_B1[:-1]):
        if probability >= edge:
            found = number
    return found


@given(st.lists(positions, min_size=1, max_size=20), st.integers(0, 20))
def test_bins_hold_what_plain_loops_put_there_however_cut(all_: list[Position], cut: int) -> None:
    blocks = [block_of(part) for part in (all_[:cut], all_[cut:]) if part]
    found = measure_reliability(blocks)
    mass, hits, entries = ([0.0] * (len(EDGES_B1) - 1) for _ in range(3))
    for probs, following in all_:
        for token, probability in probs.items():
            number = bin_of(float(np.float32(probability)))
            mass[number] += float(np.float32(probability))
            hits[number] += token == following
            entries[number] += 1
    assert found.mass_B == pytest.approx(mass, rel=1e-12)
    assert found.hits_B.tolist() == hits
    assert found.entries_B.tolist() == entries
    kept = math.fsum(float(np.float32(p)) for probs, _ in all_ for p in probs.values())
    assert found.figures["kept_mass"] == pytest.approx(kept / len(all_), rel=1e-12)
    covered = sum(following in probs for probs, following in all_)
    assert found.figures["coverage"] == covered / len(all_)
    missed = sum(abs(m - h) for m, h in zip(mass, hits, strict=True)) / len(all_)
    assert found.figures["calibration_error"] == pytest.approx(missed, rel=1e-9, abs=1e-12)


def test_tokens_that_follow_as_often_as_promised_are_reliable() -> None:
    often = [({0: 0.75, 1: 0.25}, 0)] * 3 + [({0: 0.75, 1: 0.25}, 1)]
    found = measure_reliability([block_of(often)])
    assert found.figures["calibration_error"] == 0
    assert found.points() == [(0.25, 0.25, 4), (0.75, 0.75, 4)]
    overconfident = measure_reliability([block_of([({0: 0.75, 1: 0.25}, 5)])])
    assert overconfident.figures == {"kept_mass": 1, "coverage": 0, "calibration_error": 1}
