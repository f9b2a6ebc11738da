"""Options that several subcommands share, and the settings they make."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError

from memdec_core.errors import UserError
from memdec_core.text.sound_text import sound_text
from tasks.jobs.run_settings import RunSettings, StageTimeout

if TYPE_CHECKING:
    from memdec_core.decoding.decoding_config import ContinuationConfig

DEFAULT_STORE: str = RunSettings.model_fields["store"].default
DEFAULT_MEMORY_GB: float = RunSettings.model_fields["memory_gb"].default

# what to work on, and how to print it
Pipeline = Annotated[
    Path, typer.Argument(metavar="PIPELINE.yaml", help="The pipeline's configuration.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value: training.epochs=3."),
]
StoreUrl = Annotated[
    str,
    typer.Option("--store", envvar="MEMDEC_STORE", help="Root of the artifact store."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

# how a run executes
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

# what is deployed
PipelinesAndFolders = Annotated[
    list[Path],
    typer.Argument(metavar="FOLDER|PIPELINE.yaml...", help="Pipelines, and folders of them."),
]
Notify = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE/NAME",
        help="Prefect block for messages about runs that need somebody, as slack-webhook/team.",
    ),
]

# how text is written
Alpha = Annotated[
    float | None, typer.Option(min=0, max=1, help="Weight of the memory; the tuned one if unset.")
]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Most tokens to add.")]
Temperature = Annotated[float, typer.Option(min=0, help="0 is greedy; 1 samples.")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="Sample among this much probability.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the samples.")]


def piped_text() -> str:
    """All of standard input, without the line end at its end.

    Raises:
        UserError: It is not UTF-8.
    """
    keep_undecodable_input()
    return sound_text(sys.stdin.read().removesuffix("\n"), "standard input")


def keep_undecodable_input() -> None:
    """Lets bytes of standard input that are no UTF-8 reach `sound_text`, which names them."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")


def run_settings(
    store: str,
    workers: int,
    threads: int | None,
    device: Literal["auto", "cpu", "cuda"],
    memory_gb: float,
    timeouts: list[str] | None = None,
) -> RunSettings:
    """The settings of a run that its options make.

    Raises:
        UserError: A time-out names no stage, or no number of minutes; or a stage is named twice.
    """
    return RunSettings(
        store=store,
        workers=workers,
        threads=threads,
        device=device,
        memory_gb=memory_gb,
        timeouts=stage_timeouts(timeouts),
    )


def stage_timeouts(options: list[str] | None) -> tuple[StageTimeout, ...]:
    """Reads `--timeout STAGE=MINUTES`; raises as `run_settings`."""
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


def continuation_config(**settings: object) -> "ContinuationConfig":
    """The settings of a text that its options make.

    Raises:
        UserError: They do not go together.
    """
    from memdec_core.decoding.decoding_config import ContinuationConfig

    try:
        return ContinuationConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        option = "".join(f"--{str(part).replace('_', '-')}: " for part in first["loc"][:1])
        raise UserError(f"{option}{first['msg'].removeprefix('Value error, ')}") from error
