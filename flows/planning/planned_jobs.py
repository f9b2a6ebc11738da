"""The jobs of a pipeline, fingerprinted: one method per stage that several plans have."""

from collections.abc import Iterable

from pydantic import BaseModel, JsonValue

from flows.config.pipeline_config import PipelineConfig
from memdec_core.models.models_config import BaseModelConfig, FromMemoryConfig, VocabularyConfig
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.text.text_config import CorpusConfig
from storage.objects.artifact_ref import ArtifactRef
from tasks.identity.base_model_identity import base_model_identity
from tasks.identity.corpus_identity import corpus_identity
from tasks.identity.tokenizer_sharing import SharedVocabulary, plan_vocabulary
from tasks.jobs.stage_catalogue import STAGES, AnyStage
from tasks.jobs.stage_job import StageJob

Config = dict[str, JsonValue]
Inputs = dict[str, ArtifactRef]


class PlannedJobs:
    """Collects jobs; equal ones (a student that is the base model) once, under the first name.

    Attributes:
        by_ref: The jobs by artifact, each after those whose artifacts it reads.
        windows: The pipeline's section `windows`, which most stages read.
        scoring: Its section `scoring`, which all stages that score have.
    """

    def __init__(self, config: PipelineConfig, known: Iterable[StageJob] = ()) -> None:
        """Starts from the jobs of another plan of the same pipeline."""
        self.by_ref = {job.ref: job for job in known}
        self.windows = section("windows", config.windows)
        scoring = ScoringConfig(precision=config.evaluation.precision)
        self.scoring = section("scoring", scoring)
        self._config = config
        self._vocabulary: SharedVocabulary | None = None

    def add(
        self,
        stage: AnyStage,
        config: Config,
        inputs: Inputs,
        *,
        identity: Config | None = None,
        name: str | None = None,
    ) -> ArtifactRef:
        """Plans a job; the arguments are those of `StageJob.planned`."""
        job = StageJob.planned(
            self._config.name, stage, config, inputs, identity=identity, name=name
        )
        return self.by_ref.setdefault(job.ref, job).ref

    def by_stage(self) -> dict[str, list[StageJob]]:
        """The jobs of every stage that has any, in the order of the catalogue."""
        found = {
            stage: [job for ref, job in self.by_ref.items() if ref.stage == stage]
            for stage in STAGES
        }
        return {stage: jobs for stage, jobs in found.items() if jobs}

    def corpus(self, config: CorpusConfig, name: str) -> ArtifactRef:
        """Plans a corpus; its documents are read, to hash them."""
        sections, identity = section("corpus", config), corpus_identity(config)
        return self.add("corpus", sections, {}, identity=identity, name=name)

    def base_model(self, config: BaseModelConfig, name: str) -> ArtifactRef:
        """Plans a base model and, where it is pretrained, its general corpus."""
        inputs = {}
        if config.pretrain is not None:
            inputs["corpus"] = self.corpus(config.pretrain.corpus, f"{name}_corpus")
        sections, identity = section("base_model", config), base_model_identity(config)
        return self.add("base_model", sections, inputs, identity=identity, name=name)

    def student(self, config: FromMemoryConfig, base: ArtifactRef) -> ArtifactRef:
        """Plans a memory of another tokenizer family, and the student that it becomes."""
        source = BaseModelConfig(name=config.name, revision=config.revision)
        inputs = {"memory": self.base_model(source, "other_memory"), "base_model": base}
        identity = section("student", config, without={"name", "revision"})
        # the windows change nothing: they are there to be refused where they are too long
        sections = section("student", config) | self.windows
        return self.add("student", sections, inputs, identity=identity)

    def share_vocabulary(self, models: Iterable[ArtifactRef]) -> SharedVocabulary | None:
        """Finds what models share, the datastore's first; jobs added from now on keep to it.

        A student made from another memory has its base model's tokenizer and is passed over.
        """
        jobs = [self.by_ref[ref] for ref in models if ref.stage == "base_model"]
        self._vocabulary = plan_vocabulary(jobs)
        return self._vocabulary

    def vocabulary(self, *models: ArtifactRef) -> Config:
        """The section `vocabulary` of a job, empty unless a model's tokenizer is to be cut."""
        shared = self._vocabulary
        if shared is None or not {self._tokenizer_of(model) for model in models} & {*shared.longer}:
            return {}
        return section("vocabulary", VocabularyConfig(size=shared.size))

    def _tokenizer_of(self, model: ArtifactRef) -> ArtifactRef:
        """The base model whose tokenizer a model has."""
        if model.stage == "base_model":
            return model
        role = {"memory": "student", "student": "base_model", "adapted_model": "base_model"}
        return self._tokenizer_of(self.by_ref[model].inputs[role[model.stage]])

    def tokens(self, corpus: ArtifactRef, base: ArtifactRef, name: str = "tokens") -> ArtifactRef:
        """Plans the tokens of a corpus, by a base model's tokenizer."""
        inputs = {"corpus": corpus, "base_model": base}
        return self.add("tokens", section("tokens", self._config.tokens), inputs, name=name)

    def embeddings(
        self, tokens: ArtifactRef, base: ArtifactRef, name: str = "embeddings"
    ) -> ArtifactRef:
        """Plans a base model's datastore."""
        sections = section("embeddings", self._config.embeddings) | self.windows
        inputs = {"tokens": tokens, "base_model": base}
        return self.add("embeddings", sections, inputs, name=name)

    def index(self, embeddings: ArtifactRef, name: str = "index") -> ArtifactRef:
        """Plans the index over a datastore."""
        sections = section("index", self._config.index)
        return self.add("index", sections, {"embeddings": embeddings}, name=name)

    def targets(
        self, embeddings: ArtifactRef, index: ArtifactRef, name: str = "targets"
    ) -> ArtifactRef:
        """Plans the kNN distributions that a datastore gives its own positions."""
        inputs = {"embeddings": embeddings, "index": index}
        return self.add("targets", section("targets", self._config.targets), inputs, name=name)

    def scores(
        self, system: str, tokens: ArtifactRef, model: ArtifactRef, further: Config | None = None
    ) -> ArtifactRef:
        """Plans a model's scores; a further section says how the system changes the model."""
        sections = self.scoring | self.windows | self.vocabulary(model)
        inputs = {"tokens": tokens, "model": model}
        return self.add("scores", sections | (further or {}), inputs, name=f"{system}_scores")

    def tokens_elsewhere(self, name: str, config: CorpusConfig, base: ArtifactRef) -> ArtifactRef:
        """Plans another corpus and its tokens, by a base model's tokenizer."""
        return self.tokens(self.corpus(config, f"{name}_corpus"), base, f"{name}_tokens")

    def scores_elsewhere(
        self, scores: ArtifactRef, corpus: str, tokens: ArtifactRef
    ) -> ArtifactRef:
        """Plans what has planned scores on another corpus."""
        job = self.by_ref[scores]
        read = job.inputs | {"tokens": tokens}
        return self.add("scores", job.config, read, name=f"{corpus}_{job.name}")


def section(name: str, config: BaseModel, without: set[str] | None = None) -> Config:
    """A section of a job's configuration, under its name."""
    return {name: config.model_dump(mode="json", exclude=without)}
