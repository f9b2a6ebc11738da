import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from memdec_core.errors import UserError
from storage.objects.store_errors import StoreFull
from tasks.running.stage_worker import own_bytes
from tasks.running.supervised_process import WorkerDied, WorkerFailed, WorkerTimedOut, supervise

Report = Callable[[float, str], None]


HELD: list[object] = []


def ignore_report(_fraction: float, _note: str) -> None:
    pass


def double(number: int, report: Report) -> int:
    report(0.5, "half")
    return 2 * number


def process_of(report: Report) -> int:
    return os.getpid()


def mistake(report: Report) -> None:
    raise UserError("targets.k: larger than the datastore")


def full(report: Report) -> None:
    raise StoreFull("no room")


def bug(report: Report) -> None:
    raise KeyError("a bug")


def suicide(report: Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def mistake_beside_semaphores(report: Report) -> None:
    """As a library's progress bars do: semaphores that live as long as the process."""
    HELD.append(multiprocessing.get_context("forkserver").RLock())
    raise UserError("config.tau: too small")


def sleep_and_tell(path: str, report: Report) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def report_for_ever(path: str, report: Report) -> None:
    Path(path).write_text(str(os.getpid()))
    while True:
        report(0.5, "still at it")
        time.sleep(0.01)


def multiply_ever_new_shapes(report: Report) -> float:
    """Grows by how many MB over 400 shapes of a product, after 200 have filled the caches."""
    weight = torch.zeros(512, 256, dtype=torch.bfloat16)

    def multiply(shapes: range) -> int:
        for rows in shapes:
            torch.zeros(rows, 256, dtype=torch.bfloat16) @ weight.T
        return own_bytes()

    before = multiply(range(1, 200))
    return (multiply(range(200, 600)) - before) / 1e6


def test_the_result_and_the_progress_of_a_worker_arrive() -> None:
    seen: list[tuple[float, str]] = []
    assert supervise(double, (21,), lambda *report: seen.append(report), None) == 42
    assert seen == [(0.5, "half")]


def test_work_runs_in_a_process_of_its_own() -> None:
    assert supervise(process_of, (), ignore_report, 1) != os.getpid()


@pytest.mark.parametrize(("work", "kind"), [(mistake, UserError), (full, StoreFull)])
def test_a_users_mistake_crosses_the_process_border_unchanged(
    work: Callable[..., None], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        supervise(work, (), ignore_report, None)


def test_a_worker_does_not_keep_a_kernel_for_every_shape_it_has_seen() -> None:
    grown_mb = supervise(multiply_ever_new_shapes, (), ignore_report, 1)
    # of twice as many shapes 40 were measured where bfloat16 has kernels, without our limits 560
    assert grown_mb < 75


def test_a_bug_is_reported_with_the_workers_traceback() -> None:
    with pytest.raises(WorkerFailed, match=r"KeyError: .a bug"):
        supervise(bug, (), ignore_report, None)


def test_a_killed_worker_is_a_retryable_error_that_names_the_signal() -> None:
    with pytest.raises(WorkerDied, match="SIGKILL"):
        supervise(suicide, (), ignore_report, None)


@pytest.mark.parametrize("work", [sleep_and_tell, report_for_ever])
def test_a_worker_that_takes_too_long_is_killed(
    work: Callable[[str, Report], None], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    supervise(double, (1,), ignore_report, None)  # the fork server is up: it is not what is slow
    started = time.monotonic()
    with pytest.raises(WorkerTimedOut):
        supervise(work, (str(pid_file),), ignore_report, None, 4.0)
    assert 4.0 <= time.monotonic() - started < 12
    assert not psutil.pid_exists(int(pid_file.read_text()))


QUICKLY = (
    "from tests.tasks.running.test_supervised_process import *\n"
    "from tasks.running.supervised_process import IMPORTED_IN_WORKERS\n"
    "IMPORTED_IN_WORKERS.clear()\n"  # nothing that these workers do needs a library
)


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"{QUICKLY}supervise(sleep_and_tell, ({str(pid_file)!r},), ignore_report, None)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3]) as parent:
        assert _comes_true(lambda: pid_file.exists() and pid_file.read_text() != "")
        worker = psutil.Process(int(pid_file.read_text()))
        parent.kill()
    assert _comes_true(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_a_worker_that_fails_leaves_no_semaphore() -> None:
    code = f"{QUICKLY}supervise(mistake_beside_semaphores, (), ignore_report, None)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "config.tau: too small" in done.stderr
    assert "leaked" not in done.stderr


def test_stopping_ends_workers_that_threads_wait_for_and_lets_none_start(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        f"{QUICKLY}"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from tests.tasks.running.test_supervised_process import _comes_true\n"
        "from tasks.running.supervised_process import WorkersStopped, stop_workers\n"
        f"path = {str(pid_file)!r}\n"
        "with ThreadPoolExecutor() as pool:\n"
        "    future = pool.submit(supervise, sleep_and_tell, (path,), ignore_report, None)\n"
        "    assert _comes_true(lambda: Path(path).exists())\n"
        "    stop_workers()\n"
        "    assert isinstance(future.exception(timeout=30), WorkersStopped)\n"
        "    later = pool.submit(supervise, double, (1,), ignore_report, None)\n"
        "    assert isinstance(later.exception(timeout=30), WorkersStopped)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _comes_true(condition: Callable[[], bool]) -> bool:
    """Whether it does within a minute."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()
