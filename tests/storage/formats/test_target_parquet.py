from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.formats import target_parquet
from storage.formats.target_parquet import (
    CACHED_GROUPS,
    GROUP_ROWS,
    SPARSE_ROWS,
    TargetBlock,
    TargetReader,
    TargetRows,
    write_targets,
)
from storage.objects.store_errors import DamagedArtifact, MissingArtifact
from storage.store.artifact_store import Store
from tests.support.artifacts import as_shard, publish


def _block(n_rows: int, seed: int, limit: int = 50_000) -> TargetBlock:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, n_rows)
    entries = int(lengths.sum())
    return TargetBlock(
        np.concatenate([[0], np.cumsum(lengths)]),
        rng.integers(0, limit, entries).astype(np.int32),
        rng.random(entries).astype(np.float16),
        rng.integers(0, limit, n_rows).astype(np.uint32),
        rng.random(n_rows).astype(np.float32),
    )


def _cut(block: TargetBlock, size: int) -> Iterator[TargetBlock]:
    for start in range(0, len(block.next_token_R), size):
        offsets = block.offsets_R1[start : start + size + 1]
        entries = slice(offsets[0], offsets[-1])
        rows = slice(start, start + size)
        yield TargetBlock(
            offsets - offsets[0],
            block.token_ids_E[entries],
            block.probs_E[entries],
            block.next_token_R[rows],
            block.tail_mass_R[rows],
        )


def _assert_rows(got: TargetRows, blocks: list[TargetBlock], start: int, stop: int) -> None:
    """Compares with the same positions taken from Python lists."""
    tokens, probs, next_tokens, tails = [], [], [], []
    for block in blocks:
        for row in range(len(block.next_token_R)):
            entries = slice(*block.offsets_R1[row : row + 2])
            tokens.append(block.token_ids_E[entries].tolist())
            probs.append(block.probs_E[entries].tolist())
            next_tokens.append(int(block.next_token_R[row]))
            tails.append(float(block.tail_mass_R[row]))
    offsets = got.offsets_R1.tolist()
    assert offsets[0] == 0
    bounds = list(pairwise(offsets))
    assert [got.token_ids_E[a:b].tolist() for a, b in bounds] == tokens[start:stop]
    assert [got.probs_E[a:b].tolist() for a, b in bounds] == probs[start:stop]
    assert got.next_token_R.tolist() == next_tokens[start:stop]
    assert got.tail_mass_R.tolist() == tails[start:stop]


def _fill(block: TargetBlock) -> Callable[[Path], None]:
    return lambda folder: _write(folder, block)


def _write(folder: Path, block: TargetBlock) -> None:
    assert write_targets(as_shard(folder), _cut(block, 33), 50_000) == len(block.next_token_R)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=3), st.data())
def test_any_range_reads_across_row_groups_and_shards(
    store: Store, monkeypatch: pytest.MonkeyPatch, sizes: list[int], data: st.DataObject
) -> None:
    monkeypatch.setattr(target_parquet, "GROUP_ROWS", 16)
    monkeypatch.setattr(target_parquet, "CACHED_GROUPS", 2)
    blocks = [_block(size, seed) for seed, size in enumerate(sizes)]
    shards = {f"train-{i:05d}": (_fill(block), {}) for i, block in enumerate(blocks)}
    other = {"valid-00000": (_fill(_block(5, 99)), {})}
    ref = publish(store, "targets", shards | other, config={"sizes": repr(sizes)})
    reader = TargetReader(store.readers(ref), "train")
    assert reader.n_rows == sum(sizes)
    groups = [min(16, size - start) for size in sizes for start in range(0, size, 16)]
    assert np.diff(reader.group_starts).tolist() == groups
    assert reader.group_starts.dtype == np.int64
    for _ in range(4):
        start = data.draw(st.integers(0, reader.n_rows))
        stop = data.draw(st.integers(start, reader.n_rows))
        _assert_rows(reader.read(start, stop), blocks, start, stop)


def test_arrays_have_the_types_that_training_expects(store: Store) -> None:
    ref = publish(store, "targets", {"train-00000": (_fill(_block(7, 0)), {})})
    rows = TargetReader(store.readers(ref), "train").read(2, 5)
    assert [array.dtype for array in rows] == [
        np.dtype(kind) for kind in ("int64", "int32", "float32", "int64", "float32")
    ]


def test_the_bytes_do_not_depend_on_how_rows_come_in(tmp_path: Path) -> None:
    block = _block(GROUP_ROWS + 500, 3)
    files = []
    for size in (17, 1000, 10_000):
        write_targets(as_shard(tmp_path), _cut(block, size), 50_000)
        files.append((tmp_path / SPARSE_ROWS.name).read_bytes())
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize(("limit", "kind"), [(65_536, "uint16"), (65_537, "int32")])
def test_files_use_small_types_and_split_bytes(limit: int, kind: str, tmp_path: Path) -> None:
    path = tmp_path / SPARSE_ROWS.name
    write_targets(as_shard(tmp_path), _cut(_block(GROUP_ROWS + 1, 1, limit), 512), limit)
    schema = pq.read_schema(path)
    assert str(schema.field("token_ids").type.value_type) == kind
    assert str(schema.field("probs").type.value_type) == "halffloat"
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).num_rows == GROUP_ROWS
    columns = [metadata.row_group(0).column(i) for i in range(4)]
    assert all(column.compression == "ZSTD" for column in columns)
    assert "BYTE_STREAM_SPLIT" in columns[0].encodings
    assert "BYTE_STREAM_SPLIT" not in columns[1].encodings, "DuckDB does not read it of float16"


def test_the_reader_keeps_a_bounded_number_of_row_groups(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_parquet, "GROUP_ROWS", 4)
    block = _block(4 * (CACHED_GROUPS + 5), 2)
    ref = publish(store, "targets", {"train-00000": (_fill(block), {})})
    reader = TargetReader(store.readers(ref), "train")
    first = reader.read(0, 4)
    assert reader.read(0, 4).probs_E.base is first.probs_E.base
    for start in range(0, reader.n_rows, 4):
        reader.read(start, start + 4)
    assert len(reader._cache) == CACHED_GROUPS
    _assert_rows(reader.read(0, reader.n_rows), [block], 0, reader.n_rows)


def test_a_missing_split_and_a_damaged_file_are_named_with_a_remedy(
    store: Store,
) -> None:
    ref = publish(store, "targets", {"train-00000": (_fill(_block(7, 0)), {})})
    with pytest.raises(MissingArtifact, match="no valid split"):
        TargetReader(store.readers(ref), "valid")
    readers = store.readers(ref)
    readers["train-00000"].local_path("rows.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DamagedArtifact, match=r"rows\.parquet: not the bytes"):
        TargetReader(readers, "train")
