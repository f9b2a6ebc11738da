"""`memdec watch`: whether a pipeline's documents changed since the last look."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from flows.commands.command_options import DEFAULT_STORE, Json, Overrides, Pipeline, StoreUrl
from flows.config.config_file import load_config
from flows.server.console import EXIT_KEPT_BACK, output, print_json, print_table
from tasks.jobs.run_settings import RunSettings

if TYPE_CHECKING:
    from flows.running.watch_result import WatchResult


Confirm = Annotated[
    bool, typer.Option("--confirm", help="Announce it however many documents are gone.")
]


def watch(
    pipeline: Pipeline,
    confirm: Confirm = False,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Look whether a pipeline's documents changed; announce it to its Prefect server if so.

    Exits with 3 when so many are gone that somebody has to confirm it.
    """
    config = load_config(pipeline, overrides or [])
    from flows.commands.shown_run import shown_run  # Prefect takes seconds to import
    from flows.watch_corpus import watch_corpus

    with shown_run():
        state = watch_corpus(config, RunSettings(store=store), confirm=confirm, return_state=True)
    result = cast("WatchResult", state.result())
    if as_json:
        print_json(result)
    else:
        _show(result, state.message or "")
    if result["held"]:
        raise typer.Exit(EXIT_KEPT_BACK)


def _show(result: "WatchResult", message: str) -> None:
    output.print(message, markup=False, soft_wrap=True)
    if not result["changed"]:
        return
    rows = [{"documents": kind, "number": count} for kind, count in result["documents"].items()]
    print_table(f"{result['pipeline']}: documents", rows)
    figures = {"tokens_added": result["tokens_added"]} | result["drift"]
    drift = [{"figure": name.replace("_", " "), "value": v} for name, v in figures.items()]
    print_table(f"{result['pipeline']}: the new text", drift)
