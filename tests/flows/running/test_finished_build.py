"""A pipeline of which all is built and decided: said at once, and only if nothing is to be done."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.config.config_file import load_config
from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import plan_pipeline, release_of
from flows.running.finished_build import finished_build
from storage.objects.store_layout import manifest_key
from storage.store.artifact_store import Store
from storage.store.production import Decision, Release, read_decisions, record_decision
from storage.store.run_history import read_history, record_run
from tests.services.command_line import ENTRY, ROOT
from tests.support.artifacts import remove
from tests.support.tiny_run import TinyRun


@pytest.fixture
def store(tiny_run: TinyRun, tmp_path: Path) -> Store:
    """A copy of a store in which the pipeline has run."""
    shutil.copytree(tiny_run.store, tmp_path / "store")
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def config(tiny_run: TinyRun) -> PipelineConfig:
    return load_config(tiny_run.pipeline, [])


def decide(store: Store, release: Release) -> None:
    """Somebody puts a release into production."""
    made = Decision(action="promoted", release=release, artifacts=[], who="me", why="a test")
    assert record_decision(store, "tiny", made, after=len(read_decisions(store, "tiny")))


@pytest.mark.slow
def test_the_command_says_it_without_a_server(tiny_run: TinyRun, store: Store) -> None:
    config = load_config(tiny_run.pipeline, [])
    decide(store, release_of(plan_pipeline(config)))
    before = len(read_history(store, "tiny"))
    environment = {name: each for name, each in os.environ.items() if name != "PREFECT_API_URL"}
    done = subprocess.run(
        [*ENTRY, "run", str(tiny_run.pipeline), "--store", store.url],
        env=environment | {"PREFECT_HOME": store.url.removeprefix("file://") + "/none"},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "tiny: nothing to build" in done.stdout
    assert "In production: it is in production already" in done.stdout
    assert "temporary Prefect server" not in done.stderr
    assert len(read_history(store, "tiny")) == before


def test_it_is_what_a_run_would_return(config: PipelineConfig, store: Store) -> None:
    plan = plan_pipeline(config)
    decide(store, release_of(plan))
    found = finished_build(config, store.url, None, promote=None)
    assert found is not None
    assert [stage["fingerprint"] for stage in found["stages"]] == [
        job.ref.fingerprint for job in plan.jobs()
    ]
    assert all(stage["reused"] and stage["bytes"] and stage["made"] for stage in found["stages"])
    assert found["promotion"] == {"outcome": "promoted", "why": "it is in production already"}
    assert {row["system"] for row in found["evaluation"]} >= {"base", "memory"}
    until = finished_build(config, store.url, "tokens", promote=None)
    assert until is not None
    assert until["promotion"] is None
    assert until["stages"][-1]["stage"] == "tokens"


def keep_back(store: Store) -> Decision:
    """The pipeline's one decision turned round: nothing is in production."""
    (promoted,) = read_decisions(store, "tiny")
    store.root.delete_tree("production")
    made = promoted.model_copy(update={"action": "kept_back", "why": "a test"})
    assert record_decision(store, "tiny", made, after=0)
    return made


def test_a_candidate_stays_one_in_a_trial_and_goes_on_otherwise(
    config: PipelineConfig, store: Store
) -> None:
    keep_back(store)
    found = finished_build(config, store.url, None, promote=False)
    assert found is not None
    assert found["promotion"] == {"outcome": "candidate", "why": "a test"}
    assert finished_build(config, store.url, None, promote=None) is None


def test_a_build_kept_back_stays_so_while_the_same_gate_would_say_so(
    config: PipelineConfig, store: Store
) -> None:
    gate = keep_back(store).gate
    assert gate is not None
    manifest = store.require(gate)
    failed = manifest.model_copy(update={"figures": {"passed": False, "why": "a test"}})
    store.root.replace(manifest_key(gate), failed.model_dump_json().encode())
    found = finished_build(config, store.url, None, promote=None)
    assert found is not None
    assert found["promotion"] == {"outcome": "kept_back", "why": "a test"}
    milder = config.promotion.model_copy(update={"min_documents": 2})
    changed = config.model_copy(update={"promotion": milder})
    assert finished_build(changed, store.url, None, promote=None) is None, "another gate"


def test_there_is_something_to_do(config: PipelineConfig, store: Store) -> None:
    plan = plan_pipeline(config)
    changed = config.model_copy(update={"targets": config.targets.model_copy(update={"k": 3})})
    assert finished_build(changed, store.url, "targets", promote=None) is None
    record_run(store, "tiny", None, [plan.tokens.ref])
    assert finished_build(config, store.url, None, promote=None) is None, "to be recorded"
    remove(store, plan.targets.ref)
    assert finished_build(config, store.url, "targets", promote=None) is None, "to be built"
