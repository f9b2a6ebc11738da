"""Filling and writing an index: ours, part by part on disk, against IVFPQ held in memory.

Training is left out on both sides: it depends on the sample, not on the rows, and at the size of a
benchmark the reference's 64 codebooks would be all that is measured. Both sides use one thread.
"""

import tempfile
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from memdec_core.search.index_filling import train_index
from memdec_core.search.neighbour_index import new_index
from memdec_core.search.neighbour_search import KEY_BLOCK
from storage.formats.index_files import IndexParts
from tests.benchmarks.bench_targets import TRAINED, datastore, one_thread, scaled_lists
from tests.benchmarks.interleaved import BenchRow, Work, compare
from tests.oracles.knn_oracle import array_blocks

ROWS, WIDTH = 100_000, 128
KIND = "IVF1265,SQfp16"


def run() -> list[BenchRow]:
    """Adding all rows to a trained index, and writing it."""
    return [
        compare(
            "index",
            f"adding and writing {ROWS:,} rows, d = {WIDTH}, {KIND} vs IVFPQ64, trained before",
            "rows",
            ours=partial(ours, KIND),
            reference=reference,
            rounds=3,
        )
    ]


def ours(kind: str) -> Work:
    """As the index stage fills inverted lists."""
    keys, _ = datastore(ROWS, WIDTH)
    index = new_index(kind, WIDTH)
    with one_thread():
        train_index(index, keys[:TRAINED].astype(np.float32), kind)

    def work() -> int:
        with one_thread(), tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "parts").mkdir()
            parts = IndexParts(index, Path(folder) / "parts")
            for _, block in array_blocks(keys, KEY_BLOCK):
                index.add(block.astype(np.float32))
            parts.flush()
            parts.join(Path(folder) / "index.faiss")
        return ROWS

    return work


def reference() -> Work:
    """Everything as float32 in memory."""
    keys, _ = datastore(ROWS, WIDTH)
    index = faiss.index_factory(WIDTH, f"IVF{scaled_lists(ROWS)},PQ64np")
    with one_thread():
        index.train(keys[:TRAINED].astype(np.float32))

    def work() -> int:
        index.reset()
        with one_thread(), tempfile.TemporaryDirectory() as folder:
            index.add(keys.astype(np.float32))
            faiss.write_index(index, str(Path(folder) / "index.faiss"))
        return ROWS

    return work
