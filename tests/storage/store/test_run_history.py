"""The history of a pipeline: every finished run has its place, newest last."""

import threading

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact, UnsafeName
from storage.store.artifact_store import Store
from storage.store.run_history import pipelines, read_history, record_run

REFS = [ArtifactRef(stage="tokens", fingerprint=digit * 32) for digit in "12"]


def test_runs_are_kept_in_order_newest_last(any_store: Store) -> None:
    assert read_history(any_store, "demo") == []
    first = record_run(any_store, "demo", "run-1", REFS[:1])
    second = record_run(any_store, "demo", None, REFS)
    record_run(any_store, "other", None, [])
    assert read_history(any_store, "demo") == [first, second]
    assert read_history(any_store, "demo", last=1) == [second]
    assert read_history(any_store, "demo", last=0) == []
    assert read_history(any_store, "demo", last=9) == [first, second]
    assert second.artifacts == REFS
    assert pipelines(any_store) == ["demo", "other"]


def test_runs_that_finish_together_all_get_a_place(any_store: Store) -> None:
    def record(number: int) -> None:
        record_run(any_store, "demo", str(number), [])

    threads = [threading.Thread(target=record, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [run.flow_run_id for run in read_history(any_store, "demo")]
    assert sorted(ids, key=str) == sorted(map(str, range(12)))


def test_a_damaged_entry_is_named(any_store: Store) -> None:
    any_store.root.create("refs/demo/00000001.json", b"{")
    with pytest.raises(DamagedArtifact, match=r"refs/demo/00000001\.json"):
        read_history(any_store, "demo")


def test_a_pipeline_name_cannot_leave_the_history(any_store: Store) -> None:
    with pytest.raises(UnsafeName):
        record_run(any_store, "../artifacts", None, [])
