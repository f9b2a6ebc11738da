"""Queries against tiles of keys: an 8-bit filter, and exact distances for what passes it.

The product of rounded vectors gives every distance of a tile, nearly. Rows that cannot be among a
query's k nearest, even if the product is off by `LIKELY` times its deviation, are dropped; the few
others get their distance as an exact float32 sum of squared differences, while the tile is in the
processor's cache, and enter the query's list if they are near enough. What comes out are exact
distances; the filter loses a true neighbour with a probability below 4e-6.

Shapes: Q queries, M of them compared with one tile, B rows of a tile, D width.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.compiled_kernel import kernel
from memdec_core.search.nearest_lists import TILE_ROWS, Entries, NearestLists
from memdec_core.search.neighbours import Neighbours
from memdec_core.search.rounded_vectors import (
    PRODUCTS,
    RoundedVectors,
    dither,
    fastest_codes,
    inner_products,
    round_vectors,
)
from memdec_core.search.search_progress import counted, ignore
from memdec_core.windows.window_batches import OnProgress

MEMBERS = 1024
"""Queries per product: with `TILE_ROWS` rows, two megabytes of products."""
LIKELY = 5.0
"""Deviations of the product's error that the filter allows for."""
SAMPLED = 8
"""One row in so many is compared first, to bound the k-th distance before all rows are."""

Keys = NDArray[np.float16] | NDArray[np.float32]
KeyBlocks = Iterable[tuple[int, Keys]]


class Queries(NamedTuple):
    """What is searched for.

    Attributes:
        keys_QD: The queries, float32.
        excluded_Q2: First excluded row and end of the excluded rows, per query, int64.
    """

    keys_QD: NDArray[np.float32]
    excluded_Q2: NDArray[np.int64]

    def part(self, part: slice | NDArray[np.int64]) -> "Queries":
        """Some of the queries."""
        return Queries(self.keys_QD[part], self.excluded_Q2[part])


class _Tile(NamedTuple):
    keys_BD: NDArray[np.float32]
    rows_B: NDArray[np.int64]
    rounded: RoundedVectors


class TileSearch:
    """A block of queries and the lists of their nearest rows so far."""

    def __init__(
        self,
        queries: Queries,
        k: int,
        bounds_Q: NDArray[np.float32] | None = None,
        on_compared: Callable[[int], None] = ignore,
    ) -> None:
        """Prepares a search.

        Args:
            queries: At least one.
            k: Neighbours per query.
            bounds_Q: Squared distances that no neighbour exceeds, when they are known before.
            on_compared: Takes the number of pairs of a query and a key that were just compared.
        """
        self._on_compared = on_compared
        self._queries = queries
        width = queries.keys_QD.shape[1]
        self._centre_D: NDArray[np.float32] = queries.keys_QD.mean(axis=0)  # keys lie about it too
        self._key_dither_D = dither(width, seed=1)
        self._code_type = fastest_codes()
        self._rounded = self._round(queries.keys_QD, dither(width, seed=0))
        self._products = torch.empty(MEMBERS * TILE_ROWS, dtype=PRODUCTS[self._code_type])
        self.lists = NearestLists(len(queries.keys_QD), k, bounds_Q)

    def compare(
        self, keys_BD: Keys, rows_B: NDArray[np.int64], queries_M: NDArray[np.int64]
    ) -> None:
        """Compares some of the queries with keys that they have not been compared with.

        Args:
            keys_BD: Keys, of any number.
            rows_B: Their rows in the datastore.
            queries_M: Which queries, without repetition.
        """
        for start in range(0, len(rows_B), TILE_ROWS):
            tile = slice(start, start + TILE_ROWS)
            wide_BD = torch.from_numpy(keys_BD[tile]).float().numpy()
            rounded = self._round(wide_BD, self._key_dither_D)
            self._compare_tile(_Tile(wide_BD, rows_B[tile], rounded), queries_M)
            self._on_compared(len(wide_BD) * len(queries_M))

    def _round(
        self, vectors_ND: NDArray[np.float32], dither_D: NDArray[np.float32]
    ) -> RoundedVectors:
        return round_vectors(vectors_ND, self._centre_D, dither_D, self._code_type)

    def _compare_tile(self, tile: _Tile, queries_M: NDArray[np.int64]) -> None:
        self.lists.make_room(queries_M)
        for start in range(0, len(queries_M), MEMBERS):
            members_M = queries_M[start : start + MEMBERS]
            codes_MD = self._rounded.codes_ND[members_M]
            products_MB = inner_products(codes_MD, tile.rounded.codes_ND, self._products)
            _admit(products_MB, members_M, self._queries, self._rounded, tile, self.lists.entries)


def exact_neighbours(key_blocks: KeyBlocks, queries: Queries, k: int) -> Neighbours:
    """Finds the `k` nearest rows of each query by comparing it with every key.

    Args:
        key_blocks: One pass over the keys: pairs of first row and keys, of any size.
        queries: All of them are compared in the one pass; `list_bytes` of memory for each.
        k: Neighbours per query.

    Returns:
        Lists shorter than `k` only where the rest of the datastore is excluded.
    """
    search = TileSearch(queries, k)
    everyone_Q = np.arange(len(queries.keys_QD))
    for first_row, keys_BD in key_blocks:
        search.compare(keys_BD, np.arange(first_row, first_row + len(keys_BD)), everyone_Q)
    return search.lists.neighbours()


def exact_neighbours_in_memory(
    keys_ND: NDArray[np.float32], queries: Queries, k: int, on_progress: OnProgress = ignore
) -> Neighbours:
    """As `exact_neighbours`, faster: a sample of the keys tells first how near the k-th row is.

    A list that the sample's bound has left short, which is rare, must be searched again.

    Args:
        keys_ND: All keys.
        queries: What to search for.
        k: Neighbours per query.
        on_progress: Takes the finished fraction.
    """
    pairs = (len(keys_ND) + -(-len(keys_ND) // SAMPLED)) * len(queries.keys_QD)
    add = counted(pairs, on_progress)
    everyone_Q = np.arange(len(queries.keys_QD))
    rows_N = np.arange(len(keys_ND))
    sampled_k = math.ceil(k / SAMPLED + LIKELY * math.sqrt(k / SAMPLED))
    bounds_Q = None
    if sampled_k * SAMPLED <= len(keys_ND):
        sample = TileSearch(queries, sampled_k, on_compared=add)
        sample.compare(np.ascontiguousarray(keys_ND[::SAMPLED]), rows_N[::SAMPLED], everyone_Q)
        sample.lists.cut()
        bounds_Q = sample.lists.entries.bounds_Q
    search = TileSearch(queries, k, bounds_Q, add)
    search.compare(keys_ND, rows_N, everyone_Q)
    return search.lists.neighbours()


@kernel()
def _admit(
    products_MB: NDArray[np.int32] | NDArray[np.float32],
    members_M: NDArray[np.int64],
    queries: Queries,
    rounded: RoundedVectors,
    tile: _Tile,
    entries: Entries,
) -> None:
    """Adds to the lists the rows of a tile that are within the bounds."""
    widest_step = tile.rounded.steps_N.max()
    longest = tile.rounded.norms_N.max()
    rows, width = tile.keys_BD.shape
    rounding = np.float32(width * 2.0**-23)  # of the norms, which are float32 sums
    eights = np.zeros((rows + 7) // 8, np.uint64)
    passed_B = np.empty(rows + 8, np.int32)
    for m in range(members_M.size):
        query = members_M[m]
        norm, step, bound = rounded.norms_N[query], rounded.steps_N[query], entries.bounds_Q[query]
        spread = norm * widest_step * widest_step + longest * step * step
        margin = np.float32(LIKELY) * np.sqrt(spread) + rounding * (norm + longest)
        least = (norm - bound - margin) * np.float32(0.5)
        passed = _filter(
            products_MB[m], rounded.scales_N[query], tile.rounded, least, eights, passed_B
        )
        count = entries.counts_Q[query]
        first, stop = queries.excluded_Q2[query, 0], queries.excluded_Q2[query, 1]
        for p in range(passed):
            b = passed_B[p]
            row = tile.rows_B[b]
            if first <= row < stop:
                continue
            distance = np.float32(0)
            for d in range(width):
                difference = queries.keys_QD[query, d] - tile.keys_BD[b, d]
                distance += difference * difference
            if distance <= bound:
                bits = np.uint64(np.float32(distance).view(np.uint32))
                entries.words_QC[query, count] = (bits << np.uint64(32)) | np.uint64(row)
                count += 1
        entries.counts_Q[query] = count


@kernel(inline=True)
def _filter(
    products_B: NDArray[np.int32] | NDArray[np.float32],
    scale: np.float32,
    tile: RoundedVectors,
    least: np.float32,
    eights: NDArray[np.uint64],
    passed_B: NDArray[np.int32],
) -> int:
    """Lists the rows that may be near enough; returns how many there are.

    With q·x = p, |q|² + |x|² - 2 p <= bound + margin becomes p - |x|²/2 >= `least`, which is
    (|q|² - bound - margin) / 2. The results are looked at in eights, most of which are empty.
    """
    flags_B = eights.view(np.uint8)
    for b in range(products_B.size):
        product = np.float32(products_B[b]) * (scale * tile.scales_N[b])
        flags_B[b] = np.uint8(product - np.float32(0.5) * tile.norms_N[b] >= least)
    passed = 0
    for eight in range(eights.size):
        if eights[eight] != 0:
            for b in range(8 * eight, 8 * eight + 8):
                passed_B[passed] = b
                passed += int(flags_B[b])
    return passed
