"""`memdec export`: a base and its memory as a folder for transformers and the hub."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.command_options import DEFAULT_STORE, Alpha, Json, Overrides, Pipeline, StoreUrl
from flows.config.config_file import load_config
from flows.config.pipeline_config import PipelineConfig
from flows.planning.comparison_plan import comparison_name
from flows.planning.plan import Plan, plan_pipeline
from flows.server.console import output, print_json
from storage.store.artifact_store import Store

Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The new folder; an earlier export there is replaced."),
]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Which base, as the evaluation's table calls it; the first if unset."
    ),
]


def export(
    pipeline: Pipeline,
    folder: Folder,
    alpha: Alpha = None,
    base: Base = None,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Write base and memory as one model, with tokenizer, model card and provenance."""
    config = load_config(pipeline, overrides or [])
    plan = plan_pipeline(config)
    opened = Store.open_existing(store)
    from tasks.use.export_joint import export_joint  # PyTorch takes seconds to import
    from tasks.use.exported_facts import ExportedPipeline

    exported = ExportedPipeline(
        name=config.name,
        comparison=comparison_name(config),
        bases=plan.bases,
        base_licenses=_base_licenses(config, plan),
        corpus=plan.tokens.inputs["corpus"],
        tokens=plan.tokens.ref,
        memory=plan.memory.ref,
        evaluation=plan.evaluation.ref,
        report=plan.report.ref,
        license=config.corpus.license,
        language=config.corpus.language,
    )
    done = export_joint(opened, exported, folder, base, alpha)
    if as_json:
        print_json(done)
        return
    output.print(
        f"{folder}: {done['base']} with the memory of {done['pipeline']}, α = {done['alpha']:g}; "
        "its README.md is the model card",
        markup=False,
        soft_wrap=True,
    )


def _base_licenses(config: PipelineConfig, plan: Plan) -> tuple[str | None, ...]:
    """Of the evaluated base models, in their order; the datastore's may be among them."""
    said = {plan.tokens.inputs["base_model"]: config.base_model.license}
    for ref, model in zip(plan.bases, config.evaluation.bases, strict=False):
        said[ref] = model.license or said.get(ref)
    return tuple(said[ref] for ref in plan.bases)
