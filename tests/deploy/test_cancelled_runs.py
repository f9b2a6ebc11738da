"""A run that is cancelled in the UI stops at once, leaves nothing running, and can be gone on."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest

from storage.store.artifact_store import Store
from storage.store.verification import verify
from tasks.jobs.run_settings import RunSettings
from tests.services.running_services import RunningServices, comes_true
from tests.services.sharded_flow import build_shards
from tests.services.sharded_work import TOKENS, sharded_job

pytestmark = pytest.mark.slow
STOP_SECONDS = 25.0  # a few where the machine has nothing else to do; Prefect kills after 30


def cancel_and_watch(services: RunningServices, run: UUID) -> float:
    """Cancels a run; returns the seconds until it and all its processes are gone."""
    flow = services.flow_process(run)
    processes = [flow, *flow.children(recursive=True)]
    names = " ".join(" ".join(process.cmdline()) for process in processes)
    assert "forkserver" in names
    started = time.monotonic()
    services.cancel(run)
    _, left = psutil.wait_procs(processes, timeout=60)
    seconds = time.monotonic() - started
    assert left == []
    state = services.wait_until_ended(run).state
    assert state is not None
    assert state.is_cancelled(), state
    return seconds


def parameters(store: Store, seconds: dict[str, float], log: Path) -> dict[str, Any]:
    settings = RunSettings(store=store.url, workers=2, threads=1)
    job = sharded_job(seconds, log)
    return {"job": job.model_dump(mode="json"), "settings": settings.model_dump(mode="json")}


@pytest.mark.parametrize("services", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "names",
    [["quick", "slow-0", "slow-1", "never"], pytest.param(["all"], marks=pytest.mark.long)],
    ids=["threads", "main thread"],
)
def test_cancelling_ends_the_workers_and_keeps_what_is_finished(
    services: RunningServices, names: list[str], tmp_path: Path
) -> None:
    store, log = Store.open(str(tmp_path / "store")), tmp_path / "log"
    seconds = {name: 0.0 if name == "quick" else 120.0 for name in names}
    run = services.start_run(build_shards, parameters(store, seconds, log))
    wanted = {"quick", "slow-0", "slow-1"} & {*names} or {"all"}
    assert comes_true(lambda: log.exists() and {*log.read_text().split()} == wanted, 120)
    if "quick" in names:
        assert comes_true(lambda: "quick" in store.committed(TOKENS), 60)

    assert cancel_and_watch(services, run) < STOP_SECONDS
    assert store.manifest(TOKENS) is None
    assert list(store.committed(TOKENS)) == [name for name in names if name == "quick"]
    assert not list((tmp_path / "store").glob("artifacts/*/*/lease/*"))

    run = services.start_run(build_shards, parameters(store, dict.fromkeys(names, 0.0), log))
    state = services.wait_until_ended(run).state
    assert state is not None
    assert state.is_completed(), state.message
    assert sorted(shard.name for shard in store.require(TOKENS).shards) == sorted(names)
    assert log.read_text().split().count("quick") == names.count("quick")
    assert verify(store).damaged == []
    assert "Traceback" not in services.log("worker")
