"""Collection: what history, pins, leases and youth protect stays, the rest goes and is counted."""

import os
from pathlib import Path

import pytest

from storage.garbage import collect_garbage
from storage.looks.corpus_looks import CorpusLook, record_look, write_seen
from storage.looks.document_table import DocumentRows, write_table
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact
from storage.store.artifact_store import Store
from storage.store.claims import claim
from storage.store.collection_history import collected
from storage.store.holdings import Holding
from storage.store.pins import pin
from storage.store.run_history import record_run
from storage.store.verification import verify
from tests.support.artifacts import publish


def write(folder: Path) -> None:
    (folder / "data.bin").write_bytes(bytes(1000))


def chain(store: Store, number: int) -> list[ArtifactRef]:
    """A corpus, tokens made from it and targets made from those; only the last is named later."""
    corpus = publish(store, "corpus", {"all": (write, {})}, {"n": number})
    tokens = publish(store, "tokens", {"all": (write, {})}, {"n": number}, {"corpus": corpus})
    targets = publish(store, "targets", {"all": (write, {})}, {"n": number}, {"tokens": tokens})
    return [corpus, targets, tokens]


def age(store: Store, seconds: float) -> None:
    """Makes everything in the store older."""
    assert store.root.folder is not None
    for path in store.root.folder.rglob("*"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def keys(store: Store) -> set[str]:
    """Everything but the records of collections."""
    every = {entry.key for entry in store.root.scan("")}
    return {key for key in every if not key.startswith("collected/")}


def test_the_last_runs_of_each_pipeline_stay_with_all_they_came_from(any_store: Store) -> None:
    chains = [chain(any_store, number) for number in range(4)]
    for number in (0, 1, 2):
        record_run(any_store, "demo", None, chains[number][1:2])
    record_run(any_store, "other", None, chains[0][1:2])
    garbage = collect_garbage(any_store, keep=1)
    assert garbage.artifacts == sorted(chains[1] + chains[3], key=str)
    assert set(any_store.artifacts()) == {*chains[0], *chains[2]}
    assert 6 * 1000 < garbage.bytes < 6 * 3000
    assert verify(any_store).damaged == []


def test_a_dry_run_tells_the_same_and_deletes_nothing(any_store: Store) -> None:
    chain(any_store, 0)
    before = keys(any_store)
    told = collect_garbage(any_store, keep=1, dry_run=True)
    assert {entry.key for entry in any_store.root.scan("")} == before
    assert collect_garbage(any_store, keep=1) == told
    assert keys(any_store) == set()


def test_what_goes_is_recorded_once(any_store: Store) -> None:
    artifacts = chain(any_store, 0)
    collect_garbage(any_store, keep=1)
    assert collected(any_store).keys() == set(artifacts)
    collect_garbage(any_store, keep=1)
    assert len(any_store.root.scan("collected")) == 1


def test_what_a_living_run_has_pinned_stays(any_store: Store) -> None:
    artifacts = chain(any_store, 0)
    with pin(any_store, artifacts[1:2]):
        assert collect_garbage(any_store, keep=0).artifacts == []
    assert collect_garbage(any_store, keep=0).artifacts == sorted(artifacts, key=str)


def test_what_a_dead_run_had_pinned_goes_with_the_pin(store: Store) -> None:
    artifacts = chain(store, 0)
    dead = Holding(started=Holding().started - 100, refs=artifacts)
    store.root.create("pins/dead.json", dead.encoded())
    garbage = collect_garbage(store, keep=0)
    assert garbage.artifacts == sorted(artifacts, key=str)
    assert garbage.leftovers == ["pins/dead.json"]
    assert keys(store) == set()


def test_what_is_being_built_stays_however_old(store: Store) -> None:
    ref = ArtifactRef(stage="tokens", fingerprint="0" * 32)
    with claim(store, ref) as attempt:
        assert attempt is not None
        write(store.writer(ref, "a", attempt).folder)
        writer = store.writer(ref, "b", attempt)
        write(writer.folder)
        writer.commit({}, 1.0, 1)
        (lease,) = store.root.scan(f"artifacts/tokens/{ref.fingerprint}/lease")
        age(store, 1e6)
        store.root.replace(lease.key, store.root.read(lease.key) or b"")
        before = keys(store)
        collect_garbage(store, keep=0)
        assert keys(store) == before


def test_an_interrupted_build_keeps_its_finished_shards_for_a_day(store: Store) -> None:
    ref = ArtifactRef(stage="tokens", fingerprint="0" * 32)
    write(store.writer(ref, "half", "1" * 32).folder)
    writer = store.writer(ref, "done", "1" * 32)
    write(writer.folder)
    writer.commit({}, 1.0, 1)
    store.scratch(ref).save("step-1", write)
    before = keys(store)
    collect_garbage(store, keep=0)
    assert keys(store) == before, "all of it may still be in use"
    age(store, 1000)
    garbage = collect_garbage(store, keep=0)
    assert garbage.leftovers == [f"artifacts/tokens/{ref.fingerprint}/{'1' * 32}/half"]
    assert list(store.committed(ref)) == ["done"]
    assert store.scratch(ref).latest() is not None
    age(store, 100_000)
    assert collect_garbage(store, keep=0).artifacts == [ref]
    assert keys(store) == set()


def test_what_losers_left_in_a_finished_artifact_goes(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"all": (write, {})})
    record_run(any_store, "demo", None, [ref])
    before = {key for key in keys(any_store) if not key.endswith(".reserved")}
    loser = any_store.writer(ref, "all", "2" * 32)
    write(loser.folder)
    loser.commit({}, 1.0, 1)
    any_store.scratch(ref).save("step-1", write)
    collect_garbage(any_store, keep=1)
    assert len(keys(any_store)) > len(before)
    garbage = collect_garbage(any_store, keep=1, grace_seconds=-1)
    assert keys(any_store) == before
    assert garbage.artifacts == []
    assert garbage.bytes >= 2000
    assert verify(any_store).damaged == []


def test_an_interrupted_deletion_is_finished(store: Store) -> None:
    store.root.replace("trash/abc/all/data.bin", bytes(500))
    garbage = collect_garbage(store, keep=1)
    assert garbage == ([], ["trash/abc"], 500)
    assert keys(store) == set()


def test_nothing_goes_while_a_protected_manifest_cannot_be_read(any_store: Store) -> None:
    corpus, targets, tokens = chain(any_store, 0)
    record_run(any_store, "demo", None, [targets])
    key = f"artifacts/tokens/{tokens.fingerprint}/manifest.json"
    any_store.root.replace(key, b"{")
    with pytest.raises(DamagedArtifact, match=tokens.fingerprint):
        collect_garbage(any_store, keep=1)
    assert any_store.manifest(corpus) is not None


def test_looks_at_a_corpus_stay_with_their_tables_and_orphaned_tables_go(
    any_store: Store, tmp_path: Path
) -> None:
    chain(any_store, 0)
    table = tmp_path / "rows.parquet"
    write_table(DocumentRows().table(), table)
    named, lost = (write_seen(any_store, "demo", table) for _ in range(2))
    record_look(
        any_store,
        "demo",
        CorpusLook(reading={}, sources=(), documents=named, kept=0, fingerprint="f"),
    )
    verified = verify(any_store)
    assert verified.damaged == []
    assert verified.checked == 6, "three manifests and three files, nothing of the looks"
    told = collect_garbage(any_store, keep=1, dry_run=True, grace_seconds=-1)
    garbage = collect_garbage(any_store, keep=1, grace_seconds=-1)
    assert garbage == told
    assert garbage.leftovers == [f"watch/demo/documents/{lost}.parquet"]
    assert garbage.bytes > table.stat().st_size
    assert keys(any_store) == {
        "watch/demo/looks/00000001.json",
        f"watch/demo/documents/{named}.parquet",
    }


def test_a_table_that_was_stored_just_now_stays(any_store: Store, tmp_path: Path) -> None:
    table = tmp_path / "rows.parquet"
    write_table(DocumentRows().table(), table)
    write_seen(any_store, "demo", table)
    assert collect_garbage(any_store, keep=1) == ([], [], 0)
    assert len(keys(any_store)) == 1
