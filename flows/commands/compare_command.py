"""`memdec compare`: memories beside what one would do without them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands import command_options as options
from flows.config.config_file import load_configs
from flows.server.console import output, print_json, print_table

if TYPE_CHECKING:
    from flows.compare_domains import DomainsResult
    from flows.running.run_result import RunResult, StageResult

Pipelines = Annotated[
    list[Path],
    typer.Argument(
        metavar="PIPELINE.yaml",
        help="The pipelines' configurations; of several, a last page compares the corpora.",
    ),
]


def compare(  # noqa: PLR0913 - each is an option of the command
    pipelines: Pipelines,
    overrides: options.Overrides = None,
    store: options.StoreUrl = options.DEFAULT_STORE,
    workers: options.Workers = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    memory_gb: options.MemoryGb = options.DEFAULT_MEMORY_GB,
    timeouts: options.Timeouts = None,
    as_json: options.Json = False,
) -> None:
    """Compare base models, their memory, kNN-LM, in-context retrieval, DAPT and LoRA."""
    configs = load_configs(pipelines, overrides or [])
    settings = options.run_settings(store, workers, threads, device, memory_gb, timeouts)
    from flows.commands.shown_run import shown_run  # Prefect and PyTorch take seconds to import
    from flows.compare_domains import compare_domains
    from flows.compare_systems import compare_systems

    if len(configs) > 1:
        with shown_run():
            joined = compare_domains(configs, settings)
        _show_domains(joined, store, as_json)
    else:
        with shown_run():
            result = compare_systems(configs[0], settings)
        _show(result, store, as_json)


def _show(result: "RunResult", store: str, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    from tasks.pages.compared.comparison_tables import (  # with PyTorch, as above
        reported_split,
        systems_by_base,
    )

    rows = result["evaluation"]
    split = reported_split(rows)
    title = f"{result['pipeline']}: {split} perplexity (confidence interval)"
    print_table(title, list(systems_by_base(rows, "perplexity", split)))
    _point_to_page(result["stages"][-1], store)


def _show_domains(result: "DomainsResult", store: str, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    from tasks.pages.compared.domains_tables import joint_bases, systems_by_corpus

    rows = result["domains"]["evaluation"]
    for base in joint_bases(rows):
        title = f"{base}: perplexity by corpus (confidence interval)"
        print_table(title, list(systems_by_corpus(rows, base, "perplexity")))
    _point_to_page(result["domains"]["stages"][-1], store)


def _point_to_page(made: "StageResult", store: str) -> None:
    place = f"memdec artifacts show {made['stage']}/{made['fingerprint'][:12]} --store {store}"
    output.print(f"The whole page: {place}", soft_wrap=True)
