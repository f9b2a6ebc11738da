"""Claims: one builds while others wait; dead builders hold nobody up for longer than needed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import storage.store.holdings
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.objects.store_errors import ArtifactInUse
from storage.store.artifact_store import Store
from storage.store.claims import claim
from storage.store.holdings import Holding
from tests.services.running_services import comes_true

REF = ArtifactRef(stage="tokens", fingerprint="0" * 32)
LEASES = f"artifacts/tokens/{REF.fingerprint}/lease"


def seal(store: Store) -> None:
    draft = ManifestDraft(
        format_version=1, config={}, inputs={}, shards=[], figures={}, software={}
    )
    store.seal(REF, draft)


def put_lease(store: Store, holding: Holding, age: float = 0.0) -> None:
    key = f"{LEASES}/00000001.json"
    store.root.create(key, holding.encoded())
    assert store.root.folder is not None
    then = time.time() - age
    os.utime(store.root.folder / key, (then, then))


def test_an_existing_artifact_cannot_be_claimed(any_store: Store) -> None:
    seal(any_store)
    with claim(any_store, REF) as attempt:
        assert attempt is None


def test_a_claim_is_released_with_or_without_success(any_store: Store) -> None:
    with pytest.raises(RuntimeError, match="no"), claim(any_store, REF) as first:
        raise RuntimeError("no")
    with claim(any_store, REF) as second:
        assert second is not None
        assert first != second
        seal(any_store)
    assert any_store.root.scan(LEASES) == []


def test_two_threads_build_once_and_the_waiter_hears_of_it_once(any_store: Store) -> None:
    attempts: list[str | None] = []
    messages: list[str] = []

    def build() -> None:
        with claim(any_store, REF, messages.append) as attempt:
            attempts.append(attempt)
            if attempt:
                assert comes_true(lambda: bool(messages), 60)
                time.sleep(0.7)  # some looks of the waiter
                seal(any_store)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([attempt for attempt in attempts if attempt]) == 1
    assert len(messages) == 1
    assert f"waiting for {REF}, which process {os.getpid()} on" in messages[0]


def test_a_killed_process_of_this_machine_is_followed_at_once(store: Store) -> None:
    script = (
        "import sys, time; from storage.objects.artifact_ref import ArtifactRef;"
        "from storage.store.artifact_store import Store; from storage.store.claims import claim;"
        f"ref = ArtifactRef(stage='tokens', fingerprint='{REF.fingerprint}')\n"
        "with claim(Store.open(sys.argv[1]), ref): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, store.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        child.kill()
        dead = psutil.Process(child.pid)  # not reaped yet: a zombie counts as dead
        assert comes_true(lambda: dead.status() == psutil.STATUS_ZOMBIE, 60)
        waited: list[str] = []
        with claim(store, REF, waited.append) as attempt:
            assert attempt is not None
        assert waited == []


def test_another_process_with_the_same_number_is_not_the_holder(store: Store) -> None:
    put_lease(store, Holding(started=Holding().started - 100))
    with claim(store, REF) as attempt:
        assert attempt is not None


def test_a_silent_holder_of_another_machine_is_followed_after_a_minute(store: Store) -> None:
    put_lease(store, Holding(host="elsewhere"), age=61)
    with claim(store, REF) as attempt:
        assert attempt is not None


def test_a_fresh_holder_of_another_machine_is_waited_for(store: Store) -> None:
    put_lease(store, Holding(host="elsewhere", pid=12), age=30)
    messages: list[str] = []
    timer = threading.Timer(0.6, seal, [store])

    def hear(message: str) -> None:
        messages.append(message)
        timer.start()

    with claim(store, REF, hear) as attempt:
        assert attempt is None
    timer.join()
    assert messages == [f"waiting for {REF}, which process 12 on elsewhere builds"]


def test_an_unreadable_lease_runs_out_like_any_other(store: Store) -> None:
    put_lease(store, Holding(host="elsewhere"))
    store.root.replace(f"{LEASES}/00000001.json", b"{")
    assert store.root.folder is not None
    os.utime(store.root.folder / LEASES / "00000001.json", (1e9, 1e9))
    with claim(store, REF) as attempt:
        assert attempt is not None


def test_a_lease_is_kept_fresh_until_somebody_takes_it_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.store.holdings, "BEAT_SECONDS", 0.05)
    with claim(store, REF):
        (first,) = store.root.scan(LEASES)
        assert comes_true(lambda: store.root.scan(LEASES)[0].modified > first.modified, 30)
        store.root.delete([first.key])
        time.sleep(0.2)
        assert store.root.scan(LEASES) == []


def test_whoever_lost_the_lease_leaves_the_new_holders_alone(store: Store) -> None:
    with claim(store, REF):
        newer = f"{LEASES}/00000002.json"
        store.root.create(newer, Holding(host="elsewhere").encoded())
    assert [entry.key for entry in store.root.scan(LEASES)] == [newer]


def test_nobody_starts_over_what_is_being_built(store: Store) -> None:
    with claim(store, REF) as attempt:
        assert attempt is not None
        store.writer(REF, "all", attempt).commit({}, 1.0, 1)
        with pytest.raises(ArtifactInUse, match=r"anew, which process \d+ on"):
            store.start_over(REF)
        assert list(store.committed(REF)) == ["all"]
    store.start_over(REF)
    assert store.committed(REF) == {}
