"""`memdec deploy`: the pipelines' deployments, schedules, triggers and automations on a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from flows.commands import command_options as options
from flows.config.config_file import load_pipelines
from flows.server.console import output, print_json, print_table, screen
from storage.objects.root_urls import absolute_url

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

    from flows.server.server_registry import Registered

Pool = Annotated[str, typer.Option(help="Work pool of the runs; made for processes if missing.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete deployments of other pipelines.")]
Write = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a file for `prefect deploy`; register nothing."),
]


class Deployed(TypedDict):
    """What `memdec deploy --json` prints."""

    work_pool: str
    deployments: list["Registered"]
    others: list["Registered"]
    automations: list["Registered"]


def deploy(  # noqa: PLR0913 - each is an option of the command
    pipelines: options.PipelinesAndFolders,
    pool: Pool = "memdec",
    store: options.StoreUrl = options.DEFAULT_STORE,
    notify: options.Notify = None,
    prune: Prune = False,
    write: Write = None,
    workers: options.Workers = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    memory_gb: options.MemoryGb = options.DEFAULT_MEMORY_GB,
    as_json: options.Json = False,
) -> None:
    """Register pipelines with the Prefect server: built, compared and watched by themselves."""
    configs = load_pipelines(pipelines)
    settings = options.run_settings(store, workers, threads, device, memory_gb)
    from flows.server.deployments import (
        deployments_of,  # Prefect and PyTorch take seconds to import
    )
    from flows.server.prefect_yaml import HERE, write_prefect_yaml

    if write is not None:
        relative = absolute_url(store) != store
        portable = settings.model_copy(update={"store": f"{HERE}/{store}" if relative else store})
        write_prefect_yaml(write, deployments_of(configs, portable, Path.cwd(), pool))
        return
    placed = settings.model_copy(update={"store": absolute_url(store)})
    made = _register(deployments_of(configs, placed, Path.cwd(), pool), pool, notify, prune)
    if as_json:
        print_json(made)
    else:
        _show(made)


def _register(
    deployments: Sequence["RunnerDeployment"], pool: str, notify: str | None, prune: bool
) -> Deployed:
    from prefect.client.orchestration import get_client

    from flows.server.prefect_server import require_server
    from flows.server.server_registry import (
        ensure_work_pool,
        register,
        remove_others,
        set_automations,
        wanted_automations,
    )

    require_server()
    with get_client(sync_client=True) as client:
        wanted = wanted_automations(client, notify)
        ensure_work_pool(client, pool)
        registered = [register(client, deployment) for deployment in deployments]
        names = {deployment.full_name for deployment in deployments}
        return Deployed(
            work_pool=pool,
            deployments=registered,
            others=list(remove_others(client, names, delete=prune)),
            automations=set_automations(client, wanted),
        )


def _show(made: Deployed) -> None:
    from flows.server.prefect_server import ui_url

    rows = [_columns(row) | {"starts": "\n".join(row["starts"])} for row in made["deployments"]]
    print_table("Deployments", rows)
    if made["others"]:
        print_table("Deployments of other pipelines", [_columns(row) for row in made["others"]])
        if made["others"][0]["action"] == "kept":
            screen.print("--prune deletes the deployments of other pipelines")
    print_table("Automations", [_columns(row) for row in made["automations"]])
    for page in ("deployments", "automations"):
        output.print(f"The {page} in the Prefect UI: {ui_url()}/{page}", soft_wrap=True)
    output.print(f"Start a worker: prefect worker start --pool {made['work_pool']}")


def _columns(row: "Registered") -> dict[str, str]:
    """What fits a terminal; the addresses are long, and `--json` has them."""
    return {"name": row["name"], "action": row["action"]}
