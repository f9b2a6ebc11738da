"""Options that several subcommands share, and the settings they make."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tasks.run_settings import RunSettings

Pipeline = Annotated[
    Path, typer.Argument(metavar="PIPELINE.yaml", help="The pipeline's configuration.")
]
StoreUrl = Annotated[
    str,
    typer.Option("--store", envvar="MEMDEC_STORE", help="Root of the artifact store."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value: training.epochs=3."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Workers = Annotated[int, typer.Option(min=1, max=16, help="Shards worked on at the same time.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads per worker process.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where models run.")]
MemoryGb = Annotated[
    float, typer.Option(min=0.1, max=1e6, help="Memory one worker may use for a batch, in GB.")
]
Alpha = Annotated[
    float | None, typer.Option(min=0, max=1, help="Weight of the memory; the tuned one if unset.")
]

DEFAULT_STORE: str = RunSettings.model_fields["store"].default
DEFAULT_MEMORY_GB: float = RunSettings.model_fields["memory_gb"].default
