"""A bucket on a bad day: each fault at each request of a build, once; nothing is lost.

The build uses all that runs do to a store: pins, a lease, shards, scratch, a manifest, the history
of runs and of production. `make test-long` tries every request, `make test` some of them.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from storage.objects import root_urls
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.objects.store_errors import StoreUnavailable, UnsupportedStore
from storage.store import holdings
from storage.store.artifact_store import Store
from storage.store.claims import claim
from storage.store.pins import pin
from storage.store.production import Decision, Release, read_decisions, record_decision
from storage.store.run_history import read_history, record_run
from storage.store.verification import verify
from tests.services.faulty_proxy import FAULTS, Fault, FaultyProxy, faulty_proxy
from tests.services.s3_server import Bucket

_logger = logging.getLogger(__name__)
REF = ArtifactRef(stage="tokens", fingerprint="0" * 32)
SHARDS = ("a", "b")
TRIES = 4
PATIENCE_SECONDS = 15
"""A request that takes longer is not answered; also on a busy machine the others are quicker."""
EVERY = 25
"""Of so many requests `make test` tries one with each fault, another one with each."""


@pytest.fixture
def proxy(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyProxy]:
    environment: Mapping[str, str] = bucket.environment
    if "AWS_ENDPOINT_URL" not in environment:
        pytest.skip("NOT TESTED: faults of a bucket that somebody else serves")
    with faulty_proxy(environment["AWS_ENDPOINT_URL"]) as between:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        # who died while it held a lease is followed at once
        monkeypatch.setattr(holdings, "STALE_SECONDS", 0.2)
        monkeypatch.setattr(root_urls, "TIMEOUT", f"{PATIENCE_SECONDS}s")
        yield between


def build(url: str, shards: Sequence[str], built: list[str]) -> None:
    """What a run does to its store."""
    store = Store.open(url)
    with pin(store, [REF]), claim(store, REF) as attempt:
        if attempt is not None:
            for name in shards:
                if name in store.committed(REF):
                    continue
                built.append(name)
                writer = store.writer(REF, name, attempt)
                (writer.folder / "data").write_text(name)
                writer.commit({}, 1.0, 1)
            store.scratch(REF).save("step-1", lambda folder: (folder / "x").touch())
            committed = store.committed(REF)
            draft = ManifestDraft(
                format_version=1,
                config={},
                inputs={},
                shards=[committed[name] for name in shards],
                figures={},
                software={},
            )
            store.seal(REF, draft)
    if not read_history(store, "demo"):
        record_run(store, "demo", None, [REF])
    if not read_decisions(store, "demo"):
        release = Release(base=REF, memory=REF, evaluation=REF)
        made = Decision(action="promoted", release=release, artifacts=[], who="me", why="a test")
        if not record_decision(store, "demo", made, after=0):
            assert read_decisions(store, "demo"), "one that races was first"


def build_until_done(url: str, shards: Sequence[str] = SHARDS, tries: int = TRIES) -> list[str]:
    """Builds again after every failure that asks for it; returns the shards that were built."""
    built: list[str] = []
    for _ in range(tries):
        try:
            build(url, shards, built)
        except StoreUnavailable:
            continue
        return built
    raise AssertionError(f"not done after {tries} tries")


def check_whole(url: str, shards: Sequence[str] = SHARDS, *, racing: bool = False) -> None:
    store = Store.open(url)
    assert verify(store) == (1 + len(shards), [], [])
    assert {name: reader.read("data") for name, reader in store.readers(REF).items()} == {
        name: name.encode() for name in shards
    }
    recorded = [run.artifacts for run in read_history(store, "demo")]
    assert recorded == [[REF]] or (racing and recorded == [[REF], [REF]]), "of each run, once"
    assert len(read_decisions(store, "demo")) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_at_any_request_loses_anything(
    proxy: FaultyProxy, bucket: Bucket, fault: Fault, request: pytest.FixtureRequest
) -> None:
    every = 1 if request.config.getoption("--hypothesis-profile") == "long" else EVERY
    if fault == "no answer":
        every *= 4  # each takes as long as one waits
    at = 3 * FAULTS.index(fault) % every
    tried = 0
    while True:
        url = f"{bucket.url}/{uuid4().hex}"
        proxy.arm(fault, at)
        built = Counter(build_until_done(url))
        reached = proxy.requests > at
        proxy.arm(None)
        assert sum(built.values()) <= len(SHARDS) + 1, (at, built)
        check_whole(url)
        if not reached:
            break
        tried += 1
        at += every
    assert tried >= 50 // every


def test_two_racing_runs_on_a_bad_day_lose_nothing(
    proxy: FaultyProxy,
    bucket: Bucket,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holdings, "STALE_SECONDS", 5.0)  # one that is only slow keeps its lease
    is_long = request.config.getoption("--hypothesis-profile") == "long"
    shards = [f"train-{number:05d}" for number in range(30 if is_long else 10)]
    url = f"{bucket.url}/{uuid4().hex}"
    proxy.arm_at_random(share=0.01, seed=32)  # eight faults in the first 150 requests
    with ThreadPoolExecutor(2) as runs:
        racing = [runs.submit(build_until_done, url, shards, 100) for _ in range(2)]
        built = Counter(name for run in racing for name in run.result())
    requests, failed = proxy.requests, proxy.failed
    proxy.arm(None)
    _logger.info("%d of %d requests failed", failed, requests)
    assert failed > 0
    assert set(built) == set(shards)
    assert sum(built.values()) <= len(shards) + failed, "at most one redone per fault"
    check_whole(url, shards, racing=True)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("400", UnsupportedStore, "refuses put-if-absent"),
        ("501", UnsupportedStore, "refuses put-if-absent"),
        ("409", StoreUnavailable, "409.*run again"),
        ("503", StoreUnavailable, "does not answer"),
    ],
)
def test_a_server_without_put_if_absent_is_told_from_one_that_is_busy(
    proxy: FaultyProxy,
    bucket: Bucket,
    fault: Fault,
    error: type[Exception],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _seconds: None))
    proxy.arm(fault, at=1, times=1000)  # after the listing
    with pytest.raises(error, match=said):
        Store.open(f"{bucket.url}/{uuid4().hex}")
