"""A Prefect server that tests start for themselves."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.running_services import answers, comes_true, free_ports


@contextmanager
def prefect_in(folder: Path) -> Iterator[Mapping[str, str]]:
    """A Prefect server on SQLite, and the environment of processes that report to it."""
    (port,) = free_ports(1)
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # as deploy/prefect.env recommends: one by one, task runs lock SQLite, and events get lost
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    log = folder / "log"
    with (
        log.open("wb") as lines,
        subprocess.Popen(command, env=environment, stdout=lines, stderr=lines) as server,
    ):
        try:
            if not comes_true(lambda: answers(f"{environment['PREFECT_API_URL']}/health"), 120):
                pytest.fail(f"the Prefect server did not start in two minutes:\n{log.read_text()}")
            yield environment
        finally:
            server.terminate()
