"""`memdec explain`: which contexts of the corpus put the probability of a next token there."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from flows.commands import command_options as options
from flows.config.config_file import load_config
from flows.planning.plan import plan_pipeline
from flows.server.console import output, print_json, screen
from memdec_core.text.sound_text import sound_text
from storage.store.artifact_store import Store

if TYPE_CHECKING:
    from tasks.use.explain_token import Explanation

Prompt = Annotated[str, typer.Option(help="The text before the position to explain.")]
Token = Annotated[
    str | None,
    typer.Option(
        help="The token to explain, with the space before it if there is one (' court'); the "
        "memory's most probable one if unset."
    ),
]
Top = Annotated[int, typer.Option(min=1, help="Most tokens, and most neighbours, to show.")]

PLACE_WIDTH = 26
"""Characters of the column that names document and offsets; the text has the rest."""


def explain(  # noqa: PLR0913 - each is an option of the command
    pipeline: options.Pipeline,
    prompt: Prompt,
    token: Token = None,
    top: Top = 10,
    alpha: options.Alpha = None,
    overrides: options.Overrides = None,
    store: options.StoreUrl = options.DEFAULT_STORE,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Show which contexts of the corpus put the probability of a next token there."""
    sound_text(prompt, "--prompt")
    sound_text(token or "", "--token")
    from tasks.inputs.finished_run import evaluated_alpha
    from tasks.use.explain_token import explain_token  # PyTorch takes seconds to import
    from tasks.use.explained_position import ExplainedPipeline

    plan = plan_pipeline(load_config(pipeline, overrides or []))
    opened = Store.open_existing(store)
    weight = evaluated_alpha(opened, plan.evaluation.ref) if alpha is None else alpha
    explained = ExplainedPipeline(
        plan.embeddings, plan.targets, plan.memory.ref, plan.bases[0], weight
    )
    explanation = explain_token(opened, explained, prompt, token, top, device)
    if as_json:
        print_json({"prompt": prompt, **_json(explanation)})
        return
    for note in explanation.notes:
        screen.print(f"note: {note}", markup=False, soft_wrap=True)
    output.print(_tokens_table(explanation))
    output.print(_neighbours_table(explanation))


def _json(explanation: "Explanation") -> dict[str, object]:
    """The explanation as plain objects, the named tuples with their names."""
    named = {
        "tokens": [shares._asdict() for shares in explanation.tokens],
        "explained": explanation.explained._asdict(),
        "neighbours": [neighbour._asdict() for neighbour in explanation.neighbours],
    }
    return asdict(explanation) | named


def _tokens_table(explanation: "Explanation") -> Table:
    """The most probable tokens under each system."""
    table = Table(title="next token", title_justify="left")
    for name in ("token", "p_kNN", "p_mem", "p_base", f"p_joint (α = {explanation.alpha:g})"):
        table.add_column(name, justify="left" if name == "token" else "right")
    for shares in explanation.tokens:
        _id, *shown = shares[1:]
        style = "bold" if shares.id == explanation.explained.id else ""
        table.add_row(Text(repr(shares.text)), *[f"{p:.4f}" for p in shown], style=style)
    return table


def _neighbours_table(explanation: "Explanation") -> Table:
    """The neighbours that carry the explained token, with the text around it."""
    explained = explanation.explained
    title = (
        f"{explained.text!r}: p_kNN {explained.p_knn:.4f} from {explanation.carriers:,} of "
        f"{explanation.k:,} neighbours (τ = {explanation.tau:g})"
    )
    table = Table(title=Text(title), title_justify="left", show_lines=True)
    table.add_column("weight", justify="right")
    table.add_column("distance", justify="right")
    table.add_column("place", max_width=PLACE_WIDTH, overflow="fold")
    table.add_column("text", overflow="fold")
    for neighbour in explanation.neighbours:
        table.add_row(
            f"{neighbour.weight:.4f}",
            f"{neighbour.distance:.4g}",
            Text(
                f"{neighbour.document}\ntoken {neighbour.token_offset:,}\n"
                f"character {neighbour.character_offset:,}"
            ),
            Text.assemble(
                _one_line(neighbour.before),
                (f"⟦{_one_line(neighbour.token)}⟧", "bold"),
                _one_line(neighbour.after),
            ),
        )
    return table


def _one_line(text: str) -> str:
    """Text with its line breaks made visible, so that a table's row stays small."""
    return text.replace("\n", "⏎")
