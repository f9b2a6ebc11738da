"""Secrets of the environment are nowhere in what a run writes: store, database, logs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.secrets_in_environment import SECRETS
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow


def written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def test_no_secret_is_in_the_store_nor_in_prefects_database(tiny_run: TinyRun) -> None:
    store = list(written(tiny_run.store))
    prefect = list(written(tiny_run.pipeline.parents[1] / "prefect"))
    assert any(path.name == "manifest.json" for path, _ in store)
    database = b"".join(data for path, data in prefect if ".db" in path.name)
    assert b"Build the memory of tiny" in database  # that it is the right place
    leaks = [
        (str(path), name)
        for path, data in [*store, *prefect]
        for name, secret in SECRETS.items()
        if secret.encode() in data
    ]
    assert leaks == []
