"""Heavy work runs in a child process of ours, watched by the thread that started it.

A thread cannot be stopped and shares its memory with everything else; a process can be killed, and
when the kernel ends it for its memory the run goes on with an ordinary, retryable exception.
Children are forked from a server process that has already imported the libraries, so that one
costs milliseconds; they end when their parent does, however that ends.
"""

import atexit
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from memdec_core.errors import UserError
from storage.objects.store_errors import StorageError
from storage.objects.temporary_folder import temporary_folder
from tasks.running.blocked_interrupt import blocked_interrupt

Report = Callable[[float, str], None]
T = TypeVar("T")
_EXIT_SECONDS = 5.0
_RUNNING: set[BaseProcess] = set()
_STOPPED = threading.Event()

_WORKER_ENVIRONMENT = {
    # threads that spin while they wait take the cores from each other: measured 2.7-3.8x slower
    # training beside other work
    "OMP_WAIT_POLICY": "passive",
    # kernels that oneDNN, and torch's layer over it, keep for shapes seen before: of the 1,024 of
    # their default, batches that rarely repeat a shape fill 1 MB per training step
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "LRU_CACHE_CAPACITY": "128",
}

_PROCESSES = multiprocessing.get_context("forkserver")
IMPORTED_IN_WORKERS = ["tasks.running.worker_libraries"]
"""Modules that are imported once for all workers of a run; `import_in_workers` adds to them."""
_PROCESSES.set_forkserver_preload(IMPORTED_IN_WORKERS)


class WorkerDied(RuntimeError):
    """A worker process ended without an answer: killed by a signal or for its memory."""


class WorkerFailed(RuntimeError):
    """A worker process raised; the message is the exception, a note holds its traceback."""


class WorkerTimedOut(RuntimeError):
    """A worker process had no answer in time and was killed."""


class WorkersStopped(RuntimeError):
    """The run is being stopped; no worker starts or goes on."""


def import_in_workers(module: str) -> None:
    """Has a module imported once, in what workers are forked from, and not by each of them.

    Args:
        module: Its name. It must be known before the first worker starts.
    """
    IMPORTED_IN_WORKERS.append(module)
    _PROCESSES.set_forkserver_preload(IMPORTED_IN_WORKERS)


def supervise(
    work: Callable[..., T],
    arguments: tuple[object, ...],
    report: Report,
    threads: int | None,
    seconds: float | None = None,
) -> T:
    """Runs `work(*arguments, report)` in a child process and waits for it.

    Args:
        work: A module-level function; its arguments and result must pickle.
        arguments: Passed on before the progress callback.
        report: Called in this process with each progress report of the child.
        threads: Threads of the child's numeric libraries; None leaves their default.
        seconds: The most time the work may take; None waits for ever.

    Returns:
        What the work returned.

    Raises:
        UserError: Raised by the work; passed on as it is.
        StorageError: Likewise.
        WorkerFailed: The work raised anything else.
        WorkerDied: The process ended without an answer.
        WorkerTimedOut: It did not answer in time.
        WorkersStopped: `stop_workers` was called.
        RuntimeError: This already is a worker: its script lacks a `__main__` guard.
    """
    if multiprocessing.parent_process() is not None:
        raise RuntimeError(
            "A worker process has run the script that started it; put the script's call of the "
            "flow under `if __name__ == '__main__':`."
        )
    start_fork_server()
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    child = _PROCESSES.Process(target=_child, args=(sender, work, arguments, threads), daemon=True)
    child.start()
    sender.close()
    _RUNNING.add(child)
    try:
        _refuse_after_stop()
        kind, *content = _await_answer(receiver, report, seconds)
    except EOFError:
        child.join()
        _refuse_after_stop()
        raise WorkerDied(_death_message(work, child.exitcode)) from None
    else:
        child.join(_EXIT_SECONDS)  # killed at once it would leave the semaphores of libraries
        answer: T = _outcome(kind, *content)
        return answer
    finally:
        _RUNNING.discard(child)
        receiver.close()
        child.kill()
        child.join()


def stop_workers() -> None:
    """Ends every worker of this process for good.

    The threads that watch them do not notice an interrupt and would see them through.
    """
    _STOPPED.set()
    for child in list(_RUNNING):
        child.kill()


@cache
def _make_temporary_folder() -> None:
    """Keeps sockets where the next run clears up; Python's own place stays after a SIGKILL."""
    made = ExitStack()
    folder = made.enter_context(temporary_folder())
    atexit.register(made.close)
    # multiprocessing asks nothing else for its place but the process's configuration
    multiprocessing.current_process()._config["tempdir"] = str(folder)  # type: ignore[attr-defined]


def start_fork_server() -> None:
    """Starts what workers are forked from, deaf to Ctrl-C from its first moment.

    It needs seconds to import what they need; who calls this early has them for something else.
    """
    for name, value in _WORKER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # it hands them on to every worker
    _make_temporary_folder()
    resource_tracker.ensure_running()  # on its own: it unblocks the signal
    with blocked_interrupt():
        forkserver.ensure_running()


def _refuse_after_stop() -> None:
    if _STOPPED.is_set():
        raise WorkersStopped("The run is being stopped.")


def _await_answer(
    receiver: Connection, report: Report, seconds: float | None
) -> tuple[str, *tuple[Any, ...]]:
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        if not receiver.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise WorkerTimedOut(f"no answer after {seconds} seconds")
        kind, *content = receiver.recv()
        if kind != "progress":
            return kind, *content
        report(*content)


def _outcome(kind: str, *content: Any) -> Any:  # noqa: ANN401 - work's own
    """What the work returned, or its exception."""
    if kind == "result":
        return content[0]
    if kind == "mistake":
        raise content[0]
    summary, remote_traceback = content
    failure = WorkerFailed(summary)
    failure.add_note(remote_traceback)
    raise failure


def _death_message(work: Callable[..., object], exit_code: int | None) -> str:
    name = getattr(work, "__name__", repr(work))
    if exit_code is not None and exit_code < 0:
        cause = signal.Signals(-exit_code).name
        hint = "; the kernel may have run out of memory" if cause == "SIGKILL" else ""
        return f"The worker process of {name} was ended by {cause}{hint}."
    return f"The worker process of {name} ended with exit code {exit_code} and no answer."


def _child(
    sender: Connection,
    work: Callable[..., object],
    arguments: tuple[object, ...],
    threads: int | None,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when the work stops
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_threads(threads)
    try:
        result = work(*arguments, lambda done, note: sender.send(("progress", done, note)))
    except (UserError, StorageError) as mistake:
        sender.send(("mistake", mistake))
    except BaseException as failure:
        summary = "".join(traceback.format_exception_only(failure)).strip()
        sender.send(("failure", summary, traceback.format_exc()))
    else:
        sender.send(("result", result))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _limit_threads(threads: int | None) -> None:
    if threads is None:
        return
    import faiss
    import numba
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.get_num_threads()))
