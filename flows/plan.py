"""The plan: every stage's fingerprint, computed before anything runs.

`memdec plan` shows it and the flow follows it, so the two cannot disagree.
"""

from dataclasses import dataclass

from flows.pipeline_config import PipelineConfig
from flows.stage_jobs import Config, Inputs, StageName, make_job, section
from memdec_core.base_model_config import BaseModelConfig
from memdec_core.corpus_config import CorpusConfig
from memdec_core.scoring_config import ScoringConfig
from storage.artifact_ref import ArtifactRef
from tasks.base_model_identity import base_model_identity
from tasks.corpus_identity import corpus_identity
from tasks.stage_job import StageJob


@dataclass(frozen=True)
class Plan:
    """The jobs of a run. Equal jobs (a student that is the base model) are planned once.

    Attributes:
        corpora: The domain's corpus, then the general corpora of pretrained base models.
        base_models: The datastore's model first, then the student and the evaluated ones.
        bases: The evaluated base models, in the order of the configuration.
        scores: Of the memory, then of the bases.
    """

    corpora: tuple[StageJob, ...]
    base_models: tuple[StageJob, ...]
    tokens: StageJob
    embeddings: StageJob
    index: StageJob
    targets: StageJob
    memory: StageJob
    bases: tuple[ArtifactRef, ...]
    scores: tuple[StageJob, ...]
    evaluation: StageJob
    report: StageJob

    def jobs(self) -> list[StageJob]:
        """All jobs, each after those whose artifacts it reads."""
        return [
            *self.corpora,
            *self.base_models,
            self.tokens,
            self.embeddings,
            self.index,
            self.targets,
            self.memory,
            *self.scores,
            self.evaluation,
            self.report,
        ]

    def until(self, stage: StageName | None) -> list[StageJob]:
        """The jobs up to and including the last one of a stage; all when no stage is named."""
        jobs = self.jobs()
        last = max(i for i, job in enumerate(jobs) if stage in (None, job.ref.stage))
        return jobs[: last + 1]


def plan_pipeline(config: PipelineConfig) -> Plan:
    """Fingerprints every stage of a pipeline.

    Documents and local models are read once, to hash their content; nothing is written.

    Raises:
        UserError: A document or a model that the configuration names is not there.
    """
    return _Planner(config).plan()


class _Planner:
    """Collects the jobs of one pipeline; those that may coincide by fingerprint."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._corpora: dict[ArtifactRef, StageJob] = {}
        self._base_models: dict[ArtifactRef, StageJob] = {}
        self._scores_by_ref: dict[ArtifactRef, StageJob] = {}

    def plan(self) -> Plan:
        config = self._config
        corpus = self._corpus(config.corpus, "corpus")
        base = student = self._base_model(config.base_model, "base_model")
        if config.memory.init is not None:
            student = self._base_model(config.memory.init, "student")
        bases = [
            self._base_model(model, f"evaluated_{number}")
            for number, model in enumerate(config.evaluation.bases)
        ] or [base]
        windows = section("windows", config.windows)
        tokens = self._job(
            "tokens", section("tokens", config.tokens), {"corpus": corpus, "base_model": base}
        )
        embeddings = self._job(
            "embeddings",
            section("embeddings", config.embeddings) | windows,
            {"tokens": tokens.ref, "base_model": base},
        )
        index = self._job("index", section("index", config.index), {"embeddings": embeddings.ref})
        targets = self._job(
            "targets",
            section("targets", config.targets),
            {"embeddings": embeddings.ref, "index": index.ref},
        )
        memory = self._job(
            "memory",
            section("training", config.training) | windows,
            {"tokens": tokens.ref, "targets": targets.ref, "student": student},
        )
        scores = {"memory_scores": self._scores("memory", tokens.ref, memory.ref)} | {
            f"base_{number}": self._scores(f"base_{number}", tokens.ref, base)
            for number, base in enumerate(bases)
        }
        evaluation = self._job(
            "evaluation",
            section("evaluation", config.evaluation, without={"bases"}) | windows,
            {"tokens": tokens.ref, "memory": memory.ref, "targets": targets.ref} | scores,
        )
        read = (tokens, embeddings, index, targets, memory, evaluation)
        report = self._job(
            "report",
            {},
            {"corpus": corpus, "base_model": base} | {job.ref.stage: job.ref for job in read},
        )
        return Plan(
            corpora=tuple(self._corpora.values()),
            base_models=tuple(self._base_models.values()),
            tokens=tokens,
            embeddings=embeddings,
            index=index,
            targets=targets,
            memory=memory,
            bases=tuple(bases),
            scores=tuple(self._scores_by_ref.values()),
            evaluation=evaluation,
            report=report,
        )

    def _corpus(self, config: CorpusConfig, name: str) -> ArtifactRef:
        job = self._job(
            "corpus", section("corpus", config), {}, identity=corpus_identity(config), name=name
        )
        return self._corpora.setdefault(job.ref, job).ref

    def _base_model(self, config: BaseModelConfig, name: str) -> ArtifactRef:
        inputs = {}
        if config.pretrain is not None:
            inputs["corpus"] = self._corpus(config.pretrain.corpus, f"{name}_corpus")
        sections, identity = section("base_model", config), base_model_identity(config)
        job = self._job("base_model", sections, inputs, identity=identity, name=name)
        return self._base_models.setdefault(job.ref, job).ref

    def _scores(self, system: str, tokens: ArtifactRef, model: ArtifactRef) -> ArtifactRef:
        scoring = ScoringConfig(precision=self._config.evaluation.precision)
        config = section("scoring", scoring) | section("windows", self._config.windows)
        inputs = {"tokens": tokens, "model": model}
        job = self._job("scores", config, inputs, name=f"{system}_scores")
        return self._scores_by_ref.setdefault(job.ref, job).ref

    def _job(
        self,
        stage: StageName,
        config: Config,
        inputs: Inputs,
        *,
        identity: Config | None = None,
        name: str | None = None,
    ) -> StageJob:
        return make_job(self._config.name, stage, config, inputs, identity=identity, name=name)
