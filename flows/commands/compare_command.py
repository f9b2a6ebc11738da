"""`memdec compare`: memories beside what one would do without them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.command_options import (
    DEFAULT_MEMORY_GB,
    DEFAULT_STORE,
    Device,
    Json,
    MemoryGb,
    Overrides,
    StoreUrl,
    Threads,
    Timeouts,
    Workers,
    stage_timeouts,
)
from flows.config.pipeline_files import load_configs
from flows.server.console import output, print_json, print_table
from tasks.jobs.run_settings import RunSettings

if TYPE_CHECKING:
    from flows.build_memory import RunResult
    from flows.compare_domains import DomainsResult
    from flows.running.stage_runner import StageResult

Pipelines = Annotated[
    list[Path],
    typer.Argument(
        metavar="PIPELINE.yaml",
        help="The pipelines' configurations; of several, a last page compares the corpora.",
    ),
]


def compare(  # noqa: PLR0913 - each is an option of the command
    pipelines: Pipelines,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    workers: Workers = 1,
    threads: Threads = None,
    device: Device = "auto",
    memory_gb: MemoryGb = DEFAULT_MEMORY_GB,
    timeouts: Timeouts = None,
    as_json: Json = False,
) -> None:
    """Compare base models, their memory, kNN-LM, in-context retrieval, DAPT and LoRA."""
    configs = load_configs(pipelines, overrides or [])
    settings = RunSettings(
        store=store,
        workers=workers,
        threads=threads,
        device=device,
        memory_gb=memory_gb,
        timeouts=stage_timeouts(timeouts),
    )
    from flows.commands.progress_bars import progress_bars
    from flows.compare_domains import compare_domains  # Prefect and PyTorch take seconds to import
    from flows.compare_systems import compare_systems
    from flows.server.prefect_server import start_temporary_server

    start_temporary_server()
    if len(configs) > 1:
        with progress_bars():
            joined = compare_domains(configs, settings)
        _show_domains(joined, store, as_json)
    else:
        with progress_bars():
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
