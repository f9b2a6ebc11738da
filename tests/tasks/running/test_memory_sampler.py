import mmap
from pathlib import Path

import numpy as np
import pytest

from tasks.running.stage_worker import MemorySampler

SIZE = 100_000_000


def test_memory_that_was_freed_again_counts_towards_the_peak() -> None:
    with MemorySampler() as before:
        pass
    with MemorySampler() as during:
        block = np.ones(SIZE, dtype=np.uint8)
        assert block.sum() == SIZE
        during.sample()
        del block
    assert 0.9 * SIZE < during.peak_bytes - before.peak_bytes < 1.3 * SIZE


def test_pages_of_a_mapped_file_do_not_count(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells file pages apart")
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    with MemorySampler() as before:
        pass
    with (
        MemorySampler() as during,
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        assert np.frombuffer(mapped, dtype=np.uint8).sum() == 0
        during.sample()
    assert during.peak_bytes - before.peak_bytes < 0.3 * SIZE
