"""A counter that moves: how much of a shard is done, and how fast it goes."""

import time
from collections.abc import Callable

_INTERVAL_SECONDS = 0.5


class CountedProgress:
    """Reports the progress of a shard as a count and a rate.

    Args:
        report: Takes the finished fraction of the shard's work, and words.
        total: How many there are.
        unit: What is counted, in the plural.
        share: Of the shard's work that this is.
    """

    def __init__(
        self, report: Callable[[float, str], None], total: int, unit: str, share: float = 1.0
    ) -> None:
        self._report = report
        self._total = total
        self._unit = unit
        self._share = share
        self._started = time.monotonic()
        self._next = 0.0

    def fraction(self, fraction: float) -> None:
        """Takes the finished fraction of them."""
        self(round(fraction * self._total))

    def part(self, start: int, stop: int) -> Callable[[float], None]:
        """What takes the finished fraction of a part of them."""
        return lambda fraction: self(start + round(fraction * (stop - start)))

    def __call__(self, done: int) -> None:
        """Takes how many are finished; what comes too soon after another is not passed on."""
        now = time.monotonic()
        if now < self._next and done < self._total:
            return
        self._next = now + _INTERVAL_SECONDS
        rate = done / max(now - self._started, 1e-9)
        said = f"{done:,}/{self._total:,} {self._unit}, {rate:,.0f}/s"
        self._report(self._share * done / self._total, said)
