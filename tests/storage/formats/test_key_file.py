from pathlib import Path

import numpy as np

from storage.formats.key_file import open_keys, write_keys


def test_keys_written_in_blocks_are_mapped_as_one_array_of_halves(tmp_path: Path) -> None:
    keys = np.random.default_rng(0).standard_normal((700, 8)).astype(np.float16)
    write_keys(tmp_path / "keys.npy", 700, 8, iter([(0, keys[:300]), (300, keys[300:])]))
    opened = open_keys(tmp_path / "keys.npy")
    assert isinstance(opened, np.memmap)
    np.testing.assert_array_equal(opened, keys)
