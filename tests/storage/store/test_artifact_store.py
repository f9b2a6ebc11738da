"""The store: published artifacts read back, unfinished ones do not exist, the first one counts."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from storage.garbage import collect_garbage
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft, ShardEntry
from storage.objects.store_errors import (
    ArtifactInUse,
    DamagedArtifact,
    MissingArtifact,
    NewerFormat,
    StoreUnavailable,
)
from storage.store.artifact_store import Store
from storage.store.claims import claim
from storage.store.run_history import record_run
from storage.store.verification import verify
from tests.storage.conftest import Refuse
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
    return draft_of(store.committed(REF))


def draft_of(built: Mapping[str, ShardEntry]) -> ManifestDraft:
    shards = list(built.values())
    return ManifestDraft(
        format_version=1, config={}, inputs={}, shards=shards, figures={}, software={}
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
    objects: Store, refuse: Refuse, key: str
) -> None:
    def build() -> None:
        if not objects.committed(REF):
            commit(objects, "1" * 32, "one")
            objects.scratch(REF).save("step-1", write_words)
        objects.seal(REF, draft(objects))

    refuse(key, 7)
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


def test_an_artifact_is_built_again_beside_the_one_that_is_read(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    any_store.seal(REF, draft(any_store))
    reader = any_store.only(REF)
    with claim(any_store, REF, again=True) as attempt:
        assert attempt is not None
        commit(any_store, attempt, "two")
        assert any_store.only(REF).read("words.txt") == b"one", "until it is finished"
        any_store.seal(REF, draft_of(any_store.commits(REF)), attempt)
    assert any_store.only(REF).read("words.txt") == b"two"
    assert reader.read("words.txt") == b"one", "who had opened the old one goes on"
    assert any_store.commits(REF) == {}
    record_run(any_store, "demo", None, [REF])
    assert collect_garbage(any_store, 1, grace_seconds=300).leftovers == []
    assert len(collect_garbage(any_store, 1, grace_seconds=-1).leftovers) >= 1
    assert verify(any_store) == (2, [], [])


def test_building_again_that_is_interrupted_leaves_the_old_artifact(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    sealed = any_store.seal(REF, draft(any_store))
    with claim(any_store, REF, again=True) as attempt:
        assert attempt is not None
        commit(any_store, attempt, "two")
        any_store.scratch(REF).save("step-1", write_words)
    assert any_store.require(REF) == sealed
    assert any_store.only(REF).read("words.txt") == b"one"
    any_store.start_over(REF)
    assert any_store.commits(REF) == {}
    assert any_store.scratch(REF).latest() is None
    assert any_store.require(REF) == sealed


def test_who_has_lost_the_lease_replaces_nothing(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    sealed = any_store.seal(REF, draft(any_store))
    commit(any_store, "2" * 32, "two")
    built = draft_of(any_store.commits(REF))
    with claim(any_store, REF, again=True), pytest.raises(ArtifactInUse, match="taken over"):
        any_store.seal(REF, built, "2" * 32)
    assert any_store.require(REF) == sealed


def test_sealing_deletes_what_other_attempts_left(any_store: Store) -> None:
    half = any_store.writer(REF, "all", "3" * 32)
    write_words(half.folder)
    if any_store.root.folder is None:
        any_store.root.replace(f"artifacts/tokens/{REF.fingerprint}/{'3' * 32}/all/x.part", b"half")
    commit(any_store, "1" * 32, "one")
    any_store.seal(REF, draft(any_store))
    keys = {entry.key.split("/", 3)[-1] for entry in any_store.root.scan("artifacts")}
    assert keys - {f"{'1' * 32}/all.reserved"} == {f"{'1' * 32}/all/words.txt", "manifest.json"}
    assert verify(any_store) == (2, [], [])


def test_starting_over_forgets_the_shards_of_an_unfinished_build(any_store: Store) -> None:
    commit(any_store, "1" * 32, "one")
    any_store.start_over(REF)
    assert any_store.committed(REF) == {}


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"null", b'{"manifest_version": "x"}'])
def test_a_manifest_that_is_none_is_named(any_store: Store, data: bytes) -> None:
    any_store.root.create(f"artifacts/tokens/{REF.fingerprint}/manifest.json", data)
    with pytest.raises(DamagedArtifact, match=r"manifest\.json: not a record of memdec.*--force"):
        any_store.manifest(REF)
    with claim(any_store, REF, again=True) as attempt:
        assert attempt is not None
        commit(any_store, attempt, "two")
        any_store.seal(REF, draft_of(any_store.commits(REF)), attempt)
    assert any_store.only(REF).read("words.txt") == b"two"


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
