"""Options that several subcommands share, and the settings they make."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from memdec_core.errors import UserError
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_timeout import StageTimeout

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
Timeouts = Annotated[
    list[str] | None,
    typer.Option(
        "--timeout",
        metavar="STAGE=MINUTES",
        help="The most time a stage may take; may be repeated.",
    ),
]
Alpha = Annotated[
    float | None, typer.Option(min=0, max=1, help="Weight of the memory; the tuned one if unset.")
]

DEFAULT_STORE: str = RunSettings.model_fields["store"].default
DEFAULT_MEMORY_GB: float = RunSettings.model_fields["memory_gb"].default


def stage_timeouts(options: list[str] | None) -> tuple[StageTimeout, ...]:
    """Reads `--timeout STAGE=MINUTES`.

    Raises:
        UserError: No such stage, or no number of minutes; or a stage is named twice.
    """
    timeouts: dict[str, StageTimeout] = {}
    for option in options or []:
        stage, _, minutes = option.partition("=")
        if stage in timeouts:
            raise UserError(f"--timeout {option}: stage {stage} has one already; give it once")
        try:
            timeouts[stage] = StageTimeout.model_validate({"stage": stage, "minutes": minutes})
        except ValidationError as error:
            raise UserError(f"--timeout {option}: {_first_reason(error)}") from None
    return tuple(timeouts.values())


def _first_reason(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["loc"][0] == "stage":
        return f"there is no such stage; give one of {first['ctx']['expected']}"
    return f"{first['msg'].lower()}; give minutes as STAGE=MINUTES, such as memory=90"
