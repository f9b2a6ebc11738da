"""A server that the tests of one module share."""

from collections.abc import Iterator

import openai
import pytest

from tests.services.running_server import RunningServer, models, running_server


@pytest.fixture(scope="module")
def server(one_thread: None) -> Iterator[RunningServer]:
    """Serves `base`, `law` and `biomed` without a key."""
    with running_server(models()) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    """OpenAI's client of that server."""
    with server.client() as openai_client:
        yield openai_client
