"""`memdec run`: build what is not built yet."""

import os
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from pydantic import TypeAdapter, ValidationError

from flows.commands import command_options as options
from flows.config.config_file import load_config
from flows.server.console import output, print_json, print_table
from memdec_core.errors import UserError
from tasks.jobs.stage_catalogue import StageName

if TYPE_CHECKING:
    from flows.build_memory import BuildResult

Until = Annotated[StageName | None, typer.Option(help="The last stage to build.")]
Force = Annotated[
    list[str] | None,
    typer.Option("--force", metavar="STAGE", help="Discard this stage and build it again."),
]


def run(  # noqa: PLR0913 - each is an option of the command
    pipeline: options.Pipeline,
    until: Until = None,
    force: Force = None,
    overrides: options.Overrides = None,
    store: options.StoreUrl = options.DEFAULT_STORE,
    workers: options.Workers = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    memory_gb: options.MemoryGb = options.DEFAULT_MEMORY_GB,
    timeouts: options.Timeouts = None,
    as_json: options.Json = False,
) -> None:
    """Run a pipeline: reuse every artifact that exists, build the others."""
    config = load_config(pipeline, overrides or [])
    settings = options.run_settings(store, workers, threads, device, memory_gb, timeouts)
    forced = _stages(force or [])
    from flows.build_memory import build_memory  # Prefect and PyTorch take seconds to import
    from flows.commands.shown_run import shown_run

    with shown_run():
        result = build_memory(config, settings, until, forced)
    if as_json:
        print_json(result)
    else:
        _show(result, store)


def _stages(names: list[str]) -> list[StageName]:
    try:
        return TypeAdapter(list[StageName]).validate_python(names)
    except ValidationError:
        known = ", ".join(get_args(StageName))
        raise UserError(f"--force {' '.join(names)}: the stages are {known}") from None


def _show(result: "BuildResult", store: str) -> None:
    from tasks.pages.report_tables import compared  # with PyTorch, as above

    if result["evaluation"]:
        shown = ("base model", "split", "base", "base + memory", "ratio", "α")
        rows = [{name: row[name] for name in shown} for row in compared(result["evaluation"])]
        print_table(f"{result['pipeline']}: perplexity (confidence interval)", rows)
    promotion = result["promotion"]
    if promotion is not None:
        said = "In production" if promotion["promoted"] else "Kept back, it stays a candidate"
        output.print(f"{said}: {promotion['why']}", soft_wrap=True, markup=False)
    report = [stage for stage in result["stages"] if stage["stage"] == "report"]
    if report:
        place = f"memdec artifacts show report/{report[0]['fingerprint'][:12]} --store {store}"
        output.print(f"The whole report: {place}", soft_wrap=True)
    server = os.environ.get("PREFECT_API_URL")
    if server:
        page = f"{server.removesuffix('/api')}/v2/runs/flow-run/{result['flow_run_id']}"
        output.print(f"The run in the Prefect UI: {page}", soft_wrap=True)
    else:
        output.print("The run in the Prefect UI: start it with `make ui`, then open Runs.")
