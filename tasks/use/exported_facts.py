"""What an exported model's card and provenance say, read from the store."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.scoring.system_name import SystemName
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.inputs.finished_run import evaluation_rows, made_by
from tasks.inputs.scored_systems import base_models, name_bases
from tasks.pages.report_tables import Rows


@dataclass(frozen=True)
class ExportedPipeline:
    """What a plan knows of a pipeline that is exported.

    Attributes:
        name: The pipeline's; its memory has it too.
        comparison: Name of the history of its comparisons.
        bases: The evaluated base models.
        base_licenses: Of each of them, as far as they are known.
        corpus: The domain's documents.
        tokens: Their tokens.
        memory: The memory.
        evaluation: The evaluation.
        report: The page on all of them, the last of a run.
        license: Of the documents, if it is known.
        language: Of the documents, if it is known.
    """

    name: str
    comparison: str
    bases: tuple[ArtifactRef, ...]
    base_licenses: tuple[str | None, ...]
    corpus: ArtifactRef
    tokens: ArtifactRef
    memory: ArtifactRef
    evaluation: ArtifactRef
    report: ArtifactRef
    license: str | None
    language: str | None


@dataclass(frozen=True)
class ExportedFacts:
    """What is known of one base with the memory.

    Attributes:
        pipeline: Where it is from.
        base: The base model's artifact.
        base_name: What the tables call it.
        base_license: Its licence, if it is known.
        hub_model: Its id on the hub, if it is from there.
        alpha: Weight of the memory in the export.
        tuned_alpha: The one that was tuned.
        rows: Of the evaluation, this base's and the memory's own.
        compared: Of the newest comparison that measured this memory; none without one.
        comparison: That comparison, if there is one.
        router: The router of an adaptive α that it fitted for this base, if it did.
        corpus: Manifest of the documents.
        tokens: Manifest of their tokens.
    """

    pipeline: ExportedPipeline
    base: ArtifactRef
    base_name: str
    base_license: str | None
    hub_model: str | None
    alpha: float
    tuned_alpha: float
    rows: Rows
    compared: Rows
    comparison: ArtifactRef | None
    router: ArtifactRef | None
    corpus: Manifest
    tokens: Manifest


def exported_facts(
    store: Store, pipeline: ExportedPipeline, base_name: str | None, alpha: float | None
) -> ExportedFacts:
    """Collects what is known of a finished pipeline.

    Args:
        store: Where its artifacts are.
        pipeline: The pipeline.
        base_name: Which base, as the evaluation's table calls it; the first if None.
        alpha: Weight of the memory; the tuned one if None.

    Raises:
        UserError: The pipeline has no finished run, or no such base.
        StorageError: The store could not be read.
    """
    if store.manifest(pipeline.report) is None:
        raise UserError(
            f"{store.url}: the pipeline `{pipeline.name}` has no finished run with this "
            "configuration; `memdec run` it first"
        )
    place, name = _chosen(store, pipeline, base_name)
    rows = _of_base(evaluation_rows(store, pipeline.evaluation), name)
    (tuned,) = (row["value"] for row in rows if row["metric"] == "alpha")
    assert isinstance(tuned, float)
    base = pipeline.bases[place]
    hub_model = store.require(base).config.get("hub_model")
    comparison = _comparison(store, pipeline)
    compared, router = ((), None) if comparison is None else _compared(store, comparison, base)
    return ExportedFacts(
        pipeline=pipeline,
        base=base,
        base_name=name,
        base_license=pipeline.base_licenses[place],
        hub_model=None if hub_model is None else str(hub_model),
        alpha=tuned if alpha is None else alpha,
        tuned_alpha=tuned,
        rows=rows,
        compared=compared,
        comparison=comparison,
        router=router,
        corpus=store.require(pipeline.corpus),
        tokens=store.require(pipeline.tokens),
    )


def _chosen(store: Store, pipeline: ExportedPipeline, wanted: str | None) -> tuple[int, str]:
    """Number and name of the base."""
    names = [*name_bases(store, dict(enumerate(pipeline.bases))).values()]
    if wanted is None:
        return 0, names[0]
    if wanted not in names:
        raise UserError(
            f"--base {wanted}: the pipeline `{pipeline.name}` evaluates no such base; there are "
            f"{', '.join(names)}"
        )
    return names.index(wanted), wanted


def _comparison(store: Store, pipeline: ExportedPipeline) -> ArtifactRef | None:
    """The newest comparison that read this pipeline's evaluation."""
    for ref in made_by(store, pipeline.comparison, "comparison"):
        manifest = store.manifest(ref)
        if manifest is not None and manifest.inputs.get("evaluation") == pipeline.evaluation:
            return ref
    return None


def _compared(
    store: Store, comparison: ArtifactRef, base: ArtifactRef
) -> tuple[Rows, ArtifactRef | None]:
    """The comparison's rows of a base, which it may call otherwise, and the base's router."""
    inputs = store.require(comparison).inputs
    bases = base_models(store, inputs)
    numbers = [number for number, ref in bases.items() if ref == base]
    if not numbers:
        return (), None
    name = name_bases(store, bases)[numbers[0]]
    rows = _of_base(evaluation_rows(store, comparison), name)
    return rows, inputs.get(SystemName("router", numbers[0]).role)


def _of_base(rows: Rows, name: str) -> list[Mapping[str, JsonValue]]:
    """The rows of one base, and those that depend on none."""
    return [row for row in rows if row["base"] in (name, None)]
