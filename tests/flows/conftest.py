"""A Prefect server for the tests that run flows, and a pipeline small enough to run often."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.services.own_server import shared_prefect
from tests.support.tiny_pipeline import write_tiny_pipeline


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Environment of a process that reports to a real Prefect server, which all tests share."""
    return shared_prefect(tmp_path_factory.mktemp("prefect"))


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
