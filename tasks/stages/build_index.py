"""index: the train rows' keys become a FAISS index whose recall is measured before it counts."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.plots.build_plots import recall_png
from memdec_core.search.excluded_rows import excluded_self
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.index_filling import add_rows, train_index
from memdec_core.search.neighbour_index import (
    choose_factory,
    has_exact_distances,
    inverted_lists,
    new_index,
    raise_nprobe,
    recall,
    sample_rows,
)
from memdec_core.search.neighbour_search import KEY_BLOCK, Datastore, search_neighbours
from memdec_core.search.tile_search import Queries, exact_neighbours
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.index_files import (
    IndexParts,
    fits_in_parts,
    open_index,
    open_keys,
    write_index,
    write_keys,
)
from tasks.inputs.counted_progress import CountedProgress
from tasks.inputs.open_datastore import INDEX_FILE, KEYS_FILE
from tasks.jobs.stage_work import ShardRun, StageWork

RECALL_PICTURE = "recall.png"
PART_SHARE = 1 / 8
"""Share of a worker's memory that inverted lists take before they go to disk."""

Tune = Callable[[faiss.Index], float]


def index_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Trains, fills, tunes and writes the index; returns its figures.

    Raises:
        UserError: The configured kind cannot be built, or its recall is below `min_recall`.
    """
    config = run.config(IndexConfig)
    reader = EmbeddingReader(run.readers("embeddings"), "train")
    if reader.n_rows < 2:
        raise UserError(
            f"config.corpus: the train split has {reader.n_rows} positions; a datastore needs at "
            "least 2, add documents"
        )
    factory = choose_factory(reader.n_rows, config)
    index = new_index(factory, reader.width)
    if not index.is_trained:
        run.report(0.0, "training")
        rows = sample_rows(reader.n_rows, config.train_rows, config.seed)
        train_index(index, reader.take(rows).astype(np.float32), factory)
    keys_path = None
    if not has_exact_distances(index):
        keys_path = run.writer.folder / KEYS_FILE
        write_keys(keys_path, reader.n_rows, reader.width, reader.iter_keys(KEY_BLOCK))
    measured: dict[int, float] = {}
    tune = _tuner(run, config, reader, keys_path, measured)
    path = run.writer.folder / INDEX_FILE
    fill = _fill_parts if fits_in_parts(index) else _fill_memory
    reached = fill(run, reader, index, path, tune)
    lists = inverted_lists(index)
    if len(measured) > 1:
        picture = recall_png(measured, config.min_recall)
        (run.writer.folder / RECALL_PICTURE).write_bytes(picture)
    return {
        "kind": factory,
        "rows": reader.n_rows,
        "width": reader.width,
        "lists": lists.nlist if lists else None,
        "nprobe": lists.nprobe if lists else None,
        "exact_distances": keys_path is None,
        "recall": reached,
        "recall_k": min(config.recall_k, reader.n_rows - 1),
        "recall_sample": min(config.recall_sample, reader.n_rows),
    }


def _tuner(
    run: ShardRun,
    config: IndexConfig,
    reader: EmbeddingReader,
    keys_path: Path | None,
    measured: dict[int, float],
) -> Tune:
    """Makes the function that sets a filled index's nprobe and returns its recall.

    It leaves the recall by lists probed in `measured`, where the index has lists.
    """
    rows = sample_rows(reader.n_rows, config.recall_sample, config.seed + 1)
    k = min(config.recall_k, reader.n_rows - 1)

    def tune(index: faiss.Index) -> float:
        run.report(0.8, "measuring recall against exact search")
        queries = Queries(reader.take(rows).astype(np.float32), excluded_self(rows))
        exact = exact_neighbours(reader.iter_keys(KEY_BLOCK), queries, k)
        datastore = Datastore(
            index,
            lambda: reader.iter_keys(KEY_BLOCK),
            None if keys_path is None else open_keys(keys_path),
        )
        lists = inverted_lists(index)

        def measure() -> float:
            reached = recall(search_neighbours(datastore, queries, k), exact)
            if lists is not None:
                measured[lists.nprobe] = reached
            return reached

        reached = raise_nprobe(index, config, measure)
        if lists is not None and lists.nprobe > 1:  # what fewer lists would give, for the picture
            chosen = lists.nprobe
            lists.nprobe = chosen // 2
            if lists.nprobe not in measured:
                measure()
            lists.nprobe = chosen
        return reached

    return tune


def _fill_parts(
    run: ShardRun, reader: EmbeddingReader, index: faiss.Index, path: Path, tune: Tune
) -> float:
    """Fills inverted lists part by part on disk; memory is bounded whatever the rows are."""
    lists = inverted_lists(index)
    assert lists is not None, "fits_in_parts"
    part_bytes = int(run.settings.memory_gb * 1e9 * PART_SHARE)
    part_rows = part_bytes // (lists.code_size + np.dtype(np.int64).itemsize)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="parts-") as folder:
        parts = IndexParts(index, Path(folder))
        progress = CountedProgress(run.report, reader.n_rows, "keys", share=0.7)
        for start, block in reader.iter_keys(KEY_BLOCK):
            add_rows(index, block.astype(np.float32))
            if index.ntotal + KEY_BLOCK > part_rows:
                parts.flush()
            progress(start + len(block))
        parts.flush()
        parts.join(path)
        joined = open_index(path)
        reached = tune(joined)
        found = inverted_lists(joined)
        assert found is not None, "same kind as written"
        parts.set_nprobe(path, found.nprobe)
    return reached


def _fill_memory(
    run: ShardRun, reader: EmbeddingReader, index: faiss.Index, path: Path, tune: Tune
) -> float:
    """Fills an index that can only be written whole: flat, bounded by `exact_limit`, or chosen."""
    progress = CountedProgress(run.report, reader.n_rows, "keys", share=0.7)
    for start, block in reader.iter_keys(KEY_BLOCK):
        add_rows(index, block.astype(np.float32))
        progress(start + len(block))
    reached = tune(index)
    write_index(path, index)
    return reached


WORK = StageWork(index_shard)
