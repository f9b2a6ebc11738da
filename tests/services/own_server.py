"""Prefect servers on SQLite for tests: one that all of a run share, or one of a test's own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.prefect_database import with_database
from tests.services.running_services import answers, comes_true, free_ports
from tests.services.shared_services import shared_service


@contextmanager
def prefect_in(folder: Path) -> Iterator[Mapping[str, str]]:
    """A Prefect server of its own, and the environment of processes that report to it."""
    api, server = _start(folder)
    with server:
        try:
            yield _environment(api, folder)
        finally:
            server.terminate()


def shared_prefect(folder: Path) -> Mapping[str, str]:
    """The environment of processes that report to the server of all tests.

    Args:
        folder: For what such processes keep for themselves.
    """
    return _environment(shared_service("prefect", _start), folder)


def _environment(api: str, folder: Path) -> dict[str, str]:
    return os.environ | {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # as deploy/prefect.env recommends: one by one, task runs lock SQLite, and events get lost
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        # three workers write at once: where the cores are busy, its 10 s are not enough for a lock
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    }


def _start(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    (port,) = free_ports(1)
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with_database(folder / "home")
    log = folder / "log"
    with log.open("wb") as lines:
        server = subprocess.Popen(
            command, env=_environment(api, folder), stdout=lines, stderr=lines
        )
    if not comes_true(lambda: answers(f"{api}/health") or server.poll() is not None, 300):
        server.kill()
    if server.poll() is not None:
        pytest.fail(f"the Prefect server did not start:\n{log.read_text()}")
    return api, server
