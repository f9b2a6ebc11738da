"""What the finished runs of a pipeline left: its evaluation and its α, its release, its corpus."""

from collections.abc import Iterator

from pydantic import BaseModel, JsonValue

from memdec_core.errors import UserError
from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.production import Release
from storage.store.run_history import FinishedRun, pipelines, read_history


def made_by(store: Store, pipeline: str, stage: str) -> Iterator[ArtifactRef]:
    """The artifacts of one stage that a pipeline's runs ended with, of the newest run first."""
    for run in reversed(read_history(store, pipeline)):
        yield from (ref for ref in run.artifacts if ref.stage == stage)


def newest_evaluation(store: Store, pipeline: str) -> ArtifactRef:
    """The evaluation that the pipeline's newest finished run with one ended with.

    Raises:
        UserError: There is none.
    """
    evaluation = next(made_by(store, pipeline, "evaluation"), None)
    if evaluation is None:
        known = ", ".join(pipelines(store)) or "none"
        raise UserError(
            f"{store.url}: no finished run of a pipeline `{pipeline}` with an evaluation (known: "
            f"{known}); give the name in the pipeline's YAML file, and `memdec run` it first"
        )
    return evaluation


def evaluation_rows(store: Store, ref: ArtifactRef) -> list[dict[str, JsonValue]]:
    """The rows `system, base, split, metric, value, ci_low, ci_high, n` of an evaluation.

    Args:
        store: The artifact store.
        ref: An evaluation; it need not exist.

    Returns:
        The rows in the table's order; none when the evaluation has not been made.
    """
    if store.manifest(ref) is None:
        return []
    return RESULTS.read(store.only(ref))


def evaluated_alpha(store: Store, evaluation: ArtifactRef) -> float:
    """The α that an evaluation chose on the validation split, for its first base.

    Raises:
        UserError: There is no such evaluation.
    """
    for row in evaluation_rows(store, evaluation):
        if row["metric"] == "alpha":
            alpha = row["value"]
            assert isinstance(alpha, float)
            return alpha
    raise UserError(
        f"{store.url}: {evaluation} has not been made, so no α is known; "
        "run the pipeline first, or give --alpha"
    )


def release_of_run(store: Store, run: FinishedRun) -> Release:
    """The release that a run ended with; its base is the first that it evaluated.

    Raises:
        UserError: The run made no evaluation, or it has been collected.
    """
    evaluations = [ref for ref in run.artifacts if ref.stage == "evaluation"]
    if not evaluations or (manifest := store.manifest(evaluations[-1])) is None:
        raise UserError(
            f"the run of {run.when} has no evaluation in {store.url}; run the pipeline again"
        )
    base = store.require(manifest.inputs["base_0"]).inputs["model"]
    memory = manifest.inputs["memory"]
    for ref in (base, memory):
        store.require(ref)
    return Release(base=base, memory=memory, evaluation=evaluations[-1])


class BuiltCorpus(BaseModel, frozen=True, extra="forbid"):
    """The newest finished run's own corpus, which is not always its only one.

    Attributes:
        when: When the run was recorded, ISO, UTC.
        corpus: The domain's corpus.
        tokens: Its tokens.
        base: The model whose tokenizer made them.
        scores: That model's scores, None where it was not evaluated.
    """

    when: str
    corpus: ArtifactRef
    tokens: ArtifactRef
    base: ArtifactRef
    scores: ArtifactRef | None


def newest_built_corpus(store: Store, pipeline: str) -> BuiltCorpus | None:
    """Finds it; None where the pipeline has never run to its end or what it made is gone.

    Raises:
        DamagedArtifact: A record cannot be read.
    """
    for run in read_history(store, pipeline, last=1):
        manifests = {ref: store.manifest(ref) for ref in run.artifacts}
        for tokens, manifest in manifests.items():
            if tokens.stage != "tokens" or manifest is None:
                continue
            corpus, base = manifest.inputs["corpus"], manifest.inputs["base_model"]
            if store.manifest(corpus) is None or store.manifest(base) is None:
                continue
            scores = (
                ref
                for ref, made in manifests.items()
                if ref.stage == "scores" and made is not None and made.inputs["model"] == base
            )
            return BuiltCorpus(
                when=run.when, corpus=corpus, tokens=tokens, base=base, scores=next(scores, None)
            )
    return None
