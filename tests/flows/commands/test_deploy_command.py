"""`memdec deploy` against a real Prefect server."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.commands import deploy_command
from memdec_core.errors import UserError
from tests.services.command_line import ROOT
from tests.services.deployed import (
    environment_at,
    eventually,
    without_identity,
    write_deployed_pipelines,
)

pytestmark = pytest.mark.slow
STAGE_FORM = {"pipeline", "stage", "again", "until"}
FLOWS = ("build-memory", "compare-systems", "watch-corpus", "run-stage")


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    schedule = {"build": "30 2 * * *", "timezone": "Europe/Berlin"}
    return write_deployed_pipelines(tmp_path_factory.mktemp("deployed"), schedule)


@pytest.fixture
def place(pipelines: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(pipelines.parent)
    return pipelines.parent


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


class Deploy(Protocol):
    def __call__(
        self, *paths: Path, pool: str = ..., notify: str | None = ..., prune: bool = ...
    ) -> dict[str, Any]: ...


@pytest.fixture
def deploy(client: SyncPrefectClient, capsys: pytest.CaptureFixture[str]) -> Deploy:
    """The command within this process, which has imported PyTorch already; gives its JSON."""

    def run(
        *paths: Path, pool: str = "memdec", notify: str | None = None, prune: bool = False
    ) -> dict[str, Any]:
        deploy_command.deploy(list(paths), pool=pool, notify=notify, prune=prune, as_json=True)
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def actions(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["name"]: row["action"] for row in rows}


def known(client: SyncPrefectClient, pipelines: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Deployments and their triggers as the server has them, by full name."""
    found = {}
    for name in (f"{flow}/{pipeline}" for pipeline in pipelines for flow in FLOWS):
        deployment = client.read_deployment_by_name(name)
        triggers = client.read_resource_related_automations(f"prefect.deployment.{deployment.id}")
        found[name] = without_identity(deployment.model_dump(mode="json")) | {
            "triggers": [
                trigger.model_dump(mode="json", include={"name", "trigger"}) for trigger in triggers
            ]
        }
    return found


def forget_other_tests(client: SyncPrefectClient) -> None:
    """Takes deployments and automations off the server that the session's tests share."""
    for deployment in client.read_deployments():
        client.delete_deployment(deployment.id)
    for automation in client.read_automations():
        if automation.name.startswith("memdec"):
            client.delete_automation(automation.id)


def test_what_is_printed_fits_a_terminal(
    pipelines: Path, place: Path, client: SyncPrefectClient, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_command.deploy([pipelines], pool="test")
    printed = capsys.readouterr().out
    assert max(map(len, printed[: printed.index("The deployments")].splitlines())) <= 80
    for name in (f"{flow}/{pipeline}" for pipeline in ("law", "medicine") for flow in FLOWS):
        assert f" {name} " in printed
    assert " 30 2 * * * Europe/Berlin " in printed
    assert "/deployments\n" in printed
    assert "prefect worker start --pool test" in printed


def test_pipelines_are_registered_and_again_and_removed(
    pipelines: Path, place: Path, client: SyncPrefectClient, deploy: Deploy
) -> None:
    forget_other_tests(client)
    first = deploy(pipelines, pool="test")
    assert set(actions(first["automations"]).values()) == {"created"}
    names = {f"{flow}/{pipeline}" for pipeline in ("law", "medicine") for flow in FLOWS}
    assert actions(first["deployments"]) == dict.fromkeys(names, "created")
    assert client.read_work_pool("test").type == "process"
    registered = known(client, ("law", "medicine"))
    for name, deployment in registered.items():
        check_deployment(place, *name.split("/"), deployment)
    crons = {
        name: [(made["schedule"]["cron"], made["schedule"]["timezone"]) for made in schedules]
        for name, deployment in registered.items()
        if (schedules := deployment["schedules"])
    }
    assert crons == {
        "build-memory/law": [("30 2 * * *", "Europe/Berlin")],
        "watch-corpus/law": [("*/15 * * * *", "Europe/Berlin")],
    }

    again = deploy(pipelines, pool="test")
    assert set(actions(again["deployments"]).values()) == {"updated"}
    assert set(actions(again["automations"]).values()) == {"kept"}
    assert again["others"] == []
    assert known(client, ("law", "medicine")) == registered

    others = {f"{flow}/medicine" for flow in FLOWS}
    kept = deploy(pipelines / "law.yaml", pool="test")["others"]
    assert actions(kept) == dict.fromkeys(others, "kept")
    assert known(client, ("medicine",)).keys() == others
    deleted = deploy(pipelines / "law.yaml", pool="test", prune=True)["others"]
    assert actions(deleted) == dict.fromkeys(others, "deleted")
    assert deploy(pipelines / "law.yaml", pool="test")["others"] == []
    triggers = [found.name for found in client.read_automations() if " law " in found.name]
    assert sorted(triggers) == [
        "memdec: announce law when somebody confirms that documents are gone",
        "memdec: build law when its corpus has changed",
    ]


def check_deployment(place: Path, flow: str, pipeline: str, deployment: dict[str, Any]) -> None:
    assert deployment["tags"] == ["memdec", pipeline]
    assert pipeline in deployment["description"]
    assert deployment["version"] == version("memdec")
    assert deployment["work_pool_name"] == "test"
    if flow == "run-stage":
        assert deployment["parameters"] == {"pipeline": pipeline}
        assert deployment["parameter_openapi_schema"]["properties"].keys() == STAGE_FORM
    else:
        assert deployment["parameters"]["settings"]["store"] == str(place / "store")
        assert deployment["parameters"]["config"]["corpus"]["documents"] == ["domain.jsonl"]
    (step,) = deployment["pull_steps"]
    assert step["prefect.deployments.steps.set_working_directory"] == {"directory": str(place)}
    assert deployment["global_concurrency_limit"]["limit"] == 1
    strategy = "CANCEL_NEW" if flow == "watch-corpus" else "ENQUEUE"
    assert deployment["concurrency_options"]["collision_strategy"] == strategy
    assert deployment["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    listens = [trigger["trigger"]["match"] for trigger in deployment["triggers"]]
    event = {"prefect.resource.id": f"memdec.pipeline.{pipeline}"}
    assert listens == ([event] if flow in {"build-memory", "watch-corpus"} else [])


def test_an_event_of_a_person_starts_a_look_that_announces(
    pipelines: Path,
    place: Path,
    client: SyncPrefectClient,
    deploy: Deploy,
    prefect_environment: Mapping[str, str],
) -> None:
    deploy(pipelines, pool="test")
    deployment = client.read_deployment_by_name("watch-corpus/medicine")
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    emit = ["event", "emit", "memdec.corpus.confirmed", "--resource-id", "memdec.pipeline.medicine"]

    def started() -> list[FlowRun]:
        subprocess.run(
            [sys.executable, "-m", "prefect", *emit], env=prefect_environment, check=True
        )
        return client.read_flow_runs(deployment_filter=wanted)

    run, *_ = eventually(started, "a look")
    assert run.parameters == deployment.parameters | {"confirm": True}


def described(schema: dict[str, Any], place: str = "") -> Iterator[tuple[str, bool]]:
    """Every property of a parameter schema, and whether it has a description."""
    for name, definition in schema.get("definitions", {}).items():
        for key, shown in definition.get("properties", {}).items():
            yield f"{place}{name}.{key}", bool(shown.get("description"))
    for key, shown in schema["properties"].items():
        yield key, bool(shown.get("description"))


def test_the_form_has_descriptions_and_its_bounds_are_enforced(
    pipelines: Path, place: Path, client: SyncPrefectClient, deploy: Deploy
) -> None:
    deploy(pipelines, pool="test")
    deployment = client.read_deployment_by_name("build-memory/law")
    schema = deployment.parameter_openapi_schema
    assert isinstance(schema, dict)
    shown = dict(described(schema))
    assert {"config", "settings", "TargetsConfig.k", "ScheduleConfig.watch"} <= shown.keys()
    assert [name for name, has_description in shown.items() if not has_description] == []
    assert schema["definitions"]["RunSettings"]["properties"]["workers"]["minimum"] == 1
    wrong = deployment.parameters["settings"] | {"workers": 0}
    with pytest.raises(PrefectHTTPStatusError, match="409"):
        client.create_flow_run_from_deployment(deployment.id, parameters={"settings": wrong})


@pytest.mark.long
def test_prefect_deploy_registers_the_same_from_the_file(
    client: SyncPrefectClient,
    deploy: Deploy,
    prefect_environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    rows = deploy(Path("deploy/pipelines"))["deployments"]
    names = tuple(dict.fromkeys(row["name"].split("/")[1] for row in rows))
    assert len(names) == len(list((ROOT / "deploy/pipelines").glob("*.yaml")))
    ours = known(client, names)
    for row in rows:  # a deployment that is updated could keep what the file lacks
        client.delete_deployment(row["url"].rsplit("/", 1)[1])
    command = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "deploy/prefect.yaml"]
    theirs = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment_at(ROOT, prefect_environment),
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
    assert known(client, names) == ours


def test_mistakes_are_refused_before_anything_is_registered(
    pipelines: Path, place: Path, client: SyncPrefectClient, deploy: Deploy
) -> None:
    tax = place / "tax.yaml"
    tax.write_text((pipelines / "law.yaml").read_text().replace("name: law", "name: tax"))
    wrong = place / "wrong.yaml"
    wrong.write_text("name: wrong\n")
    with pytest.raises(UserError, match=r"wrong\.yaml: config\.corpus: Field required"):
        deploy(tax, wrong)
    with pytest.raises(UserError, match=r"--notify slack-webhook/nobody: .* no such block"):
        deploy(tax, notify="slack-webhook/nobody")
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(UserError, match="PREFECT_API_URL is not set"),
    ):
        deploy(tax)
    silent = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(silent), pytest.raises(UserError, match="no Prefect server answers"):
        deploy(tax)
    assert "tax" not in {deployment.name for deployment in client.read_deployments()}
