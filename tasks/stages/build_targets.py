"""targets: each position's neighbours become its sparse p_kNN, checked against exact search."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.search.excluded_rows import (
    excluded_document,
    excluded_neighbourhood,
    excluded_nothing,
    excluded_self,
)
from memdec_core.search.neighbour_index import sample_rows
from memdec_core.search.neighbour_search import Datastore, queries_at_once, search_neighbours
from memdec_core.search.neighbours import Neighbours, count_found
from memdec_core.search.tile_search import Queries, exact_neighbours
from memdec_core.targets.knn_distribution import knn_targets
from memdec_core.targets.target_quality import TargetQuality, check_targets, measure_targets
from memdec_core.targets.targets_config import TargetsConfig, check_k
from memdec_core.training.sparse_targets import SparseTargets, join_targets
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.target_parquet import TargetBlock, write_targets
from storage.store.artifact_store import Store
from storage.store.shard_files import of_split, split_of
from tasks.inputs.counted_progress import CountedProgress
from tasks.inputs.open_datastore import open_datastore
from tasks.jobs.stage_figures import StageFigures
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun, StageWork

DATASTORE = "train"
SEARCH_SHARE = 1 / 2
"""Share of a worker's memory that the lists of a search may take."""
ROW_BLOCK = 2048
"""Positions whose neighbours become targets at a time."""
DOC_BLOCK = 65_536
"""Rows read at a time to find where a document begins and ends."""


class TargetsShard(StageFigures):
    """What one shard holds, and how far a sample of it is from exact p_kNN."""

    rows: int
    entries: int
    short_rows: int
    kl: float
    total_variation: float
    tail_mass: float
    sample: int


def list_shards(job: StageJob, store: Store) -> list[str]:
    """Names the shards, those of the embeddings, and refuses an impossible k before any work.

    Raises:
        UserError: `config.targets.k` exceeds the datastore.
    """
    readers = store.readers(job.inputs["embeddings"])
    config = job.section(TargetsConfig)
    check_k(config.k, EmbeddingReader(readers, DATASTORE).n_rows)
    return sorted(readers)


def target_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Writes the targets of one shard of positions; returns its figures.

    Raises:
        UserError: k exceeds the datastore, exclusion leaves nothing, or the targets are further
            from exact p_kNN than allowed.
    """
    work = _ShardWork(run)
    rows = write_targets(run.writer, work.blocks(), work.token_limit)
    run.report(0.95, "comparing with exact search")
    quality = work.quality()
    check_targets(quality, work.config, run.shard)
    return TargetsShard(
        rows=rows,
        entries=work.entries,
        short_rows=work.short_rows,
        kl=quality.kl,
        total_variation=quality.total_variation,
        tail_mass=quality.tail_mass,
        sample=quality.positions,
    ).model_dump()


def summarise(metas: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """Figures of the artifact: sums, and means over all sampled positions, per split."""
    figures: dict[str, JsonValue] = {}
    shards = {name: TargetsShard.model_validate(meta) for name, meta in metas.items()}
    for split in sorted({*map(split_of, shards)}):
        parts = of_split(shards, split).values()
        for key in ("rows", "entries", "short_rows", "sample"):
            figures[f"{split}_{key}"] = sum(getattr(part, key) for part in parts)
        weights = [part.sample for part in parts]
        for key in ("kl", "total_variation", "tail_mass"):
            values = [getattr(part, key) for part in parts]
            figures[f"{split}_{key}"] = float(np.average(values, weights=weights))
    return figures


class _ShardWork:
    """One pass over a shard's positions, which keeps a sample of what it wrote."""

    def __init__(self, run: ShardRun) -> None:
        self.config = run.config(TargetsConfig)
        readers = run.readers("embeddings")
        self._split = split_of(run.shard)
        self._train = EmbeddingReader(readers, DATASTORE)
        check_k(self.config.k, self._train.n_rows)
        self._reader = EmbeddingReader(readers, self._split)
        bounds = {name: (start, stop) for name, start, stop in self._reader.shard_rows}
        self._start, self._stop = bounds[run.shard]
        index = run.only("index")
        self._datastore: Datastore = open_datastore(index, self._train)
        self._values_N = self._train.next_tokens()
        self.token_limit = int(self._values_N.max()) + 1
        self._report = run.report
        self._search_bytes = run.settings.memory_gb * 1e9 * SEARCH_SHARE
        self.entries = 0
        self.short_rows = 0
        self._sample: list[tuple[SparseTargets, Queries]] = []

    def blocks(self) -> Iterator[TargetBlock]:
        """Searches for many positions at a time, and aggregates `ROW_BLOCK` of them at a time."""
        length = self._stop - self._start
        sampled_S = sample_rows(length, self.config.gate_sample, self.config.seed)
        for first, queries, found in self._searched():
            for start in range(first, first + len(queries.keys_QD), ROW_BLOCK):
                part = slice(start - first, start - first + ROW_BLOCK)
                near = Neighbours(found.ids_QK[part], found.distances_QK[part])
                stop = start + len(near.ids_QK)
                labels = self._reader.next_tokens(self._start + start, self._start + stop)
                rows = knn_targets(near, self._values_N, labels, self.config)
                self.entries += len(rows.probs_E)
                self.short_rows += int((count_found(near) < self.config.k).sum())
                picked = sampled_S[(sampled_S >= start) & (sampled_S < stop)] - start
                self._sample.append((rows.take(picked), queries.part(part).part(picked)))
                yield TargetBlock(*rows)

    def _searched(self) -> Iterator[tuple[int, Queries, Neighbours]]:
        """Finds the neighbours of the shard's positions: first position, queries, neighbours."""
        length = self._stop - self._start
        excluded_S2 = self._excluded()
        size = queries_at_once(self.config.k, self._reader.width, self._search_bytes)
        progress = CountedProgress(self._report, length, "positions", share=0.95)
        for start in range(0, length, size):
            stop = min(start + size, length)
            keys = self._reader.keys(self._start + start, self._start + stop)
            queries = Queries(keys.astype(np.float32), excluded_S2[start:stop])
            report = progress.part(start, stop)
            found = search_neighbours(self._datastore, queries, self.config.k, report)
            yield start, queries, found

    def quality(self) -> TargetQuality:
        """Compares the sample of what was written with exact p_kNN."""
        stored, sampled = zip(*self._sample, strict=True)
        queries = Queries(*(np.concatenate(arrays) for arrays in zip(*sampled, strict=True)))
        exact = exact_neighbours(self._datastore.key_blocks(), queries, self.config.k)
        return measure_targets(join_targets(stored), exact, self._values_N, self.config.tau)

    def _excluded(self) -> NDArray[np.int64]:
        """Excluded rows of each position of the shard, shape (S, 2)."""
        if self._split != DATASTORE:
            return excluded_nothing(self._stop - self._start)
        if self.config.exclude == "self":
            return excluded_self(np.arange(self._start, self._stop))
        first, end = _whole_documents(self._train, self._start, self._stop)
        docs = self._train.docs(first, end)
        if self.config.exclude == "document":
            ranges = excluded_document(docs, first)
        else:
            positions = self._train.positions(first, end)
            ranges = excluded_neighbourhood(docs, positions, first, self.config.neighbourhood)
        return ranges[self._start - first : self._stop - first]


def _whole_documents(reader: EmbeddingReader, start: int, stop: int) -> tuple[int, int]:
    """Extends a run of rows to the ends of its first and last document."""
    document = reader.docs(start, start + 1)[0]
    while start > 0:
        before = max(0, start - DOC_BLOCK)
        same = np.flatnonzero(reader.docs(before, start) != document)
        start = before if same.size == 0 else before + int(same[-1]) + 1
        if same.size:
            break
    document = reader.docs(stop - 1, stop)[0]
    while stop < reader.n_rows:
        after = min(reader.n_rows, stop + DOC_BLOCK)
        same = np.flatnonzero(reader.docs(stop, after) != document)
        stop = after if same.size == 0 else stop + int(same[0])
        if same.size:
            break
    return start, stop


WORK = StageWork(target_shard, list_shards, summarise)
