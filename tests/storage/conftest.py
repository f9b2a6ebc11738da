"""Stores of every kind, so that each protocol test runs on folders and on object stores."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from obstore.exceptions import AlreadyExistsError
from obstore.store import MemoryStore

from storage.objects import object_root
from storage.objects.object_root import ObjectRoot
from storage.store.artifact_store import Store
from tests.services.s3_server import Bucket


@pytest.fixture(params=["folder", "objects", "s3"])
def any_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty store: a folder, objects in memory, or S3."""
    if request.param == "objects":
        store: Store = request.getfixturevalue("objects")
        return store
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


Refuse = Callable[[str, int], None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Has the next so many creations of a key be answered as S3's 409 is; nothing is written."""
    refused = Counter[str]()
    put = object_root.obstore.put
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _seconds: None))

    def put_or_refuse(objects: MemoryStore, key: str, data: bytes, **options: str) -> object:
        ending = next((end for end in +refused if key.endswith(end)), None)
        if ending is not None and options.get("mode") == "create":
            refused[ending] -= 1
            raise AlreadyExistsError(f"409 Conflict: {key}")
        return put(objects, key, data, **options)

    monkeypatch.setattr(object_root.obstore, "put", put_or_refuse)
    return refused.__setitem__


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of objects in memory, which take every path that S3 takes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Store(ObjectRoot(f"memory:/{tmp_path}", MemoryStore(), None))
