from pathlib import Path

import numpy as np
import pytest

from storage.formats.index_files import open_index, open_keys, write_keys
from storage.objects.store_errors import DamagedArtifact


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
