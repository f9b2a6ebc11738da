"""The store: published artifacts read back, unfinished ones do not exist, the first one counts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.objects.store_errors import (
    DamagedArtifact,
    MissingArtifact,
    NewerFormat,
    StoreUnavailable,
)
from storage.store.artifact_store import Store
from tests.support.artifacts import publish

REF = ArtifactRef(stage="tokens", fingerprint="0" * 32)


def write_words(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "words.txt").write_text("one two")
    (folder / "sub" / "a b (ü).bin").write_bytes(bytes(1000))


def commit(store: Store, attempt: str, text: str) -> None:
    writer = store.writer(REF, "all", attempt)
    (writer.folder / "words.txt").write_text(text)
    writer.commit({"text": text}, 1.0, 1)


def draft(store: Store) -> ManifestDraft:
    return ManifestDraft(
        format_version=1,
        config={},
        inputs={},
        shards=list(store.committed(REF).values()),
        figures={},
        software={},
    )


def test_a_published_artifact_reads_back(any_store: Store) -> None:
    shards = {"b": (write_words, {"n": 2}), "a": (write_words, {"n": 1})}
    ref = publish(any_store, "tokens", shards)
    assert any_store.artifacts() == [ref]
    assert list(any_store.readers(ref)) == ["a", "b"]
    reader = any_store.readers(ref)["b"]
    assert reader.meta == {"n": 2}
    assert reader.names() == ["sub/a b (ü).bin", "words.txt"]
    assert reader.read("words.txt") == b"one two"
    assert reader.local_path("sub/a b (ü).bin").read_bytes() == bytes(1000)
    assert (reader.folder() / "words.txt").read_text() == "one two"
    assert any_store.require(ref).bytes == 2 * 1007
    assert any_store.require(ref).seconds == 1.0


def test_what_was_not_sealed_does_not_exist(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    assert list(any_store.committed(REF)) == ["all"]
    assert any_store.manifest(REF) is None
    assert any_store.artifacts() == []
    with pytest.raises(MissingArtifact, match="no artifact tokens/000000000000"):
        any_store.require(REF)


def test_the_first_manifest_counts_and_the_second_builder_gets_it(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    first = any_store.seal(REF, draft(any_store))
    second = any_store.seal(REF, draft(any_store).model_copy(update={"figures": {"x": 1}}))
    assert second == first
    assert any_store.require(REF) == first


def test_sealing_tidies_up_the_builders_records(any_store: Store) -> None:
    any_store.scratch(REF).save("step-1", lambda folder: write_words(folder))
    commit(any_store, "1" * 32, "one")
    any_store.seal(REF, draft(any_store))
    keys = [entry.key.split("/", 3)[-1] for entry in any_store.root.scan("artifacts")]
    keys = [key for key in keys if not key.endswith(".reserved")]
    assert keys == [f"{'1' * 32}/all/words.txt", "manifest.json"]


@pytest.mark.parametrize("key", ["manifest.json", "commits/all.json"])
def test_a_builder_whose_record_is_refused_goes_on_where_it_was(
    objects: Store, refuse: Callable[[str], None], key: str
) -> None:
    def build() -> None:
        if not objects.committed(REF):
            commit(objects, "1" * 32, "one")
            objects.scratch(REF).save("step-1", write_words)
        objects.seal(REF, draft(objects))

    refuse(key)
    with pytest.raises(StoreUnavailable, match=key):
        build()
    before = objects.committed(REF)
    assert list(before) == (["all"] if key == "manifest.json" else [])
    assert (objects.scratch(REF).latest() is None) == (not before)
    build()
    assert objects.readers(REF)["all"].read("words.txt") == b"one"
    assert objects.scratch(REF).latest() is None


def test_a_manifest_that_cannot_be_read_costs_the_builder_nothing(
    objects: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(objects, "1" * 32, "one")
    with monkeypatch.context() as patched:
        patched.setattr(objects.root, "create", lambda _key, _data: True)
        with pytest.raises(MissingArtifact):
            objects.seal(REF, draft(objects))
    assert list(objects.committed(REF)) == ["all"]


def test_an_artifact_with_a_missing_file_is_not_sealed(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    prepared = draft(any_store)
    any_store.root.delete([f"artifacts/tokens/{REF.fingerprint}/{'1' * 32}/all/words.txt"])
    with pytest.raises(MissingArtifact, match=r"words\.txt: gone before"):
        any_store.seal(REF, prepared)
    assert any_store.manifest(REF) is None


def test_a_discarded_artifact_can_be_built_anew(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    any_store.seal(REF, draft(any_store))
    any_store.discard(REF)
    assert any_store.manifest(REF) is None
    assert any_store.committed(REF) == {}
    assert any_store.root.scan("artifacts") == []
    commit(any_store, "2" * 32, "two")
    any_store.seal(REF, draft(any_store))
    assert any_store.readers(REF)["all"].read("words.txt") == b"two"


def test_discarding_an_unfinished_build_forgets_its_shards(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    any_store.discard(REF)
    assert any_store.committed(REF) == {}


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"null", b'{"manifest_version": "x"}'])
def test_a_manifest_that_is_none_is_named(any_store: Store, data: bytes) -> None:
    any_store.root.create(f"artifacts/tokens/{REF.fingerprint}/manifest.json", data)
    with pytest.raises(DamagedArtifact, match=r"manifest\.json: not a record of memdec.*--force"):
        any_store.manifest(REF)
    any_store.discard(REF)
    assert any_store.manifest(REF) is None


def test_a_manifest_of_a_newer_memdec_asks_for_an_upgrade(any_store: Store) -> None:
    data = b'{"manifest_version": 99, "news": true}'
    any_store.root.create(f"artifacts/tokens/{REF.fingerprint}/manifest.json", data)
    with pytest.raises(NewerFormat, match=r"manifest version 99.*upgrade memdec"):
        any_store.manifest(REF)


def test_a_foreign_folder_in_the_store_is_ignored(store: Store) -> None:
    ref = publish(store, "tokens", {"all": (write_words, {})})
    assert store.root.folder is not None
    (store.root.folder / "artifacts" / "tokens" / "notes").mkdir()
    (store.root.folder / "artifacts" / ".cache").mkdir()
    assert store.artifacts() == [ref]
