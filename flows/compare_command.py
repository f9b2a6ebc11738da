"""`memdec compare`: a memory beside what one would do without it."""

from flows.command_options import (
    DEFAULT_MEMORY_GB,
    DEFAULT_STORE,
    Device,
    Json,
    MemoryGb,
    Overrides,
    Pipeline,
    StoreUrl,
    Threads,
    Workers,
)
from flows.config_file import load_config
from flows.console import output, print_json, print_table
from tasks.run_settings import RunSettings


def compare(  # noqa: PLR0913 - each is an option of the command
    pipeline: Pipeline,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    workers: Workers = 1,
    threads: Threads = None,
    device: Device = "auto",
    memory_gb: MemoryGb = DEFAULT_MEMORY_GB,
    as_json: Json = False,
) -> None:
    """Compare base models, their memory, kNN-LM, in-context retrieval, DAPT and LoRA."""
    config = load_config(pipeline, overrides or [])
    settings = RunSettings(
        store=store, workers=workers, threads=threads, device=device, memory_gb=memory_gb
    )
    from flows.compare_systems import compare_systems  # Prefect and PyTorch take seconds to import
    from flows.prefect_server import start_temporary_server
    from flows.progress_bars import progress_bars
    from tasks.comparison_page import reported_split, systems_by_base

    start_temporary_server()
    with progress_bars():
        result = compare_systems(config, settings)
    if as_json:
        print_json(result)
        return
    rows = result["evaluation"]
    split = reported_split(rows)
    title = f"{result['pipeline']}: {split} perplexity (confidence interval)"
    print_table(title, list(systems_by_base(rows, "perplexity", split)))
    made = result["stages"][-1]
    place = f"memdec artifacts show {made['stage']}/{made['fingerprint'][:12]} --store {store}"
    output.print(f"The whole page: {place}", soft_wrap=True)
