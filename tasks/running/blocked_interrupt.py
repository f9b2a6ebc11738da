"""Processes that a terminal's Ctrl-C does not reach.

A terminal sends the signal to every process of the command at once; those that others still need
to stop in good order inherit it blocked.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def blocked_interrupt() -> Iterator[None]:
    """Blocks Ctrl-C for the processes that this thread starts meanwhile, for as long as they live.

    The thread itself is interrupted as before, at the latest afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
