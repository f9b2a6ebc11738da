"""The systems whose time is measured, ready to decode, and what each keeps in memory and on disk.

All of them are built from the same base. Weights and temperatures are not tuned: the same work is
done whatever they are.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.decoding.decoders import Decoder, MixtureDecoder, TransformerDecoder
from memdec_core.decoding.decoding_config import LatencyConfig
from memdec_core.decoding.system_decoders import KnnDecoder, RetrievalDecoder
from memdec_core.models.language_model import TransformerLM
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.neighbour_search import Datastore
from memdec_core.search.sized_datastore import build_datastore, resize_keys, stored_bytes
from memdec_core.systems.knn_lm import KnnLM
from memdec_core.systems.passage_retrieval import PassageIndex, cut_passages
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.systems.retrieval_lm import RetrievalLM
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.token_shards import TokenReader
from tasks.inputs.open_datastore import INDEX_FILE, KEYS_FILE, KnnLmConfig, open_datastore
from tasks.jobs.stage_work import ShardRun

WEIGHT, TAU = 0.5, 1.0
"""Any weight but 0 and 1, and any temperature, costs the same time."""

_BM25_ENTRY_BYTES = 4 + 4
"""A passage's number, int32, and what a token of it scores, float32."""
_BM25_START_BYTES = 8
"""Where a token's passages begin, int64."""


class TimedSystem(NamedTuple):
    """A system to measure.

    Attributes:
        name: base, memory, rag or knn_lm.
        new_decoder: Makes a fresh decoder.
        memory_bytes: Weights, and index and values as if all of them were in memory.
        disk_bytes: Files that it decodes with.
        datastore_rows: Rows that it searches, None where it has no datastore.
    """

    name: str
    new_decoder: Callable[[], Decoder]
    memory_bytes: int
    disk_bytes: int
    datastore_rows: int | None = None


class _Sized(NamedTuple):
    """A datastore, what follows its keys, and the bytes of its files."""

    datastore: Datastore
    next_token_N: NDArray[np.integer]
    stored_bytes: int


def open_systems(
    run: ShardRun, base: TransformerLM, memory: TransformerLM
) -> Iterator[TimedSystem]:
    """Builds base, base + memory and, where the job has what they need, retrieval and kNN-LM.

    Raises:
        UserError: A system does not fit the base, or an index cannot be built as configured.
    """
    alone = TimedSystem(
        "base", lambda: TransformerDecoder(base), _weight_bytes(base), _file_bytes(run, "base")
    )
    yield alone
    yield TimedSystem(
        "memory",
        lambda: MixtureDecoder(TransformerDecoder(base), TransformerDecoder(memory), WEIGHT),
        alone.memory_bytes + _weight_bytes(memory),
        alone.disk_bytes + _file_bytes(run, "memory"),
    )
    if "retrieval" in run.job.config:
        yield _retrieval(run, base, alone)
    if {"embeddings", "index"} <= run.job.inputs.keys():
        for sized in _datastores(run):
            yield _knn_lm(run, base, alone, sized)


def _retrieval(run: ShardRun, base: TransformerLM, alone: TimedSystem) -> TimedSystem:
    config = run.config(RetrievalConfig)
    train = TokenReader(run.readers("tokens"), "train")
    passages_N2 = cut_passages(train.offsets_D1, config.passage_tokens)
    run.report(0.0, f"indexing {len(passages_N2):,} passages")
    index = PassageIndex.build((train.read(*span) for span in passages_N2.tolist()), config)
    lm = RetrievalLM(
        base,
        index,
        lambda passage: train.read(*passages_N2[passage].tolist()),
        config,
        batch_tokens=1,
    )
    added = _index_bytes(train, passages_N2) + train.n_tokens * train.read(0, 0).itemsize
    return TimedSystem(
        "rag",
        lambda: RetrievalDecoder(lm, lambda: TransformerDecoder(base)),
        alone.memory_bytes + added,
        alone.disk_bytes + added,
    )


def _knn_lm(run: ShardRun, base: TransformerLM, alone: TimedSystem, sized: _Sized) -> TimedSystem:
    knobs = run.config(KnnLmConfig)
    rows = sized.datastore.n_rows
    lm = KnnLM(
        base,
        sized.datastore,
        sized.next_token_N,
        k=min(knobs.k, rows),
        tau=TAU,
        weight=WEIGHT,
    )
    added = sized.stored_bytes + sized.next_token_N.nbytes
    return TimedSystem(
        "knn_lm",
        lambda: KnnDecoder(lm),
        alone.memory_bytes + added,
        alone.disk_bytes + added,
        rows,
    )


def _datastores(run: ShardRun) -> Iterator[_Sized]:
    """The base's own datastore and those of the configured sizes, smallest first."""
    config = run.config(LatencyConfig)
    embeddings = EmbeddingReader(run.readers("embeddings"), "train")
    for n_rows in sorted({*config.datastore_rows, embeddings.n_rows}):
        run.report(0.0, f"a datastore of {n_rows:,} rows")
        if n_rows == embeddings.n_rows:
            index = run.only("index")
            kept = {INDEX_FILE, KEYS_FILE} & set(index.names())
            size = sum(index.local_path(name).stat().st_size for name in kept)
            own = open_datastore(index, embeddings)
            yield _Sized(own, embeddings.next_tokens(), size)
        else:
            real = min(n_rows, embeddings.n_rows)
            keys_ND = resize_keys(embeddings.keys(0, real), n_rows, config.seed)
            built = build_datastore(keys_ND, run.config(IndexConfig))
            values_N = np.resize(embeddings.next_tokens(0, real), n_rows)
            yield _Sized(built, values_N, stored_bytes(built))


def _index_bytes(train: TokenReader, passages_N2: NDArray[np.int64]) -> int:
    """Bytes of BM25's arrays: a score and a passage for each different token of each passage."""
    entries = ids = 0
    for span in passages_N2.tolist():
        different = np.unique(train.read(*span))
        entries, ids = entries + different.size, max(ids, 1 + int(different[-1]))
    return passages_N2.nbytes + entries * _BM25_ENTRY_BYTES + (ids + 1) * _BM25_START_BYTES


def _weight_bytes(lm: TransformerLM) -> int:
    return sum(weight.numel() * weight.element_size() for weight in lm.model.parameters())


def _file_bytes(run: ShardRun, role: str) -> int:
    folder = run.only(role).folder()
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
