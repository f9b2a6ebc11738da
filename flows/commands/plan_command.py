"""`memdec plan`: what a run would reuse and what it would build, and why."""

from typing import Annotated

import typer

from flows.commands.command_options import DEFAULT_STORE, Json, Overrides, Pipeline, StoreUrl
from flows.config.config_file import load_config
from flows.planning.comparison_plan import comparison_name, plan_comparison
from flows.planning.plan import plan_pipeline
from flows.planning.plan_explanation import PlannedStage, explain_plan
from flows.server.console import output, print_json, print_table
from storage.store.artifact_store import Store

Comparison = Annotated[
    bool, typer.Option("--comparison", help="Plan `memdec compare` instead of `memdec run`.")
]


def plan(
    pipeline: Pipeline,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    comparison: Comparison = False,
    as_json: Json = False,
) -> None:
    """Show what a run would reuse, what it would build and why; nothing is built."""
    config = load_config(pipeline, overrides or [])
    planned = plan_comparison(config) if comparison else plan_pipeline(config)
    run = comparison_name(config) if comparison else config.name
    rows = explain_plan(planned.jobs(), Store.open(store), run)
    if as_json:
        print_json({"stages": rows})
        return
    print_table(f"{run}: plan", [_readable(row) for row in rows])
    output.print("Estimates are the figures of the pipeline's previous run.", style="dim")


def _readable(row: PlannedStage) -> dict[str, object]:
    size = row["estimated_bytes"]
    return {
        "stage": row["name"],
        "fingerprint": row["fingerprint"][:12],
        "action": row["action"],
        "why": row["why"],
        "seconds": row["estimated_seconds"],
        "MB": None if size is None else size / 1e6,
    }
