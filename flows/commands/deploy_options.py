"""Options of the commands that deploy pipelines."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PIPELINES = Path("deploy/pipelines")

Pipelines = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FOLDER|PIPELINE.yaml]...",
        help=f"Pipelines and folders of them; {DEFAULT_PIPELINES} if none is given.",
        show_default=False,
    ),
]
Notify = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE/NAME",
        help="Prefect block that sends messages about failed runs, such as slack-webhook/team.",
    ),
]
