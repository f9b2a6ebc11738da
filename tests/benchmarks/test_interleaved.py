"""The measuring tools measure what they say."""

import time
from functools import partial

import numpy as np
import pytest

from tests.benchmarks.interleaved import Work, interleave, peak_memory_mb


def sleeper(seconds: float) -> Work:
    def work() -> int:
        time.sleep(seconds)
        return 10

    return work


def allocator(megabytes: int) -> Work:
    def work() -> int:
        block = np.ones(megabytes * 1_000_000, np.uint8)
        time.sleep(0.05)
        return block.size

    return work


def test_the_side_that_takes_a_tenth_of_the_time_has_a_ratio_near_ten() -> None:
    medians = interleave(sleeper(0.02), sleeper(0.2), rounds=3)
    assert 4 < medians.ratio < 11  # a busy machine oversleeps the short sleep most
    assert 10 / 0.05 < medians.ours_per_s <= 10 / 0.02


def test_peak_memory_is_that_of_the_work_in_its_own_process() -> None:
    assert peak_memory_mb(partial(allocator, 200)) == pytest.approx(200, rel=0.1)
