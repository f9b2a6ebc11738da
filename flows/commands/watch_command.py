"""`memdec watch`: whether a pipeline's documents changed since the last look."""

from typing import TYPE_CHECKING, cast

from flows.commands.command_options import DEFAULT_STORE, Json, Overrides, Pipeline, StoreUrl
from flows.config.config_file import load_config
from flows.server.console import output, print_json, print_table
from tasks.jobs.run_settings import RunSettings

if TYPE_CHECKING:
    from flows.running.watch_result import WatchResult


def watch(
    pipeline: Pipeline,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Look whether a pipeline's documents changed; announce it to its Prefect server if so."""
    config = load_config(pipeline, overrides or [])
    from flows.commands.shown_run import shown_run  # Prefect takes seconds to import
    from flows.watch_corpus import watch_corpus

    with shown_run():
        state = watch_corpus(config, RunSettings(store=store), return_state=True)
    result = cast("WatchResult", state.result())
    if as_json:
        print_json(result)
    else:
        _show(result, state.message or "")


def _show(result: "WatchResult", message: str) -> None:
    output.print(message, markup=False, soft_wrap=True)
    if not result["changed"]:
        return
    rows = [{"documents": kind, "number": count} for kind, count in result["documents"].items()]
    print_table(f"{result['pipeline']}: documents", rows)
    figures = {"tokens_added": result["tokens_added"]} | result["drift"]
    drift = [{"figure": name.replace("_", " "), "value": v} for name, v in figures.items()]
    print_table(f"{result['pipeline']}: the new text", drift)
