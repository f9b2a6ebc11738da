"""The plan of a comparison: a pipeline's own stages, and those of the systems beside it."""

from dataclasses import dataclass, field

from flows.pipeline_config import PipelineConfig
from flows.plan import Plan, plan_pipeline
from flows.stage_jobs import ComparedStage, Config, Inputs, StageName, make_job, section
from memdec_core.adaptation_config import DaptConfig, LoraConfig
from memdec_core.corpus_config import CorpusConfig
from memdec_core.scoring_config import ScoringConfig
from storage.artifact_ref import ArtifactRef
from tasks.corpus_identity import corpus_identity
from tasks.stage_job import StageJob


@dataclass
class ComparisonPlan:
    """The jobs of a comparison beside those of its pipeline, each kind by artifact.

    Attributes:
        pipeline: The pipeline's own jobs.
        corpora: Further corpora to measure the systems on.
        tokens: Of the same.
        embeddings: Of the datastores of the evaluated bases.
        indexes: Of the same.
        memories: With other values of β.
        adapted_models: DAPT and LoRA.
        model_scores: Of single models.
        knn_scores: Of the bases' datastores.
        retrieval_scores: Of the bases with retrieved passages.
        comparison: The table.
    """

    pipeline: Plan
    corpora: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    tokens: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    embeddings: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    indexes: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    memories: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    adapted_models: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    model_scores: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    knn_scores: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    retrieval_scores: dict[ArtifactRef, StageJob] = field(default_factory=dict)
    comparison: StageJob = field(init=False)

    def jobs(self) -> list[StageJob]:
        """All jobs, each once and after those whose artifacts it reads."""
        beside = (
            *self.corpora.values(),
            *self.tokens.values(),
            *self.embeddings.values(),
            *self.indexes.values(),
            *self.memories.values(),
            *self.adapted_models.values(),
            *self.model_scores.values(),
            *self.knn_scores.values(),
            *self.retrieval_scores.values(),
        )
        ordered = [*self.pipeline.jobs(), *beside, self.comparison]
        found: dict[ArtifactRef, StageJob] = {}
        for job in ordered:
            found.setdefault(job.ref, job)
        return list(found.values())


def plan_comparison(config: PipelineConfig) -> ComparisonPlan:
    """Fingerprints every stage of a comparison.

    What a pipeline has made already (the datastore of its base model, the scores of its memory) is
    the same artifact here.

    Raises:
        UserError: A document or a model that the configuration names is not there.
    """
    return _Planner(config).plan()


class _Planner:
    """Collects the jobs of one comparison."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._pipeline = plan_pipeline(config)
        self._found = ComparisonPlan(self._pipeline)
        self._tokens = self._pipeline.tokens.ref
        self._windows = section("windows", config.windows)
        self._scoring = section("scoring", ScoringConfig(precision=config.evaluation.precision))
        knobs: Config = {"k": config.targets.k, "taus": [*config.comparison.taus]}
        self._knn_lm: Config = {"knn_lm": knobs}

    def plan(self) -> ComparisonPlan:
        comparison = self._config.comparison
        inputs: Inputs = {"tokens": self._tokens}
        inputs["memory"] = self._scores("memory", self._pipeline.memory.ref)
        for beta in comparison.betas:
            if beta != self._config.training.beta:
                name = f"memory_beta_{beta:g}"
                inputs[name] = self._scores(name, self._memory(name, beta))
        student = self._pipeline.memory.inputs["student"]
        if "dapt_small" in comparison.baselines:
            adapted = self._adapted("dapt_small", comparison.dapt, student)
            inputs["dapt_small"] = self._scores("dapt_small", adapted)
        for number, base in enumerate(self._pipeline.bases):
            inputs |= self._beside_base(f"{number}", base, student)
        domain = dict(inputs)
        for name, corpus in comparison.elsewhere.items():
            inputs |= self._elsewhere(name, corpus, domain)
        unread = {"bases", "fidelity_rows"}
        sections = section("evaluation", self._config.evaluation, without=unread)
        sections |= self._windows | self._knn_lm
        self._found.comparison = self._job("comparison", sections, inputs)
        return self._found

    def _beside_base(self, number: str, base: ArtifactRef, student: ArtifactRef) -> Inputs:
        """Scores of a base and of all systems that are made from it, by role."""
        comparison = self._config.comparison
        inputs = {f"base_{number}": self._scores(f"base_{number}", base)}
        if "knn_lm" in comparison.baselines:
            inputs[f"knn_lm_{number}"] = self._knn_scores(f"knn_lm_{number}", base)
        if "rag" in comparison.baselines:
            inputs[f"rag_{number}"] = self._retrieval_scores(f"rag_{number}", base)
        for method in (comparison.dapt, comparison.lora):
            if method.method in comparison.baselines:
                name = f"{method.method}_{number}"
                inputs[name] = self._scores(name, self._adapted(name, method, base, student))
        return inputs

    def _elsewhere(self, name: str, config: CorpusConfig, systems: Inputs) -> Inputs:
        """Scores of the same systems on another corpus; roles are `name:role`."""
        corpus = make_job(
            self._config.name,
            "corpus",
            section("corpus", config),
            {},
            identity=corpus_identity(config),
            name=f"{name}_corpus",
        )
        self._found.corpora[corpus.ref] = corpus
        read = self._pipeline.tokens.inputs | {"corpus": corpus.ref}
        tokens = self._job("tokens", section("tokens", self._config.tokens), read, f"{name}_tokens")
        self._found.tokens[tokens.ref] = tokens
        inputs = {f"{name}:tokens": tokens.ref}
        for role, ref in systems.items():
            for jobs in (self._found.model_scores, self._found.knn_scores):
                if ref in jobs:
                    there = jobs[ref].inputs | {"tokens": tokens.ref}
                    job = self._job("scores", jobs[ref].config, there, f"{name}_{jobs[ref].name}")
                    inputs[f"{name}:{role}"] = jobs.setdefault(job.ref, job).ref
        return inputs

    def _memory(self, name: str, beta: float) -> ArtifactRef:
        training = self._config.training.model_copy(update={"beta": beta})
        config = section("training", training) | self._windows
        job = self._job("memory", config, self._pipeline.memory.inputs, name)
        return self._found.memories.setdefault(job.ref, job).ref

    def _adapted(
        self,
        name: str,
        config: DaptConfig | LoraConfig,
        base: ArtifactRef,
        student: ArtifactRef | None = None,
    ) -> ArtifactRef:
        """A base trained on the domain; LoRA's rank is matched to the memory's student."""
        inputs = {"tokens": self._tokens, "base_model": base}
        if isinstance(config, LoraConfig) and config.lora_rank is None and student is not None:
            inputs["student"] = student
        sections = section("adaptation", config) | self._windows
        job = self._job("adapted_model", sections, inputs, f"{name}_model")
        return self._found.adapted_models.setdefault(job.ref, job).ref

    def _scores(self, system: str, model: ArtifactRef) -> ArtifactRef:
        config = self._scoring | self._windows
        inputs = {"tokens": self._tokens, "model": model}
        job = self._job("scores", config, inputs, f"{system}_scores")
        return self._found.model_scores.setdefault(job.ref, job).ref

    def _knn_scores(self, name: str, base: ArtifactRef) -> ArtifactRef:
        """Embeds and indexes the base's own datastore, and scores with it."""
        embedding = section("embeddings", self._config.embeddings)
        inputs = {"tokens": self._tokens, "base_model": base}
        keys = self._job("embeddings", embedding | self._windows, inputs, f"{name}_embeddings")
        self._found.embeddings.setdefault(keys.ref, keys)
        indexing = section("index", self._config.index)
        index = self._job("index", indexing, {"embeddings": keys.ref}, f"{name}_index")
        self._found.indexes.setdefault(index.ref, index)
        config = self._knn_lm | embedding | self._windows
        read = {"tokens": self._tokens, "model": base}
        read |= {"embeddings": keys.ref, "index": index.ref}
        job = self._job("scores", config, read, f"{name}_scores")
        return self._found.knn_scores.setdefault(job.ref, job).ref

    def _retrieval_scores(self, name: str, base: ArtifactRef) -> ArtifactRef:
        retrieval = section("retrieval", self._config.comparison.retrieval)
        inputs = {"tokens": self._tokens, "model": base}
        config = self._scoring | retrieval | self._windows
        job = self._job("scores", config, inputs, f"{name}_scores")
        return self._found.retrieval_scores.setdefault(job.ref, job).ref

    def _job(
        self,
        stage: StageName | ComparedStage,
        config: Config,
        inputs: Inputs,
        name: str | None = None,
    ) -> StageJob:
        return make_job(self._config.name, stage, config, inputs, name=name)
