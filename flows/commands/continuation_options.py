"""Options of the commands that write text, and the settings they make."""

from typing import TYPE_CHECKING, Annotated

import typer

from memdec_core.errors import UserError

if TYPE_CHECKING:
    from memdec_core.decoding.decoding_config import ContinuationConfig

MaxNewTokens = Annotated[int, typer.Option(min=1, help="Most tokens to add.")]
Temperature = Annotated[float, typer.Option(min=0, help="0 is greedy; 1 samples.")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="Sample among this much probability.")]
TopK = Annotated[int, typer.Option(min=0, help="Sample among so many tokens; 0 is all.")]
RepetitionPenalty = Annotated[
    float, typer.Option(min=0, help="Above 1, tokens of the text become less probable.")
]
NumBeams = Annotated[int, typer.Option(min=1, help="Texts that beam search keeps.")]
NumSamples = Annotated[int, typer.Option(min=1, help="Texts of each side.")]
Stop = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="Ends the text before it; may be given several times."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the samples.")]


def continuation_config(**settings: object) -> "ContinuationConfig":
    """The settings that options make.

    Raises:
        UserError: They do not go together.
    """
    from pydantic import ValidationError

    from memdec_core.decoding.decoding_config import ContinuationConfig

    try:
        return ContinuationConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        option = "".join(f"--{str(part).replace('_', '-')}: " for part in first["loc"][:1])
        raise UserError(f"{option}{first['msg'].removeprefix('Value error, ')}") from error
