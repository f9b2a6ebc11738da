"""Many short tasks at once, none of which may lose a request to a locked database."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import StateType

from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tests.services.running_services import POOL, RunningServices, comes_true
from tests.services.sharded_flow import build_shards
from tests.services.sharded_work import TOKENS, sharded_job

SHARDS = int(os.environ.get("MEMDEC_SHARDS", "40"))  # 500 takes minutes
HEARTBEAT_LOST = "Worker channel heartbeat persistence failed"
"""Prefect 3.9 reads and then writes a worker's heartbeat in one deferred transaction, which SQLite
refuses when another write comes between. No run takes part in it; the worker connects again."""
REQUEST = re.compile(r'"(?P<request>[A-Z]+ /api/\S+) HTTP/1.1" (?P<status>\d{3})')


def is_heard_of(client: SyncPrefectClient, since: datetime) -> bool:
    """Whether a worker's heartbeat has been recorded since then."""
    beats = [worker.last_heartbeat_time for worker in client.read_workers_for_work_pool(POOL)]
    return any(beat is not None and beat > since for beat in beats)


def unanswered(records: list[str]) -> list[str]:
    """The requests put off with 503 that were not answered after it.

    Prefect 3.9 reads a run's labels and writes them in one deferred transaction too. Where SQLite
    refuses, its server answers 503, and its client asks again.
    """
    waiting: set[str] = set()
    for found in filter(None, map(REQUEST.search, records)):
        if found["status"] == "503":
            waiting.add(found["request"])
        elif found["status"].startswith("2"):
            waiting.discard(found["request"])
    return sorted(waiting)


@pytest.mark.slow
@pytest.mark.timeout(60 + 4 * SHARDS + 900)
@pytest.mark.parametrize(
    "services", [pytest.param("postgresql", marks=pytest.mark.long), "sqlite"], indirect=True
)
def test_every_shard_is_recorded_and_no_request_is_lost_to_a_locked_database(
    services: RunningServices, tmp_path: Path
) -> None:
    store = Store.open(str(tmp_path / "store"))
    job = sharded_job({f"train-{number:05d}": 0 for number in range(SHARDS)}, tmp_path / "log")
    settings = RunSettings(store=store.url, workers=8, threads=1)
    already = len(services.log("server"))  # other tests kill what this server needs
    run = services.start_run(
        build_shards,
        {"job": job.model_dump(mode="json"), "settings": settings.model_dump(mode="json")},
    )
    state = services.wait_until_ended(run, seconds=60 + 2 * SHARDS).state
    assert state is not None
    assert state.is_completed(), state.message
    assert len(store.require(TOKENS).shards) == SHARDS

    def completed() -> int:
        found = 0
        while True:
            page = services.client.read_task_runs(
                flow_run_filter=FlowRunFilter(id={"any_": [run]}),
                task_run_filter=TaskRunFilter(state={"type": {"any_": [StateType.COMPLETED]}}),
                limit=200,
                offset=found,
            )
            found += len(page)
            if len(page) < 200:
                return found

    assert comes_true(lambda: completed() == SHARDS + 1, 60), completed()
    records = re.split(r"\n(?=\d\d:\d\d:\d\d\.\d+ \|)", services.log("server")[already:])
    assert any(map(REQUEST.search, records)), "the log does not show requests"
    for trouble in ('" 500', "database is locked"):
        assert [each for each in records if trouble in each and HEARTBEAT_LOST not in each] == []
    assert unanswered(records) == []
    if any(HEARTBEAT_LOST in record for record in records):
        now, client = datetime.now(UTC), services.client
        assert comes_true(lambda: is_heard_of(client, now), 90), "the worker has not come back"
