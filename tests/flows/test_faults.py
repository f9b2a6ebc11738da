"""Runs that are killed, and runs that race."""

import logging
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from storage.store.artifact_store import Store
from tests.services.command_line import ENTRY, ROOT, memdec_json
from tests.support.sealed_artifacts import checksums

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("MEMDEC_KILLS", "2"))


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes that build shards: children of the run's fork server."""
    try:
        servers = [
            child for child in process.children() if "forkserver" in " ".join(child.cmdline())
        ]
        return [worker for server in servers for worker in server.children()]
    except psutil.NoSuchProcess:
        return []


def run_and_kill(command: list[str], env: Mapping[str, str], seconds: float) -> bool:
    """Starts a run and kills it some seconds after it began to build; False if it ended by then."""
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        process = psutil.Process(run.pid)
        while run.poll() is None and not workers_of(process):
            time.sleep(0.01)
        try:
            run.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            return True
        return False


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_again_and_again_ends_like_an_uninterrupted_one(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    whole = memdec_json(
        "run", tiny_pipeline, "--store", tmp_path / "0", "--threads", "1", env=prefect_environment
    )
    seconds = sum(stage["seconds"] for stage in whole["stages"])
    generator = random.Random(20)
    kills, runs = 0, 0
    while kills < KILLS:  # a run that got through before the last kill is followed by another
        runs += 1
        arguments = ["run", tiny_pipeline, "--store", tmp_path / str(runs), "--threads", "1"]
        command = [*ENTRY, *map(str, arguments)]
        while kills < KILLS and run_and_kill(
            command, prefect_environment, generator.uniform(0, seconds / 4)
        ):
            kills += 1
        ended = memdec_json(*arguments, env=prefect_environment)
        assert ended["evaluation"] == whole["evaluation"]
        stores = [Store.open(str(tmp_path / name)) for name in (str(runs), "0")]
        assert checksums(stores[0]) == checksums(stores[1])
    logging.getLogger(__name__).warning("%d kills in %d runs", kills, runs)


def test_a_killed_worker_is_replaced_within_the_run(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    store = str(tmp_path / "store")
    arguments = ["run", str(tiny_pipeline), "--store", store, "--until", "corpus"]
    with subprocess.Popen(
        [*ENTRY, *arguments, "--json"],
        env=prefect_environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        process = psutil.Process(run.pid)
        killed = None
        while killed is None and run.poll() is None:
            for worker in workers_of(process):
                worker.kill()
                killed = worker.pid
            time.sleep(0.01)
        _, errors = run.communicate(timeout=240)
    assert killed is not None, "no worker was seen"
    assert run.returncode == 0, errors


def test_two_runs_started_together_build_each_stage_once(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    store = tmp_path / "store"

    def run(_number: int) -> dict[str, Any]:
        return memdec_json("run", tiny_pipeline, "--store", store, env=prefect_environment)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, range(2)))
    # a run that finds its build in production already has nothing to judge, so it has no gate
    stages = [
        [each["fingerprint"] for each in result["stages"] if each["stage"] != "promotion_gate"]
        for result in results
    ]
    assert stages[0] == stages[1]
    everything = [stage for result in results for stage in result["stages"]]
    built = Counter(stage["fingerprint"] for stage in everything if not stage["reused"])
    assert built == Counter({stage["fingerprint"] for stage in everything}), (
        "a stage was built twice, or by nobody"
    )
    assert "promotion_gate" in {stage["stage"] for stage in everything}
    assert {result["promotion"]["outcome"] for result in results} == {"promoted"}
