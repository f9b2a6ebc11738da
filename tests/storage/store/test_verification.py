"""Verification: one flipped bit, one missing file, one broken manifest are each named."""

from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store
from storage.store.verification import verify
from tests.support.artifacts import publish


def write_two(folder: Path) -> None:
    (folder / "a.bin").write_bytes(bytes(1000))
    (folder / "b.bin").write_bytes(bytes(2000))


def data_key(store: Store, ref: ArtifactRef, name: str) -> str:
    (key,) = [entry.key for entry in store.root.scan("artifacts") if entry.key.endswith(name)]
    assert ref.fingerprint in key
    return key


def test_whole_artifacts_pass(any_store: Store) -> None:
    for stage in ("tokens", "targets"):
        publish(any_store, stage, {"x": (write_two, {}), "y": (write_two, {})})
    assert verify(any_store) == (10, [])


def test_a_flipped_bit_is_found_and_named(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"x": (write_two, {})})
    other = publish(any_store, "targets", {"x": (write_two, {})})
    (key,) = [
        entry.key
        for entry in any_store.root.scan("artifacts/tokens")
        if entry.key.endswith("b.bin")
    ]
    any_store.root.replace(key, bytes(1234) + b"\x01" + bytes(765))
    checked, damaged = verify(any_store)
    assert checked == 6
    (found,) = damaged
    assert found.ref == ref
    assert f"artifacts/tokens/{ref.fingerprint}/{found.file}" == key
    assert verify(any_store, other) == (3, [])


def test_a_missing_file_is_named(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"x": (write_two, {})})
    any_store.root.delete([data_key(any_store, ref, "a.bin")])
    (found,) = verify(any_store, ref).damaged
    assert found.file.endswith("/x/a.bin")


def test_a_broken_manifest_is_named_and_the_rest_is_checked(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"x": (write_two, {})})
    publish(any_store, "targets", {"x": (write_two, {})})
    any_store.root.replace(data_key(any_store, ref, f"{ref.fingerprint}/manifest.json"), b"{}")
    assert verify(any_store) == (4, [(ref, "manifest.json")])


def test_an_artifact_that_does_not_exist_cannot_be_checked(any_store: Store) -> None:
    with pytest.raises(MissingArtifact):
        verify(any_store, ArtifactRef(stage="tokens", fingerprint="0" * 32))
