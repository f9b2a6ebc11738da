"""A Prefect server for the tests that run flows, and a pipeline small enough to run often."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.tiny_pipeline import write_tiny_pipeline


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Environment of a process that reports to a real Prefect server, started for the session."""
    with prefect_in(tmp_path_factory.mktemp("prefect")) as environment:
        yield environment


@contextmanager
def prefect_in(folder: Path) -> Iterator[Mapping[str, str]]:
    """A Prefect server on SQLite, and the environment of processes that report to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # as deploy/prefect.env recommends: one by one, task runs lock SQLite, and events get lost
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    }
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    log = folder / "log"
    with (
        log.open("wb") as lines,
        subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=lines, stderr=lines
        ) as server,
    ):
        _wait_until_healthy(environment["PREFECT_API_URL"], log)
        yield environment
        server.terminate()


def _wait_until_healthy(api: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{api}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"the Prefect server did not start in two minutes:\n{log.read_text()}")


@pytest.fixture
def prefect_server(prefect_environment: Mapping[str, str]) -> Iterator[None]:
    """Flows called in this process report to the session's server."""
    with temporary_settings({PREFECT_API_URL: prefect_environment["PREFECT_API_URL"]}):
        yield
        APILogWorker.drain_all()  # at exit both would wait long for a server that is gone
        EventsWorker.drain_all()


@pytest.fixture
def tiny_pipeline(tmp_path: Path) -> Path:
    """A pipeline over a few generated documents, with a base model pretrained in seconds."""
    return write_tiny_pipeline(tmp_path / "pipeline")
