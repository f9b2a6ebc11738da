"""`memdec run`: build what is not built yet."""

import time
from typing import Annotated, get_args

import typer
from pydantic import TypeAdapter, ValidationError

from flows.commands import command_options as options
from flows.commands.shown_result import show_result
from flows.config.config_file import load_config
from flows.planning.one_stage import require_what_it_reads
from flows.running.finished_build import finished_build
from flows.server.console import EXIT_KEPT_BACK, print_json
from flows.server.prefect_environment import has_server
from memdec_core.errors import UserError
from tasks.jobs.stage_catalogue import StageName

Until = Annotated[StageName | None, typer.Option(help="The last stage to build.")]
Only = Annotated[
    StageName | None,
    typer.Option(help="Run this stage alone, though its artifact exists; --until goes on."),
]
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
    only: Only = None,
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
    if only is not None:
        require_what_it_reads(config, store, only)
        forced, until, promote = [*forced, only], until or only, promote or False
    started = time.monotonic()
    result = None
    if not forced and not has_server():
        result = finished_build(config, store, until, promote=promote)
    if result is None:
        from flows.build_memory import build_memory  # Prefect and PyTorch take seconds to import
        from flows.commands.shown_run import shown_run

        with shown_run():
            result = build_memory(config, settings, until, forced, promote=promote)
    if as_json:
        print_json(result)
    else:
        show_result(result, pipeline, store, time.monotonic() - started)
    if result["promotion"] is not None and result["promotion"]["outcome"] == "kept_back":
        raise typer.Exit(EXIT_KEPT_BACK)


def _stages(names: list[str]) -> list[StageName]:
    try:
        return TypeAdapter(list[StageName]).validate_python(names)
    except ValidationError:
        known = ", ".join(get_args(StageName))
        raise UserError(f"--force {' '.join(names)}: the stages are {known}") from None
