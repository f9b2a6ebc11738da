"""Stores of both kinds, so that each protocol test runs on a folder and on an object store."""

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from storage.artifact_store import Store
from storage.object_root import ObjectRoot


@pytest.fixture(params=["folder", "objects"])
def any_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty store: a folder, or objects in memory that take every path S3 takes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "folder":
        return Store.open(str(tmp_path / "store"))
    return Store(ObjectRoot(f"memory:/{tmp_path}", MemoryStore(), None))
