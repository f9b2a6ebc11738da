"""`memdec run`: build what is not built yet."""

import os
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from pydantic import TypeAdapter, ValidationError

from flows.commands import command_options as options
from flows.config.config_file import load_config
from flows.server.console import EXIT_KEPT_BACK, output, print_json, print_table
from memdec_core.errors import UserError
from tasks.jobs.stage_catalogue import StageName

if TYPE_CHECKING:
    from flows.build_memory import BuildResult
    from flows.running.promotion import Outcome

Until = Annotated[StageName | None, typer.Option(help="The last stage to build.")]
Force = Annotated[
    list[str] | None,
    typer.Option(
        "--force", metavar="STAGE", help="Build this stage again; its artifact stays until then."
    ),
]
Promote = Annotated[
    bool | None,
    typer.Option(
        "--promote/--no-promote",
        help="Whether a build that passes the gate goes into production; with --set only if asked.",
        show_default=False,
    ),
]


def run(  # noqa: PLR0913 - each is an option of the command
    pipeline: options.Pipeline,
    until: Until = None,
    force: Force = None,
    overrides: options.Overrides = None,
    promote: Promote = None,
    store: options.StoreUrl = options.DEFAULT_STORE,
    workers: options.Workers = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    memory_gb: options.MemoryGb = options.DEFAULT_MEMORY_GB,
    timeouts: options.Timeouts = None,
    as_json: options.Json = False,
) -> None:
    """Run a pipeline: reuse every artifact that exists, build the others.

    Exits with 3 when all is built, but the memory was kept back.
    """
    if promote is None and overrides:
        promote = False
    config = load_config(pipeline, overrides or [])
    settings = options.run_settings(store, workers, threads, device, memory_gb, timeouts)
    forced = _stages(force or [])
    from flows.build_memory import build_memory  # Prefect and PyTorch take seconds to import
    from flows.commands.shown_run import shown_run

    with shown_run():
        result = build_memory(config, settings, until, forced, promote=promote)
    if as_json:
        print_json(result)
    else:
        _show(result, store)
    if result["promotion"] is not None and result["promotion"]["outcome"] == "kept_back":
        raise typer.Exit(EXIT_KEPT_BACK)


_SAID: dict["Outcome", str] = {
    "promoted": "In production",
    "candidate": "A candidate",
    "kept_back": "Kept back",
}


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
    for said in result["rejected"]:
        output.print(f"Not all documents are in it: {said}", soft_wrap=True, markup=False)
    promotion = result["promotion"]
    if promotion is not None:
        said = _SAID[promotion["outcome"]]
        output.print(f"{said}: {promotion['why']}", soft_wrap=True, markup=False)
        if promotion["outcome"] != "promoted":
            output.print("To put it into production all the same: memdec promote PIPELINE.yaml")
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
