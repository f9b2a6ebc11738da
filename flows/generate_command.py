"""`memdec generate`: base and base+memory side by side."""

from typing import Annotated

import typer
from rich.table import Table

from flows.command_options import DEFAULT_STORE, Alpha, Device, Json, Overrides, Pipeline, StoreUrl
from flows.config_file import load_config
from flows.console import output, print_json
from flows.plan import plan_pipeline
from storage.artifact_store import Store

Prompt = Annotated[str, typer.Option(help="The text to continue.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Most tokens to add.")]
Temperature = Annotated[float, typer.Option(min=0, help="0 is greedy; 1 samples.")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="Sample among this much probability.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the samples.")]


def generate(  # noqa: PLR0913 - each is an option of the command
    pipeline: Pipeline,
    prompt: Prompt,
    alpha: Alpha = None,
    max_new_tokens: MaxNewTokens = 60,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Continue a prompt with the base model alone and with its memory."""
    from memdec_core.generation import DecodingConfig  # PyTorch takes seconds to import
    from tasks.side_by_side import side_by_side, tuned_alpha

    plan = plan_pipeline(load_config(pipeline, overrides or []))
    opened = Store.open_existing(store)
    decoding = DecodingConfig(
        max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed
    )
    weight = tuned_alpha(opened, plan.evaluation.ref) if alpha is None else alpha
    base = plan.bases[0]
    texts = side_by_side(opened, base, plan.memory.ref, weight, prompt, decoding, device)
    if as_json:
        print_json({"prompt": prompt, "alpha": weight, **texts})
        return
    table = Table("base", f"base + memory (α = {weight:g})", title=prompt, show_lines=True)
    table.add_row(texts["base"], texts["memory"])
    output.print(table, markup=False)
