"""Real services on either database, for all tests of this folder that only run flows on them."""

from collections.abc import Iterator

import pytest

from tests.services.running_services import RunningServices, running_services


@pytest.fixture(scope="package", params=["postgresql", "sqlite"])
def services(request: pytest.FixtureRequest) -> Iterator[RunningServices]:
    """PostgreSQL or not, a Prefect server and a worker."""
    with running_services(request.param) as services:
        yield services
