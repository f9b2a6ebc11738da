"""Runs are those of a loop that goes through the sequences column by column."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.systems.retrieval_lm import make_runs


@given(
    rows=st.lists(st.lists(st.booleans(), min_size=15, max_size=15), min_size=1, max_size=4),
    stride=st.integers(1, 6),
)
def test_runs_count_from_the_first_scored_position(rows: list[list[bool]], stride: int) -> None:
    runs = make_runs(np.array(rows), stride)
    by_hand: dict[tuple[int, int], list[int]] = {}
    rank = 0
    for row, scored in enumerate(rows):
        for column in range(15):
            if scored[column]:
                first = scored.index(True)
                start = first + (column - first) // stride * stride
                by_hand.setdefault((row, start), []).append(rank)
                rank += 1
    assert list(zip(runs.rows_R.tolist(), runs.starts_R.tolist(), strict=True)) == list(by_hand)
    assert runs.firsts_R.tolist() == [ranks[0] for ranks in by_hand.values()]
    assert runs.counts_R.tolist() == [len(ranks) for ranks in by_hand.values()]
