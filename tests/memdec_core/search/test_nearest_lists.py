import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.search.nearest_lists import TILE_ROWS, NearestLists, list_bytes

FLOATS = st.floats(0, 1e6, width=32)


def word(distance: float, row: int) -> int:
    return (int(np.float32(distance).view(np.uint32)) << 32) | row


def enter(lists: NearestLists, query: int, pairs: list[tuple[float, int]]) -> None:
    """Adds pairs as a search does: within the room made, none beyond the bound."""
    lists.make_room(np.array([query]))
    words, counts, bounds = lists.entries
    for distance, row in pairs:
        if np.float32(distance) <= bounds[query]:
            words[query, counts[query]] = word(distance, row)
            counts[query] += 1


@given(
    st.lists(st.lists(FLOATS, min_size=1, max_size=TILE_ROWS), min_size=1, max_size=8),
    st.integers(1, 700),
)
def test_lists_hold_the_nearest_of_everything_entered(tiles: list[list[float]], k: int) -> None:
    lists = NearestLists(2, k)
    entered: list[tuple[float, int]] = []
    for tile in tiles:
        pairs = [(distance, len(entered) + place) for place, distance in enumerate(tile)]
        enter(lists, 1, pairs)
        entered += pairs
    expected = sorted(entered)[:k]
    found = lists.neighbours()
    assert found.ids_QK[1, : len(expected)].tolist() == [row for _, row in expected]
    assert found.distances_QK[1, : len(expected)].tolist() == [near for near, _ in expected]
    assert (found.ids_QK[1, len(expected) :] == -1).all()
    assert (found.ids_QK[0] == -1).all()
    assert np.isinf(found.distances_QK[0]).all()


def test_a_cut_narrows_the_bound_of_full_lists_only() -> None:
    lists = NearestLists(2, 3)
    enter(lists, 0, [(5, 1), (2, 2), (9, 3), (4, 4)])
    enter(lists, 1, [(5, 1), (2, 2)])
    lists.cut()
    assert lists.entries.bounds_Q.tolist() == [5, np.inf]
    assert lists.entries.counts_Q.tolist() == [3, 2]


def test_a_list_takes_the_memory_it_says() -> None:
    lists = NearestLists(10, 100)
    found = lists.neighbours()
    held = lists.entries.words_QC.nbytes + found.ids_QK.nbytes + found.distances_QK.nbytes
    assert held == 10 * list_bytes(100)
