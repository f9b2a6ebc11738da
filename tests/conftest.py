"""Fixtures that tests of every folder share."""

from pathlib import Path

import pytest

from storage.artifact_store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store in a folder of its own."""
    return Store.open(str(tmp_path / "store"))
