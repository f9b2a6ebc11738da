"""The measuring tools measure what they say."""

import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks import interleaved
from tests.benchmarks.interleaved import Work, interleave, peak_memory_mb


class Clock:
    """Stands still but for the work that is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def work(self, *seconds: float) -> Work:
        """Ten units at each call, which take so long."""
        left = iter(seconds)

        def work() -> int:
            self.now += next(left)
            return 10

        return work


def allocator(megabytes: int) -> Work:
    def work() -> int:
        block = np.ones(megabytes * 1_000_000, np.uint8)
        time.sleep(0.5)  # for the sampler to see it, also on a busy machine
        return block.size

    return work


def test_medians_are_of_the_rounds_after_the_first_and_the_ratio_of_those_within_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(interleaved, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    ours, reference = clock.work(50, 2, 10, 4), clock.work(7, 20, 100, 20)
    assert interleave(ours, reference, rounds=3) == (10 / 4, 10 / 20, 10)


def test_peak_memory_is_that_of_the_work_in_its_own_process() -> None:
    assert peak_memory_mb(partial(allocator, 200)) == pytest.approx(200, rel=0.1)
