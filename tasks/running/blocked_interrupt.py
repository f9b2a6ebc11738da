"""Processes that neither a terminal's Ctrl-C nor its closing reaches.

A terminal sends the signal to every process of the command at once; those that others still need
to stop in good order inherit it blocked.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def blocked_interrupt() -> Iterator[None]:
    """Blocks SIGINT and SIGHUP for what this thread starts meanwhile, for as long as it lives.

    The thread itself is interrupted as before, at the latest afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
