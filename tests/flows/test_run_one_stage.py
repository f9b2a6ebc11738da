"""One stage alone: from the UI by its deployment, from a terminal by `--only`."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.config.config_file import load_config
from flows.planning.one_stage import require_what_it_reads
from flows.run_one_stage import run_one_stage
from memdec_core.errors import UserError
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.production import read_decisions
from tests.services.command_line import memdec_json
from tests.support.artifacts import remove
from tests.support.sealed_artifacts import attempts
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tiny_run: TinyRun, tmp_path: Path) -> Store:
    """A copy of a store in which the pipeline has run."""
    shutil.copytree(tiny_run.store, tmp_path / "store")
    return Store.open(str(tmp_path / "store"))


def changed(store: Store, before: Mapping[ArtifactRef, list[str]]) -> set[str]:
    """Stages of which an artifact was sealed since then."""
    return {ref.stage for ref, made in attempts(store).items() if before.get(ref) != made}


def test_a_deployed_stage_is_run_again_and_nothing_else(
    tiny_run: TinyRun,
    store: Store,
    prefect_server: None,
    prefect_environment: Mapping[str, str],
) -> None:
    memdec_json("deploy", tiny_run.pipeline, "--store", store.url, env=prefect_environment)
    before, decisions = attempts(store), read_decisions(store, "tiny")
    result = run_one_stage("tiny", "index")
    assert [stage["name"] for stage in result["stages"] if not stage["reused"]] == ["index"]
    assert changed(store, before) == {"index"}
    assert run_one_stage("tiny", "index", again=False)["stages"][-1]["reused"]
    assert read_decisions(store, "tiny") == decisions
    with pytest.raises(UserError, match="build-memory/nobody: no such deployment"):
        run_one_stage("nobody", "index")


def test_a_command_runs_one_stage_and_goes_on_if_asked(
    tiny_run: TinyRun, store: Store, prefect_environment: Mapping[str, str]
) -> None:
    before = attempts(store)
    only = ("run", tiny_run.pipeline, "--store", store.url, "--only", "evaluation")
    result = memdec_json(*only, "--until", "report", env=prefect_environment)
    assert changed(store, before) == {"evaluation"}
    assert result["stages"][-1]["stage"] == "report"


def test_what_a_stage_reads_must_be_there(tiny_run: TinyRun, store: Store) -> None:
    config = load_config(tiny_run.pipeline, [])
    require_what_it_reads(config, store.url, "targets")
    (index,) = [ref for ref in store.artifacts() if ref.stage == "index"]
    remove(store, index)
    require_what_it_reads(config, store.url, "index")
    with pytest.raises(UserError, match=r"cannot be run alone, .* not built yet \(index\)"):
        require_what_it_reads(config, store.url, "targets")
