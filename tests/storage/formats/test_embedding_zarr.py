"""Rows come back as they were written, or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.formats.embedding_zarr import EmbeddingBlock, EmbeddingReader, write_embeddings
from storage.objects.store_errors import DamagedArtifact, MissingArtifact, StorageError
from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader
from tests.support.artifacts import as_shard, publish

WIDTH = 3
ARRAYS = ("keys_ND", "next_token_N", "doc_N", "position_N")


def make_rows(n_rows: int, seed: int = 0) -> EmbeddingBlock:
    rng = np.random.default_rng(seed)
    return EmbeddingBlock(
        rng.normal(size=(n_rows, WIDTH)).astype(np.float16),
        rng.integers(0, 2**32, n_rows, dtype=np.uint32),
        np.sort(rng.integers(0, 2**40, n_rows)),
        np.arange(n_rows) + 2**40,
    )


def cut(rows: EmbeddingBlock, size: int) -> Iterator[EmbeddingBlock]:
    for start in range(0, len(rows.keys_ND), size):
        yield EmbeddingBlock(*(array[start : start + size] for array in rows))


def fill(rows: EmbeddingBlock, size: int = 10_000) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        assert write_embeddings(as_shard(folder), cut(rows, size)) == (len(rows.keys_ND), WIDTH)

    return write


def readers(store: Store, **shards: EmbeddingBlock) -> dict[str, ShardReader]:
    fills = {name.replace("_", "-"): (fill(rows), {}) for name, rows in shards.items()}
    ref = publish(store, "embeddings", fills, {"sizes": [len(r.doc_N) for r in shards.values()]})
    return store.readers(ref)


def all_rows(reader: EmbeddingReader) -> EmbeddingBlock:
    return EmbeddingBlock(reader.keys(), reader.next_tokens(), reader.docs(), reader.positions())


@pytest.mark.parametrize("n_rows", [1, 4_095, 65_536, 65_537, 140_000])
def test_rows_come_back_to_the_bit_around_chunk_and_shard_borders(
    store: Store, n_rows: int
) -> None:
    rows = make_rows(n_rows)
    reader = EmbeddingReader(readers(store, train_00000=rows), "train")
    assert (reader.n_rows, reader.width) == (n_rows, WIDTH)
    for got, wanted in zip(all_rows(reader), rows, strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


def test_how_rows_are_cut_into_blocks_does_not_change_a_byte(tmp_path: Path) -> None:
    rows = make_rows(70_000)
    for size in (70_000, 999):
        write_embeddings(as_shard(tmp_path / str(size)), cut(rows, size))
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "70000", tmp_path / "999")
    ]
    assert files[0] == files[1]


@pytest.fixture(scope="module")
def three_shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[EmbeddingReader, np.ndarray]:
    """A reader over shards of 5,000, 70,000 and 1 rows, and their keys."""
    store = Store.open(str(tmp_path_factory.mktemp("store")))
    parts = [make_rows(n, seed) for seed, n in enumerate([5_000, 70_000, 1])]
    shards = readers(
        store,
        train_00000=parts[0],
        train_00001=parts[1],
        train_00002=parts[2],
        valid_00000=make_rows(10),
    )
    return EmbeddingReader(shards, "train"), np.concatenate([part.keys_ND for part in parts])


def test_shards_follow_one_another(three_shards: tuple[EmbeddingReader, np.ndarray]) -> None:
    reader, _ = three_shards
    assert reader.shard_rows == [
        ("train-00000", 0, 5_000),
        ("train-00001", 5_000, 75_000),
        ("train-00002", 75_000, 75_001),
    ]


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_any_range_and_any_rows_are_those_of_the_whole(
    three_shards: tuple[EmbeddingReader, np.ndarray], data: st.DataObject
) -> None:
    reader, keys_ND = three_shards
    places = st.one_of(
        st.integers(0, 75_001), st.sampled_from([0, 4_096, 5_000, 70_536, 75_000, 75_001])
    )
    start, stop = sorted([data.draw(places), data.draw(places)])
    np.testing.assert_array_equal(reader.keys(start, stop), keys_ND[start:stop])
    ids = np.array(data.draw(st.lists(places.filter(lambda i: i < 75_001), max_size=9)), np.int64)
    np.testing.assert_array_equal(reader.take(ids), keys_ND[ids])


def test_blocks_of_keys_cover_all_rows_in_order(
    three_shards: tuple[EmbeddingReader, np.ndarray],
) -> None:
    reader, keys_ND = three_shards
    blocks = list(reader.iter_keys(30_000))
    assert [start for start, _ in blocks] == [0, 30_000, 60_000]
    np.testing.assert_array_equal(np.concatenate([keys for _, keys in blocks]), keys_ND)


def test_every_array_has_checksums_inside_its_shards_and_no_compression(tmp_path: Path) -> None:
    write_embeddings(as_shard(tmp_path), [make_rows(10)])
    group = zarr.open_group(tmp_path / "rows.zarr", mode="r")
    for name in ARRAYS:
        (sharding,) = group[name].metadata.to_dict()["codecs"]
        assert sharding["name"] == "sharding_indexed"
        for codecs in ("codecs", "index_codecs"):
            names = [codec["name"] for codec in sharding["configuration"][codecs]]
            assert names == ["bytes", "crc32c"]


def test_keys_that_are_all_zero_are_written_like_others(store: Store) -> None:
    zeros = EmbeddingBlock(*(np.zeros_like(array) for array in make_rows(5_000)))
    shards = readers(store, train_00000=zeros)
    assert "rows.zarr/doc_N/c/0" in shards["train-00000"].names()
    assert not all_rows(EmbeddingReader(shards, "train")).keys_ND.any()


def data_files(shards: dict[str, ShardReader]) -> list[Path]:
    folder = shards["train-00000"].folder()
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"]
    assert len(files) == 2 * len(ARRAYS)
    return files


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_a_flipped_bit_anywhere_is_found_and_its_file_named(store: Store, place: float) -> None:
    shards = readers(store, train_00000=make_rows(65_537))
    reader = EmbeddingReader(shards, "train")
    for path in data_files(shards):
        whole = path.read_bytes()
        bytes_ = bytearray(whole)
        bytes_[int(place * len(whole))] ^= 4
        path.write_bytes(bytes_)
        with pytest.raises(DamagedArtifact, match=str(path)):
            all_rows(reader)
        path.write_bytes(whole)
    all_rows(reader)


def test_a_short_or_missing_file_is_found_and_named_even_after_opening(store: Store) -> None:
    shards = readers(store, train_00000=make_rows(65_537))
    reader = EmbeddingReader(shards, "train")
    for path in data_files(shards):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(DamagedArtifact, match=str(path)):
            all_rows(reader)
        path.unlink()
        with pytest.raises(DamagedArtifact, match=f"{path}: 0 bytes"):
            all_rows(reader)
        with pytest.raises(StorageError, match=path.relative_to(path.parents[3]).as_posix()):
            EmbeddingReader(shards, "train")
        path.write_bytes(whole)
    all_rows(reader)


def test_broken_metadata_is_damage(store: Store) -> None:
    shards = readers(store, train_00000=make_rows(10))
    for path in shards["train-00000"].folder().rglob("zarr.json"):
        whole = path.read_bytes()
        path.write_bytes(b" " * len(whole))
        with pytest.raises(DamagedArtifact, match=r"rows\.zarr"):
            EmbeddingReader(shards, "train")
        path.write_bytes(whole)


def test_a_split_without_shards_is_missing(store: Store) -> None:
    with pytest.raises(MissingArtifact, match="no valid split"):
        EmbeddingReader(readers(store, train_00000=make_rows(10)), "valid")
