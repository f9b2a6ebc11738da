"""A deployed run ends when what started it dies: nobody else could cancel it or take its log."""

import os
import signal
import threading
from functools import cache

import psutil
from prefect.runtime import deployment

_OUTPUT, _ERRORS = 1, 2  # file descriptors


@cache
def end_with_worker() -> None:
    """Has this process terminate itself once the worker that started it is gone.

    A worker that is killed leaves its runs behind. They would go on beside those of the next one,
    out of reach of a cancellation, until a line of their log met the broken pipe: that ends a run,
    unless a thread of Prefect's own wrote it. So the run takes SIGTERM at once, which ends its work
    in good order; as a crashed run it is then scheduled again.

    A run that no deployment started has a terminal, not a worker; it is left alone.
    """
    if deployment.id is None:
        return
    try:
        worker = psutil.Process(os.getppid())
    except psutil.NoSuchProcess:  # the first process of a container has no parent
        return
    threading.Thread(target=_end_after, args=(worker,), name="end with worker", daemon=True).start()


def _end_after(worker: psutil.Process) -> None:
    worker.wait()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (_OUTPUT, _ERRORS):  # what is still to be said must not fail
        os.dup2(nowhere, stream)
    os.kill(os.getpid(), signal.SIGTERM)
