"""A corpus that changes, and nobody who runs a command: watched, rebuilt, judged, served."""

import json
import os
import random
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun

from tests.services.command_line import ENTRY, ROOT, memdec_json
from tests.services.deployed import eventually, worker_of
from tests.services.published import events_of, newest_page
from tests.support.tiny_pipeline import write_documents, write_tiny_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


class Operation:
    """A pipeline that has run and is deployed, with a worker, as its operator sees it."""

    def __init__(self, pipeline: Path, store: Path, client: SyncPrefectClient) -> None:
        self.name = yaml.safe_load(pipeline.read_text())["name"]
        self.pipeline = pipeline
        self.documents = pipeline.parent / "domain.jsonl"
        self.store = store
        self._client = client

    def look(self) -> FlowRun:
        """Runs the watch, as its schedule would, to its end."""
        deployment = self._client.read_deployment_by_name(f"watch-corpus/{self.name}")
        run = self._client.create_flow_run_from_deployment(deployment.id)
        return self.ended(run)

    def ended(self, run: FlowRun) -> FlowRun:
        """A run in its final state."""

        def look() -> FlowRun | None:
            now = self._client.read_flow_run(run.id)
            return now if now.state is not None and now.state.is_final() else None

        return eventually(look, f"the end of {run.name}")

    def builds(self) -> list[FlowRun]:
        """The builds so far, oldest first."""
        deployment = self._client.read_deployment_by_name(f"build-memory/{self.name}")
        ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
        runs = self._client.read_flow_runs(deployment_filter=ours)
        return sorted(runs, key=lambda run: run.created or 0)

    def next_build(self, before: int) -> FlowRun:
        """The build that an event starts when there were so many before, in its final state."""
        return self.ended(eventually(lambda: self.builds()[before:], "a build")[0])

    def stages(self, run: FlowRun) -> dict[str, str]:
        """What became of the stages of a build, by their sentences."""
        tasks = self._client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        )
        return {task.name.split(" (")[0]: task.state_name or "" for task in tasks}

    def updates(self) -> int:
        """How often the corpus was announced as changed."""
        return len(events_of(self._client, "memdec.corpus.updated", self.name))

    def page(self, key: str) -> str:
        """The newest version of a page."""
        return newest_page(self._client, key)

    def decisions(self) -> list[dict[str, Any]]:
        rows = memdec_json("history", self.pipeline, "--store", self.store)["decisions"]
        return list(rows)


@pytest.fixture
def operation(tmp_path: Path, prefect_environment: Mapping[str, str]) -> Iterator[Operation]:
    pipeline = write_tiny_pipeline(tmp_path / "pipeline")
    config = yaml.safe_load(pipeline.read_text())
    config["name"] = f"operated-{uuid4().hex[:8]}"  # the server knows other tests' runs
    config["watch"] = {"quiet_seconds": 0}
    # enough training to learn the order of words, which a poisoned corpus loses
    config["training"] |= {"epochs": 15, "learning_rate": 0.01}
    pipeline.write_text(yaml.safe_dump(config))
    store = tmp_path / "store"
    environment = {**prefect_environment, "OMP_NUM_THREADS": "1"}
    memdec_json("run", pipeline, "--store", store, env=environment)
    memdec_json("deploy", pipeline, "--pool", "operation", "--store", store, env=environment)
    with (
        worker_of("operation", tmp_path / "worker", prefect_environment),
        get_client(sync_client=True) as client,
    ):
        yield Operation(pipeline, store, client)


class Served:
    """The server, asked again and again by a client that counts what fails."""

    def __init__(self, url: str, model: str) -> None:
        self._model = model
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    def fingerprint(self) -> str:
        """Which models answer, perhaps with no text: the end of it may be drawn at once."""
        answer = self._client.completions.create(
            model=self._model, prompt="the court", max_tokens=3
        )
        assert answer.choices[0].finish_reason in {"stop", "length"}
        return str(answer.system_fingerprint)

    def other_than(self, before: str) -> str:
        """The next models that answer; no request fails meanwhile."""

        def look() -> str | None:
            now = self.fingerprint()
            return now if now != before else None

        return eventually(look, "a new memory")


@contextmanager
def serving(operation: Operation) -> Iterator[Served]:
    """`memdec serve`, following the pipeline."""
    command = [*ENTRY, "serve", str(operation.pipeline), "--store", str(operation.store)]
    with ExitStack() as ends:
        server = ends.enter_context(
            subprocess.Popen(
                [*command, "--port", "0"], cwd=ROOT, env=os.environ, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        ends.callback(server.kill)
        assert server.stdout is not None
        found = re.search(r"at (http://\S+)", server.stdout.readline())
        assert found
        yield Served(found[1], operation.name)


def append(documents: Path, scratch: Path) -> None:
    """Thirty more documents of the same kind."""
    write_documents(scratch, 110, seed=1)
    before = documents.read_text().splitlines()
    lines = scratch.read_text().splitlines()
    assert lines[: len(before)] == before
    documents.write_text("".join(f"{line}\n" for line in lines))
    scratch.unlink()


def poison(documents: Path) -> None:
    """Shuffles the words of most documents, as a broken export would."""
    chance = random.Random(5)
    records = [json.loads(line) for line in documents.read_text().splitlines()]
    for record in records:
        if chance.random() < 0.9:
            words = record["text"].split()
            chance.shuffle(words)
            record["text"] = " ".join(words)
    documents.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("poisoned", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_changed_corpus_is_built_judged_and_served_and_a_poisoned_one_is_not(
    operation: Operation, poisoned: bool, tmp_path: Path
) -> None:
    with serving(operation) as served:
        before = served.fingerprint()
        append(operation.documents, tmp_path / "more.jsonl")
        assert "30 documents added" in str(operation.look().state)
        assert operation.updates() == 1
        second = operation.next_build(before=0)
        assert second.state_name == "Promoted", second.state
        stages = operation.stages(second)
        assert stages[f"Prepare the base model of {operation.name}"] == "Cached"
        assert stages["Read the documents for the base model"] == "Cached"
        assert stages[f"Train the memory of {operation.name}"] == "Completed"
        after = served.other_than(before)

        if poisoned:
            poison(operation.documents)
            operation.look()
            check_kept_back(operation, operation.next_build(before=1))
        assert served.fingerprint() == after
    decisions = operation.decisions()
    assert [each["action"] for each in decisions] == ["promoted", "promoted", "kept_back"][
        : 2 + poisoned
    ]
    assert [each["in_production"] for each in decisions] == [False, True, False][: 2 + poisoned]
    assert f"Build the memory of {operation.name}" in decisions[-1]["who"]


def check_kept_back(operation: Operation, build: FlowRun) -> None:
    """It is not as good as production, and says so wherever one looks."""
    assert build.state_name == "KeptBack", build.state
    assert build.state is not None
    why = "perplexity on the test text that production was built with, ratio to production"
    assert why in str(build.state.message)
    assert why in operation.page(f"{operation.name}-promotion-gate")
    assert "kept back" in operation.page(f"{operation.name}-release")
