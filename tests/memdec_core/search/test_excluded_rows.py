import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.search.excluded_rows import (
    excluded_document,
    excluded_neighbourhood,
    excluded_nothing,
    excluded_self,
)

lengths = st.lists(st.integers(0, 6), min_size=1, max_size=8)


def _stream(lengths: list[int], absolute: bool) -> tuple[np.ndarray, np.ndarray]:
    """Documents and positions of the rows when each document's first token has none."""
    docs, positions, start = [], [], 0
    for doc, length in enumerate(lengths):
        for place in range(1, length):
            docs.append(doc)
            positions.append(place + (start if absolute else 0))
        start += length
    return np.array(docs, np.int64), np.array(positions, np.int64)


def _rows(ranges: np.ndarray) -> list[set[int]]:
    return [set(range(first, stop)) for first, stop in ranges.tolist()]


def test_self_strikes_out_one_row_each_and_nothing_strikes_out_none() -> None:
    assert _rows(excluded_self(np.arange(7, 10))) == [{7}, {8}, {9}]
    assert _rows(excluded_nothing(2)) == [set(), set()]


@given(lengths, st.integers(0, 100))
def test_document_strikes_out_exactly_the_rows_of_the_same_document(
    lengths: list[int], first_row: int
) -> None:
    docs, _ = _stream(lengths, absolute=True)
    for row, struck in enumerate(_rows(excluded_document(docs, first_row))):
        assert struck == {
            first_row + other for other in range(len(docs)) if docs[other] == docs[row]
        }


@given(lengths, st.integers(0, 100), st.integers(1, 4), st.booleans())
def test_neighbourhood_strikes_out_close_rows_of_the_same_document(
    lengths: list[int], first_row: int, reach: int, absolute: bool
) -> None:
    docs, positions = _stream(lengths, absolute)
    ranges = excluded_neighbourhood(docs, positions, first_row, reach)
    for row, struck in enumerate(_rows(ranges)):
        assert struck == {
            first_row + other
            for other in range(len(docs))
            if docs[other] == docs[row] and abs(positions[other] - positions[row]) <= reach
        }
