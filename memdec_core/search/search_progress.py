"""How far a search has come, though threads work on parts of it beside each other."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from memdec_core.windows.window_batches import OnProgress


def ignore(_fraction: float) -> None:
    """Takes no interest in progress."""


def counted(total: int, on_progress: OnProgress) -> Callable[[int], None]:
    """Turns what has been done since the last call into the fraction of all that is done."""
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more
        on_progress(done / total)

    return add


def of_parts(sizes: Sequence[int], on_progress: OnProgress) -> list[OnProgress]:
    """What each part reports to, from whatever thread; `on_progress` is called by one at a time.

    Args:
        sizes: Of the parts; their shares of the whole.
        on_progress: Takes the finished fraction of the whole.
    """
    fractions = [0.0] * len(sizes)
    lock = threading.Lock()

    def report(part: int, fraction: float) -> None:
        with lock:
            fractions[part] = fraction
            done = sum(each * size for each, size in zip(fractions, sizes, strict=True))
            on_progress(done / sum(sizes))

    return [partial(report, part) for part in range(len(sizes))]
