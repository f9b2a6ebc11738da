"""Pipelines to deploy, in a folder of their own, and what a Prefect server knows of them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.services.command_line import ROOT
from tests.support.tiny_pipeline import write_tiny_pipeline

Found = TypeVar("Found")
PATIENCE = 400.0


def write_deployed_pipelines(folder: Path, schedule: Mapping[str, str | None]) -> Path:
    """Writes the pipelines `law` and `medicine` over relative paths; returns their folder.

    Their documents are found only from the folder `place`, in which the pipelines lie.

    Args:
        folder: Where to make `place`.
        schedule: Of `law`; nothing of `medicine` happens by the clock.
    """
    place = folder / "place"
    file = write_tiny_pipeline(place)
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.unlink()
    config["corpus"]["documents"] = ["domain.jsonl"]
    config["base_model"]["pretrain"]["corpus"]["documents"] = ["general.jsonl"]
    pipelines = place / "pipelines"
    pipelines.mkdir()
    for name, own in (("law", dict(schedule)), ("medicine", {"watch": None})):
        content = config | {"name": name, "schedule": own}
        (pipelines / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return pipelines


def environment_at(place: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment of a process that works in another folder than the project's."""
    threads = {"OMP_NUM_THREADS": "1", "PREFECT_WORKER_QUERY_SECONDS": "1"}
    return dict(environment) | threads | {"PYTHONPATH": str(ROOT), "PWD": str(place)}


@contextmanager
def worker_of(pool: str, folder: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process worker that was started in a folder of its own."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
    with (folder / "log").open("ab") as log:
        worker = subprocess.Popen(
            command, cwd=folder, env=environment_at(folder, env), stdout=log, stderr=log
        )
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def eventually(look: Callable[[], Found | None], what: str) -> Found:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"not seen in {PATIENCE:.0f} seconds: {what}")


def without_identity(dumped: dict[str, Any]) -> dict[str, Any]:
    """A deployment as the server knows it, without ids and times of its own."""
    personal = {"id", "created", "updated", "flow_id", "labels", "last_polled", "status"}
    kept = {name: value for name, value in dumped.items() if name not in personal}
    for schedule in kept.get("schedules", []):
        for name in ("id", "created", "updated", "deployment_id"):
            schedule.pop(name)
    limit = kept["global_concurrency_limit"]
    kept["global_concurrency_limit"] = {"limit": limit["limit"], "active": limit["active"]}
    return kept
