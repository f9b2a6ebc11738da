"""Processes, and files, that all parallel workers of a test run share: who asks first makes them.

The last worker that has used one ends it, in `end_shared_services`.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock

Start = Callable[[Path], tuple[str, subprocess.Popen[bytes] | None]]
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
_FOLDER = Path(tempfile.gettempdir()) / f"memdec-shared-{_RUN}"
_addresses: dict[str, str] = {}
_started: list[subprocess.Popen[bytes] | None] = []
_one_at_a_time = threading.RLock()  # one may be made of another


def shared_service(name: str, start: Start) -> str:
    """Address of a service of the test run, which is started unless another worker has.

    Args:
        name: Of the service.
        start: Starts it in a new folder; returns its address and its process, None for what is
            there without one.
    """
    with _one_at_a_time:
        if name not in _addresses:
            with _locked(name) as folder:
                if not _users(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    (folder / "users").mkdir(parents=True)
                    address, process = start(folder)
                    _started.append(process)  # not to be collected, and asked to be waited for
                    state = {"address": address, "process": process and process.pid}
                    (folder / "state.json").write_text(json.dumps(state))
                (folder / "users" / str(os.getpid())).touch()
                _addresses[name] = json.loads((folder / "state.json").read_text())["address"]
        return _addresses[name]


def end_shared_services() -> None:
    """Ends those that this process was the last to use."""
    for name in _addresses:
        with _locked(name) as folder:
            (folder / "users" / str(os.getpid())).unlink(missing_ok=True)
            if not _users(folder):
                _end(json.loads((folder / "state.json").read_text())["process"])
                shutil.rmtree(folder)
    _addresses.clear()
    with contextlib.suppress(OSError):  # others still run theirs
        for lock in _FOLDER.glob("*.lock"):
            if not (_FOLDER / lock.stem).exists():
                lock.unlink()
        _FOLDER.rmdir()


@contextmanager
def _locked(name: str) -> Iterator[Path]:
    _FOLDER.mkdir(exist_ok=True)
    with FileLock(_FOLDER / f"{name}.lock"):
        yield _FOLDER / name


def _users(folder: Path) -> list[int]:
    """Processes that use the service and are alive."""
    found = [int(path.name) for path in folder.glob("users/*")]
    return [user for user in found if psutil.pid_exists(user)]


def _end(process_id: int | None) -> None:
    if process_id is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        process.terminate()
        deadline = time.monotonic() + 20
        while process.status() != psutil.STATUS_ZOMBIE:  # which it stays for the worker it is of
            if time.monotonic() > deadline:
                process.kill()
                return
            time.sleep(0.05)
