"""`memdec serve-flows`: the deployments on one machine, without a work pool and its workers."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands import command_options as options
from flows.config.config_file import load_pipelines
from flows.server.console import output
from flows.server.prefect_environment import RUN_ENVIRONMENT
from storage.objects.root_urls import absolute_url

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

Limit = Annotated[int, typer.Option(min=1, help="Runs at the same time; further ones wait.")]


def serve_flows(  # noqa: PLR0913 - each is an option of the command
    pipelines: options.PipelinesAndFolders,
    store: options.StoreUrl = options.DEFAULT_STORE,
    notify: options.Notify = None,
    limit: Limit = 2,
    workers: options.Workers = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    memory_gb: options.MemoryGb = options.DEFAULT_MEMORY_GB,
) -> None:
    """Build, compare and watch pipelines by schedule and event, until Ctrl-C."""
    configs = load_pipelines(pipelines)
    settings = options.run_settings(absolute_url(store), workers, threads, device, memory_gb)
    from flows.server.deployments import (
        deployments_of,  # Prefect and PyTorch take seconds to import
    )
    from flows.server.prefect_server import server_at_hand

    deployments = deployments_of(configs, settings, Path.cwd(), pool=None)
    with server_at_hand():
        _serve(deployments, notify, limit)


def _serve(deployments: Sequence["RunnerDeployment"], notify: str | None, limit: int) -> None:
    from prefect import serve
    from prefect.client.orchestration import get_client

    from flows.server.prefect_server import require_server
    from flows.server.server_registry import (
        schedule_unfinished_again,
        set_automations,
        wanted_automations,
    )

    require_server()
    with get_client(sync_client=True) as client:
        set_automations(client, wanted_automations(client, notify))
    names = ", ".join(deployment.full_name for deployment in deployments)
    output.print(f"serving {names} until Ctrl-C", soft_wrap=True)
    os.environ.update(RUN_ENVIRONMENT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which asyncio ends in order
    serve(*deployments, limit=limit, print_starting_message=False)
    for run in schedule_unfinished_again(deployments):
        output.print(f"{run} goes on at the next start", markup=False, soft_wrap=True)
