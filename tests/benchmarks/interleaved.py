"""Fair comparisons of two ways to do the same work on a machine that others use too.

Speed: both sides run in turn in one process (A B A B ...), so that a busy minute slows both, and
the ratio is the median of the ratios within the rounds. Memory: each side runs once alone in a
fresh process, where nothing the other side left behind can be counted or reused; its peak is the
most memory of its own seen during the work, above what its preparation still held.
"""

import ctypes
import gc
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from tasks.running.stage_worker import own_bytes

SAMPLE_SECONDS = 0.002

Work = Callable[[], int]
"""Does the work once; returns how many units (tokens, rows, ...) it handled."""

Side = Callable[[], Work]
"""Prepares inputs and models, outside the measurement, and returns the work.

It is a function of a module, or a `functools.partial` of one, so that a fresh process can call it.
"""


class BenchRow(NamedTuple):
    """One line of `make bench`: our stage against a plain reference.

    Attributes:
        stage: The pipeline stage measured.
        what: The work and its size, in words.
        ours_per_s: Our units per second, median over the rounds.
        reference_per_s: The reference's units per second, median over the rounds.
        ratio: Median over the rounds of ours over reference within the round; above 1 is faster.
        ours_peak_mb: Our peak memory above the preparation (MB, 10^6 bytes).
        reference_peak_mb: The reference's, measured in the same way.
        unit: What is counted, for example `tokens`.
    """

    stage: str
    what: str
    ours_per_s: float
    reference_per_s: float
    ratio: float
    ours_peak_mb: float
    reference_peak_mb: float
    unit: str


class Medians(NamedTuple):
    """What interleaved rounds agree on, in units per second and their ratio."""

    ours_per_s: float
    reference_per_s: float
    ratio: float


def interleave(ours: Work, reference: Work, rounds: int) -> Medians:
    """Run both sides in turn `rounds` times, after one round that warms both up.

    Args:
        ours: Our side, prepared.
        reference: The other side, prepared.
        rounds: Measured rounds, at least one.

    Returns:
        The medians over the rounds.
    """
    ours()
    reference()
    pairs = [(_units_per_second(ours), _units_per_second(reference)) for _ in range(rounds)]
    return Medians(
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def _units_per_second(work: Work) -> float:
    started = time.perf_counter()
    units = work()
    return units / (time.perf_counter() - started)


def peak_memory_mb(side: Side) -> float:
    """Measure one side's peak memory in a fresh process.

    Args:
        side: Prepares the work; called in the fresh process.

    Returns:
        Peak anonymous and shared memory during the first run of the work, above that after the
        preparation (MB, 10^6 bytes), sampled every 2 ms. Pages of mapped files do not count.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_growth_mb, (side,))


def _peak_growth_mb(side: Side) -> float:
    work = side()
    gc.collect()
    if sys.platform == "linux":  # what the preparation freed must not be there for the work to use
        ctypes.CDLL(None).malloc_trim(0)
    before = peak = own_bytes()
    finished = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not finished.wait(SAMPLE_SECONDS):
            peak = max(peak, own_bytes())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        work()
    finally:
        finished.set()
        sampler.join()
    return (peak - before) / 1e6


def compare(
    stage: str, what: str, unit: str, *, ours: Side, reference: Side, rounds: int = 5
) -> BenchRow:
    """Measure speed and memory of two sides and return the line that reports them.

    Args:
        stage: The pipeline stage measured.
        what: The work and its size, in words.
        unit: What the sides count.
        ours: Our side.
        reference: The plain way to do the same.
        rounds: Measured rounds of the speed comparison.
    """
    speed = interleave(ours(), reference(), rounds)
    return BenchRow(
        stage,
        what,
        *speed,
        ours_peak_mb=peak_memory_mb(ours),
        reference_peak_mb=peak_memory_mb(reference),
        unit=unit,
    )
