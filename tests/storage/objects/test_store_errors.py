"""Full, read-only and unreachable stores: a clear error, and a store that is unharmed after."""

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.garbage import collect_garbage
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import (
    MissingStore,
    StoreForbidden,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    UnsupportedStore,
    translated,
)
from storage.store.artifact_store import Store
from storage.store.verification import verify
from tests.support.artifacts import publish

REF = ArtifactRef(stage="tokens", fingerprint="0" * 32)


def writes(size: int) -> Callable[[Path], None]:
    return lambda folder: (folder / "data.bin").write_bytes(bytes(size)) and None


def fill_up(filler: Path) -> None:
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_is_named_and_leaves_the_store_whole(small_disk: Path) -> None:
    store = Store.open(str(small_disk / "store"))
    ref = publish(store, "tokens", {"all": (writes(500_000), {})})
    other = publish(store, "targets", {"all": (writes(1000), {})})
    fill_up(small_disk / "filler")
    with pytest.raises(StoreFull, match=r"no room left.*memdec artifacts gc"):
        store.root.create("x", bytes(50_000))
    with pytest.raises(StoreFull, match="no room left"), translated(store.url):
        writes(500_000)(store.writer(REF, "all", "1" * 32).folder)
    assert store.root.read("x") is None
    assert verify(store).damaged == []
    store.start_over(ref)
    assert collect_garbage(store, keep=1).artifacts == sorted([ref, other], key=str)
    publish(store, "tokens", {"all": (writes(100_000), {})})
    assert verify(store).damaged == []


def test_a_read_only_store_can_be_read_and_says_so_when_written(small_disk: Path) -> None:
    store = Store.open(str(small_disk / "store"))
    ref = publish(store, "tokens", {"all": (writes(1000), {})})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    opened = Store.open(store.url)
    assert opened.artifacts() == [ref]
    assert verify(opened) == (2, [], [])
    for write in (
        lambda: opened.writer(REF, "all", "1" * 32),
        lambda: opened.start_over(ref),
        lambda: Store.open(str(small_disk / "other")),
    ):
        with pytest.raises(StoreReadOnly, match=r"cannot be written.*--store"):
            write()
    assert verify(opened) == (2, [], [])


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "memory:///", "http://host/x", "s3://", "s3:/x", "x://"]
)
def test_an_unknown_kind_of_store_is_named(url: str) -> None:
    with pytest.raises(UnsupportedStore, match="unknown kind of store"):
        Store.open(url)


def test_a_store_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingStore, match="part of this path is a file"):
        Store.open(str(tmp_path / "file" / "store"))


def test_an_unreachable_server_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Store.open("s3://bucket/store")


def test_missing_credentials_are_not_taken_for_a_network_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreForbidden, match="no credentials were found; set AWS_ACCESS_KEY_ID"):
        Store.open("s3://bucket/other-store")


def test_paths_and_file_urls_open_the_same_store(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "a store"))
    ref = publish(store, "tokens", {"all": (writes(10), {})})
    assert store.url.startswith("file:///")
    assert Store.open(store.url).artifacts() == [ref]
