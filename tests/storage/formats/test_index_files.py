from pathlib import Path

import faiss
import numpy as np
import pytest

from storage.formats.index_files import (
    IndexParts,
    fits_in_parts,
    open_index,
    open_keys,
    write_index,
    write_keys,
)
from storage.objects.store_errors import DamagedArtifact, StoreFull, translated

KEYS = np.random.default_rng(0).standard_normal((700, 8)).astype(np.float32)


def test_keys_written_in_blocks_are_mapped_as_one_array_of_halves(tmp_path: Path) -> None:
    keys = np.random.default_rng(0).standard_normal((700, 8)).astype(np.float16)
    write_keys(tmp_path / "keys.npy", 700, 8, iter([(0, keys[:300]), (300, keys[300:])]))
    opened = open_keys(tmp_path / "keys.npy")
    assert isinstance(opened, np.memmap)
    np.testing.assert_array_equal(opened, keys)


@pytest.mark.parametrize("content", [None, b"", b"not an index"])
def test_a_file_that_is_no_index_is_named_with_a_remedy(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "index.faiss"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedArtifact, match=r"index\.faiss.*--force index"):
        open_index(path)


def test_a_full_disk_is_what_the_system_says(small_disk: Path) -> None:
    index = faiss.IndexFlatL2(64)
    index.add(np.zeros((10_000, 64), np.float32))  # 2.5 MB
    with pytest.raises(StoreFull, match="no room left"), translated("the index"):
        write_index(small_disk / "index.faiss", index)
    assert not (small_disk / "index.faiss").exists()


def test_an_index_is_written_as_faiss_would(tmp_path: Path) -> None:
    index = faiss.IndexFlatL2(8)
    index.add(KEYS)
    write_index(tmp_path / "ours", index)
    faiss.write_index(index, str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def _trained(factory: str) -> faiss.Index:
    index = faiss.index_factory(8, factory)
    faiss.extract_index_ivf(index).cp.min_points_per_centroid = 1
    index.train(KEYS)
    return index


def _parts(index: faiss.Index, folder: Path, sizes: list[int]) -> IndexParts:
    folder.mkdir()
    parts = IndexParts(index, folder)
    start = 0
    for size in sizes:
        index.add(KEYS[start : start + size])
        parts.flush()
        start += size
    return parts


@pytest.mark.parametrize("factory", ["IVF9,SQfp16", "IVF9,SQ8", "PCA4,IVF9,SQ8", "IVF9,Flat"])
@pytest.mark.parametrize("sizes", [[700], [1, 299, 0, 400]])
def test_an_index_joined_from_parts_answers_like_one_filled_in_memory(
    factory: str, sizes: list[int], tmp_path: Path
) -> None:
    index = _trained(factory)
    _parts(index, tmp_path / "parts", sizes).join(tmp_path / "index.faiss")
    opened = open_index(tmp_path / "index.faiss")
    index.add(KEYS)
    for each in (index, opened):
        faiss.extract_index_ivf(each).nprobe = 3
    distances, ids = index.search(KEYS[:50], 20)
    opened_distances, opened_ids = opened.search(KEYS[:50], 20)
    assert opened.ntotal == 700
    np.testing.assert_allclose(distances, opened_distances, rtol=1e-4, atol=1e-5)
    assert (ids == opened_ids).mean() > 0.99  # keys reach the codes in blocks, which round


def test_the_joined_file_is_the_file_that_faiss_itself_would_write(tmp_path: Path) -> None:
    index = _trained("IVF9,SQ8")
    _parts(index, tmp_path / "parts", [700]).join(tmp_path / "joined.faiss")
    index.add(KEYS)
    faiss.write_index(index, str(tmp_path / "whole.faiss"))
    assert (tmp_path / "joined.faiss").read_bytes() == (tmp_path / "whole.faiss").read_bytes()


def test_nprobe_can_be_changed_in_the_joined_file(tmp_path: Path) -> None:
    parts = _parts(_trained("IVF9,SQ8"), tmp_path / "parts", [300, 400])
    path = tmp_path / "index.faiss"
    parts.join(path)
    before = path.stat().st_size
    parts.set_nprobe(path, 7)
    opened = open_index(path)
    assert faiss.extract_index_ivf(opened).nprobe == 7
    assert path.stat().st_size == before
    assert opened.search(KEYS[:5], 1)[1][:, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "IVF9,PQ4x4fs"])
def test_other_kinds_are_written_whole(factory: str, tmp_path: Path) -> None:
    index = faiss.index_factory(8, factory)
    index.train(KEYS)
    assert not fits_in_parts(index)
    index.add(KEYS)
    write_index(tmp_path / "index.faiss", index)
    opened = open_index(tmp_path / "index.faiss")
    np.testing.assert_array_equal(opened.search(KEYS[:9], 5)[1], index.search(KEYS[:9], 5)[1])
    assert [path.name for path in tmp_path.iterdir()] == ["index.faiss"]
