"""Stores of every kind, so that each protocol test runs on folders and on object stores."""

from pathlib import Path
from uuid import uuid4

import pytest
from obstore.store import MemoryStore

from storage.objects.object_root import ObjectRoot
from storage.store.artifact_store import Store
from tests.services.s3_server import Bucket


@pytest.fixture(params=["folder", "objects", "s3"])
def any_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty store: a folder, objects in memory that take every path S3 takes, or S3."""
    if request.param == "objects":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        return Store(ObjectRoot(f"memory:/{tmp_path}", MemoryStore(), None))
    return _shared_store(request, tmp_path, monkeypatch)


@pytest.fixture(params=["folder", "s3"])
def shared_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty store that several processes can open."""
    return _shared_store(request, tmp_path, monkeypatch)


def _shared_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    if request.param == "folder":
        return Store.open(str(tmp_path / "store"))
    bucket: Bucket = request.getfixturevalue("bucket")
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Store.open(f"{bucket.url}/{uuid4().hex}")
