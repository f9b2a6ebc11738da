"""The store: published artifacts read back, unfinished ones do not exist."""

from pathlib import Path

import pytest

from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.store_errors import MissingArtifact
from tests.artifacts import publish


def write_words(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "words.txt").write_text("one two")
    (folder / "sub" / "more.bin").write_bytes(bytes(1000))


def test_a_published_artifact_reads_back(store: Store) -> None:
    ref = publish(store, "tokens", {"b": (write_words, {"n": 2}), "a": (write_words, {"n": 1})})
    assert store.artifacts() == [ref]
    assert list(store.readers(ref)) == ["a", "b"]
    reader = store.readers(ref)["b"]
    assert reader.meta == {"n": 2}
    assert reader.names() == ["sub/more.bin", "words.txt"]
    assert reader.read("words.txt") == b"one two"
    assert reader.local_path("sub/more.bin").read_bytes() == bytes(1000)
    assert (reader.folder() / "words.txt").read_text() == "one two"
    assert store.require(ref).bytes == 2 * 1007


def test_what_was_not_sealed_does_not_exist(store: Store) -> None:
    ref = ArtifactRef(stage="tokens", fingerprint="0" * 32)
    writer = store.writer(ref, "all", "1" * 32)
    write_words(writer.folder)
    assert store.committed(ref) == {}
    writer.commit({}, 1.0, 1)
    assert list(store.committed(ref)) == ["all"]
    assert store.manifest(ref) is None
    assert store.artifacts() == []
    with pytest.raises(MissingArtifact, match="no artifact"):
        store.require(ref)
