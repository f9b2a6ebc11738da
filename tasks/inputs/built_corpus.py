"""What the newest finished run of a pipeline was built from, and what can be measured with it."""

from pydantic import BaseModel, ConfigDict

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.run_history import read_history


class BuiltCorpus(BaseModel):
    """The newest finished run's own corpus, which is not always its only one.

    Attributes:
        when: When the run was recorded, ISO, UTC.
        corpus: The domain's corpus.
        tokens: Its tokens.
        base: The model whose tokenizer made them.
        scores: That model's scores, None where it was not evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
