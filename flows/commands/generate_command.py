"""`memdec generate`: base and base+memory side by side."""

from typing import Annotated

import typer
from rich.table import Table

from flows.commands import command_options as options
from flows.config.config_file import load_config
from flows.planning.plan import plan_pipeline
from flows.server.console import output, print_json
from memdec_core.text.sound_text import sound_text
from storage.store.artifact_store import Store

Prompt = Annotated[
    str,
    typer.Option(help="The text to continue; `-` reads it from standard input, to the last line."),
]
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


def generate(  # noqa: PLR0913 - each is an option of the command
    pipeline: options.Pipeline,
    prompt: Prompt,
    alpha: options.Alpha = None,
    max_new_tokens: options.MaxNewTokens = 60,
    temperature: options.Temperature = 0.0,
    top_p: options.TopP = 1.0,
    top_k: TopK = 0,
    repetition_penalty: RepetitionPenalty = 1.0,
    num_beams: NumBeams = 1,
    num_samples: NumSamples = 1,
    stop: Stop = None,
    seed: options.Seed = 0,
    overrides: options.Overrides = None,
    store: options.StoreUrl = options.DEFAULT_STORE,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Continue a prompt with the base model alone and with its memory."""
    config = options.continuation_config(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        repetition_penalty=repetition_penalty,
        num_beams=num_beams,
        num_samples=num_samples,
        stop=[sound_text(each, "--stop") for each in stop or ()],
        seed=seed,
    )
    text = options.piped_text() if prompt == "-" else sound_text(prompt, "--prompt")
    plan = plan_pipeline(load_config(pipeline, overrides or []))
    opened = Store.open_existing(store)
    from tasks.inputs.finished_run import evaluated_alpha
    from tasks.use.joint_text import continue_both  # PyTorch takes seconds to import

    weight = evaluated_alpha(opened, plan.evaluation.ref) if alpha is None else alpha
    texts = continue_both(opened, plan.bases[0], plan.memory.ref, weight, text, config, device)
    if as_json:
        print_json({"prompt": text, "alpha": weight, **texts})
        return
    table = Table("base", f"base + memory (α = {weight:g})", title=text, show_lines=True)
    for row in zip(texts["base"], texts["memory"], strict=True):
        table.add_row(*row)
    output.print(table, markup=False)
