"""Whole runs in a bucket on a bad day: what they leave is what undisturbed ones leave."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from storage.store.artifact_store import Store
from storage.store.production import read_decisions
from storage.store.verification import verify
from tests.services.command_line import memdec, memdec_json
from tests.services.faulty_proxy import FAULTS, Fault, FaultyProxy, faulty_proxy
from tests.services.s3_server import Bucket
from tests.support.sealed_artifacts import checksums
from tests.support.tiny_pipeline import write_tiny_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(3600)]
_logger = logging.getLogger(__name__)
PASSING = [fault for fault in FAULTS if fault not in {"501", "no answer"}]
"""Faults that a run waits out; 501 ends it with words, and no answer takes minutes each."""
TRIES = 20


class Undisturbed:
    """A pipeline, and the checksums of all that a run of it left."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.pipeline = write_tiny_pipeline(folder / "pipeline")
        store = folder / "store"
        memdec_json("run", self.pipeline, "--store", store, "--threads", "1", env=environment)
        self.checksums = checksums(Store.open(str(store)))


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, prefect_environment: Mapping[str, str]
) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), prefect_environment)


class BadDay(NamedTuple):
    """A bucket behind a proxy, and the environment of commands that reach it so."""

    url: str
    proxy: FaultyProxy
    environment: Mapping[str, str]

    def counted(self) -> str:
        return f"{self.proxy.failed} of {self.proxy.requests} requests failed"


@pytest.fixture
def bad_day(
    bucket: Bucket, prefect_environment: Mapping[str, str], tmp_path: Path
) -> Iterator[BadDay]:
    endpoint = bucket.environment.get("AWS_ENDPOINT_URL")
    if endpoint is None:
        pytest.skip("NOT TESTED: faults of a bucket that somebody else serves")
    with faulty_proxy(endpoint) as proxy:
        own = {"AWS_ENDPOINT_URL": proxy.url, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        environment = {**prefect_environment, **bucket.environment, **own}
        yield BadDay(f"{bucket.url}/{uuid4().hex}", proxy, environment)


def run_until_done(pipeline: Path, bad_day: BadDay) -> int:
    """Runs again after every failure that asks for it; returns how often it ran."""
    arguments = ("run", pipeline, "--store", bad_day.url, "--threads", "1")
    for tries in range(1, TRIES + 1):
        done = memdec(*arguments, env=bad_day.environment)
        if done.returncode == 0:
            return tries
        assert done.returncode == 1, done.stderr
        assert "run again" in done.stderr, done.stderr
    raise AssertionError(f"not done after {TRIES} tries")


def check_whole(bad_day: BadDay, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket holds what an undisturbed run leaves, and one history of its runs."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_REGION", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, bad_day.environment[name])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, bad_day.environment[name])
    bad_day.proxy.arm(None)
    store = Store.open(bad_day.url)
    assert checksums(store) == undisturbed.checksums
    assert verify(store)[1:] == ([], [])
    assert [made.action for made in read_decisions(store, "tiny")] == ["promoted"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_at_every_request_of_a_run_loses_nothing(
    bad_day: BadDay, undisturbed: Undisturbed, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_day.proxy.arm_everywhere(fault)
    tries = run_until_done(undisturbed.pipeline, bad_day)
    _logger.warning(
        "%s at %d of %d requests, %d runs",
        fault,
        bad_day.proxy.failed,
        bad_day.proxy.requests,
        tries,
    )
    assert bad_day.proxy.failed > 300
    check_whole(bad_day, undisturbed, monkeypatch)


def test_two_runs_that_race_on_a_bad_day_lose_nothing(
    bad_day: BadDay, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_day.proxy.arm_at_random(share=0.01, seed=1)
    with ThreadPoolExecutor(2) as runs:
        racing = [runs.submit(run_until_done, undisturbed.pipeline, bad_day) for _ in range(2)]
        tries = [run.result() for run in racing]
    _logger.warning(
        "%d of %d requests failed, runs: %s", bad_day.proxy.failed, bad_day.proxy.requests, tries
    )
    assert bad_day.proxy.failed > 0
    check_whole(bad_day, undisturbed, monkeypatch)
