"""`memdec tokenizers`: whether a memory can be put beside a model, as far as tokenizers go."""

from typing import Annotated

import typer

from flows.commands.command_options import Json
from flows.server.console import EXIT_FAILED, output, print_json

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder, or its hub id.")]


def tokenizers(first: Model, second: Model, as_json: Json = False) -> None:
    """Say whether two models' tokenizers are compatible, and how many ids they share.

    Exits with 0 where they are and with 1 where they are not.
    """
    from tasks.identity.tokenizer_sharing import compare_named  # PyTorch takes seconds to import

    found = compare_named(first, second)
    compatible = found.difference is None
    if as_json:
        print_json({"compatible": compatible, **found._asdict()})
    else:
        for line in _lines(found.shared_vocab_size, found.difference, found.notes):
            output.print(line, markup=False, soft_wrap=True)
    if not compatible:
        raise typer.Exit(EXIT_FAILED)


def _lines(size: int, difference: str | None, notes: tuple[str, ...]) -> list[str]:
    if difference is not None:
        return [f"incompatible: {difference}"]
    return [f"compatible: both mean the same by {size:,} ids", *(f"note: {note}" for note in notes)]
