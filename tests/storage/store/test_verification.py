"""Verification: one flipped bit, one missing file, one broken manifest are each named."""

from pathlib import Path

import pytest

from storage.garbage import collect_garbage
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store
from storage.store.pins import pin
from storage.store.production import Decision, Release, record_decision
from storage.store.run_history import record_run
from storage.store.verification import verify
from tests.support.artifacts import publish, remove


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
    assert verify(any_store) == (10, [], [])


def test_a_flipped_bit_is_found_and_named(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"x": (write_two, {})})
    other = publish(any_store, "targets", {"x": (write_two, {})})
    (key,) = [
        entry.key
        for entry in any_store.root.scan("artifacts/tokens")
        if entry.key.endswith("b.bin")
    ]
    any_store.root.replace(key, bytes(1234) + b"\x01" + bytes(765))
    checked, damaged, _ = verify(any_store)
    assert checked == 6
    (found,) = damaged
    assert found.ref == ref
    assert f"artifacts/tokens/{ref.fingerprint}/{found.file}" == key
    assert verify(any_store, other) == (3, [], [])


def test_a_missing_file_is_named(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"x": (write_two, {})})
    any_store.root.delete([data_key(any_store, ref, "a.bin")])
    (found,) = verify(any_store, ref).damaged
    assert found.file.endswith("/x/a.bin")


def test_a_broken_manifest_is_named_and_the_rest_is_checked(any_store: Store) -> None:
    ref = publish(any_store, "tokens", {"x": (write_two, {})})
    publish(any_store, "targets", {"x": (write_two, {})})
    any_store.root.replace(data_key(any_store, ref, f"{ref.fingerprint}/manifest.json"), b"{}")
    assert verify(any_store) == (4, [(ref, "manifest.json")], [])


def test_an_artifact_that_does_not_exist_cannot_be_checked(any_store: Store) -> None:
    with pytest.raises(MissingArtifact):
        verify(any_store, ArtifactRef(stage="tokens", fingerprint="0" * 32))


def chain(store: Store, number: int) -> tuple[ArtifactRef, Release]:
    """A corpus, and a release whose memory was made from it."""
    files = {"x": (write_two, {})}
    corpus = publish(store, "corpus", files, {"number": number})
    parts = {
        role: publish(store, stage, files, {"number": number}, {"corpus": corpus})
        for role, stage in (("base", "base_model"), ("memory",) * 2, ("evaluation",) * 2)
    }
    return corpus, Release(**parts)


def promote(store: Store, number: int, release: Release) -> None:
    made = Decision(action="promoted", release=release, artifacts=[], who="me", why="a test")
    record_decision(store, "law", made, after=number)


def missing(store: Store) -> list[tuple[ArtifactRef, str]]:
    return [(each.ref, each.by) for each in verify(store).missing]


@pytest.mark.parametrize("lost", ["corpus", "memory"])
def test_what_production_needs_is_followed_to_the_corpus(any_store: Store, lost: str) -> None:
    corpus, release = chain(any_store, 0)
    record_run(any_store, "law", None, [release.memory])
    promote(any_store, 0, release)
    assert missing(any_store) == []
    gone = corpus if lost == "corpus" else release.memory
    remove(any_store, gone)
    assert missing(any_store) == [(gone, "release 1 of law (in production)")]


def test_what_an_earlier_release_or_a_finished_run_needs_is_missed(any_store: Store) -> None:
    (_, old), (_, new) = chain(any_store, 0), chain(any_store, 1)
    promote(any_store, 0, old)
    promote(any_store, 1, new)
    corpus, other = chain(any_store, 2)
    record_run(any_store, "law", None, [other.memory])
    record_run(any_store, "law", None, [new.memory])
    remove(any_store, old.memory)
    remove(any_store, corpus)
    by = {"release 1 of law", "run 1 of law"}
    assert {said for _, said in missing(any_store)} == by
    assert {ref for ref, _ in missing(any_store)} == {old.memory, corpus}


def test_what_was_collected_is_not_missed_and_what_is_needed_still_is(any_store: Store) -> None:
    (_, old), (_, new) = chain(any_store, 0), chain(any_store, 1)
    for number, release in enumerate((old, new)):
        promote(any_store, number, release)
        record_run(any_store, "law", None, [release.memory])
    collected = collect_garbage(any_store, keep=1, releases=0).artifacts
    assert old.memory in collected
    assert missing(any_store) == []
    promote(any_store, 2, old)
    again, _ = chain(any_store, 0)
    assert missing(any_store) == []
    remove(any_store, again)
    assert [ref for ref, _ in missing(any_store)] == [again], "though it once was collected"


def test_what_was_gone_of_old_runs_before_anybody_noted_it_is_given_up(any_store: Store) -> None:
    (_, old), (_, new) = chain(any_store, 0), chain(any_store, 1)
    for release in (old, new):
        record_run(any_store, "law", None, [release.memory])
    remove(any_store, old.memory)
    assert [ref for ref, _ in missing(any_store)] == [old.memory]
    collect_garbage(any_store, keep=2, dry_run=True)
    collect_garbage(any_store, keep=2)
    assert [ref for ref, _ in missing(any_store)] == [old.memory], "the run is to be kept"
    collect_garbage(any_store, keep=1)
    assert missing(any_store) == []


def test_what_a_running_run_still_has_to_build_is_not_missed(any_store: Store) -> None:
    with pin(any_store, [ArtifactRef(stage="memory", fingerprint="0" * 32)]):
        assert verify(any_store) == (0, [], [])
