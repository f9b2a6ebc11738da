"""The plan of a comparison: a pipeline's own stages, and those of the systems beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan, plan_pipeline
from flows.planning.planned_jobs import Config, Inputs, PlannedJobs, section
from flows.planning.planned_measures import plan_measures, plan_routers
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.text.text_config import CorpusConfig
from memdec_core.training.training_config import DaptConfig, LoraConfig, MemoryTrainingConfig
from storage.objects.artifact_ref import ArtifactRef
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tasks.jobs.stage_job import StageJob


@dataclass(frozen=True)
class ComparisonPlan:
    """The jobs of a comparison.

    Attributes:
        pipeline: The pipeline's own jobs.
        models: Base models that only the comparison has, each after its corpus.
        vocabulary: What the tokenizers of all base models share, where some are longer.
        beside: Those of the other systems, each after those whose artifacts it reads; what the
            pipeline makes itself is not among them. The comparison is the last.
    """

    pipeline: Plan
    models: tuple[StageJob, ...]
    vocabulary: SharedVocabulary | None
    beside: tuple[StageJob, ...]

    @property
    def base_models(self) -> list[StageJob]:
        """The pipeline's base models, the datastore's first, then the comparison's own."""
        own = (job for job in self.models if job.ref.stage == "base_model")
        return [*self.pipeline.base_models, *own]

    @property
    def comparison(self) -> StageJob:
        """The job that compares all systems."""
        return self.beside[-1]

    def jobs(self) -> list[StageJob]:
        """All jobs, each once and after those whose artifacts it reads."""
        return [*self.pipeline.jobs(), *self.models, *self.beside]


def comparison_name(config: PipelineConfig) -> str:
    """The name under which the store keeps the history of a pipeline's comparisons."""
    return f"{config.name}-comparison"


def plan_comparison(config: PipelineConfig) -> ComparisonPlan:
    """Fingerprints every stage of a comparison.

    Raises:
        UserError: A document or a model that the configuration names is not there.
    """
    return _Planner(config).plan()


class _Planner:
    """Collects the jobs of one comparison; methods return scores by their role in it."""

    def __init__(self, config: PipelineConfig) -> None:
        self._config = config
        self._pipeline = plan_pipeline(config)
        self._jobs = PlannedJobs(config, self._pipeline.jobs())
        self._tokens = self._pipeline.tokens.ref
        self._student = self._pipeline.memory.inputs["student"]
        knobs: Config = {"k": config.targets.k, "taus": [*config.comparison.taus]}
        self._knn_lm: Config = {"knn_lm": knobs}

    def plan(self) -> ComparisonPlan:
        own = len(self._jobs.by_ref)
        comparison = self._config.comparison
        students = self._models("student", comparison.students)
        datastores = self._models("datastore", comparison.datastores)
        models = len(self._jobs.by_ref)
        base_models = [job.ref for job in self._pipeline.base_models]
        vocabulary = self._jobs.share_vocabulary(
            dict.fromkeys([*base_models, *students.values(), *datastores.values()])
        )
        memories = self._memories(students, datastores)
        systems = self._mixed_with_every_base(memories)
        for number, base in enumerate(self._pipeline.bases):
            systems |= self._beside_base(number, base)
        inputs = {"tokens": self._tokens} | systems
        for name, corpus in comparison.elsewhere.items():
            inputs |= self._elsewhere(name, corpus, systems)
        inputs |= plan_routers(self._jobs, self._config, self._pipeline, inputs)
        inputs |= plan_measures(self._jobs, self._config, self._pipeline, systems)
        inputs |= {"evaluation": self._pipeline.evaluation.ref}
        inputs |= {"targets": self._pipeline.targets.ref}
        unread = {"bases", "fidelity_rows"}
        sections = section("evaluation", self._config.evaluation, without=unread)
        self._jobs.add("comparison", sections | self._jobs.windows | self._knn_lm, inputs)
        jobs = tuple(self._jobs.by_ref.values())
        return ComparisonPlan(self._pipeline, jobs[own:models], vocabulary, jobs[models:])

    def _models(self, kind: str, configs: Mapping[str, BaseModelConfig]) -> Inputs:
        """Models that further memories are made with."""
        return {
            f"{kind}_{name}": self._jobs.base_model(config, f"{kind}_{name}")
            for name, config in configs.items()
        }

    def _memories(self, students: Inputs, datastores: Inputs) -> Inputs:
        """The memory, and memories of another β, student or datastore."""
        training, inputs = self._config.training, self._pipeline.memory.inputs
        memories = {"memory": self._pipeline.memory.ref}
        for beta in self._config.comparison.betas:
            if beta != training.beta:
                name = f"memory_beta_{beta:g}"
                changed = training.model_copy(update={"beta": beta})
                memories[name] = self._memory(name, changed, inputs)
        for kind, student in students.items():
            name = f"memory_{kind}"
            memories[name] = self._memory(name, training, inputs | {"student": student})
        for kind, model in datastores.items():
            name = f"memory_{kind}"
            keys = self._jobs.embeddings(self._tokens, model, f"{kind}_embeddings")
            index = self._jobs.index(keys, f"{kind}_index")
            targets = self._jobs.targets(keys, index, f"{kind}_targets")
            memories[name] = self._memory(name, training, inputs | {"targets": targets})
        return memories

    def _mixed_with_every_base(self, memories: Inputs) -> Inputs:
        """The memories, and the student's DAPT."""
        comparison, models = self._config.comparison, dict(memories)
        if "dapt_small" in comparison.baselines:
            models["dapt_small"] = self._adapted("dapt_small", comparison.dapt, self._student)
        return {
            name: self._jobs.scores(name, self._tokens, model) for name, model in models.items()
        }

    def _beside_base(self, number: int, base: ArtifactRef) -> Inputs:
        """A base, and all systems that are made from it."""
        comparison, scores, tokens = self._config.comparison, self._jobs.scores, self._tokens
        inputs = {(name := f"base_{number}"): scores(name, tokens, base)}
        if "knn_lm" in comparison.baselines:
            name = f"knn_lm_{number}"
            inputs[name] = self._knn_scores(name, base)
        if "rag" in comparison.baselines:
            name, retrieval = f"rag_{number}", section("retrieval", comparison.retrieval)
            inputs[name] = scores(name, tokens, base, retrieval)
        for adaptation in (comparison.dapt, comparison.lora):
            if adaptation.method in comparison.baselines:
                name = f"{adaptation.method}_{number}"
                inputs[name] = scores(name, tokens, self._adapted(name, adaptation, base))
        return inputs

    def _elsewhere(self, name: str, config: CorpusConfig, systems: Inputs) -> Inputs:
        """The same systems on another corpus, by `name:role`, but for retrieval."""
        corpus = self._jobs.corpus(config, f"{name}_corpus")
        base = self._pipeline.tokens.inputs["base_model"]
        tokens = self._jobs.tokens(corpus, base, f"{name}_tokens")
        inputs = {f"{name}:tokens": tokens}
        for role, ref in systems.items():
            job = self._jobs.by_ref[ref]
            if "retrieval" not in job.config:
                read = job.inputs | {"tokens": tokens}
                there = self._jobs.add("scores", job.config, read, name=f"{name}_{job.name}")
                inputs[f"{name}:{role}"] = there
        return inputs

    def _memory(self, name: str, training: MemoryTrainingConfig, inputs: Inputs) -> ArtifactRef:
        sections = section("training", training) | self._jobs.windows
        return self._jobs.add("memory", sections, inputs, name=name)

    def _adapted(
        self, name: str, config: DaptConfig | LoraConfig, base: ArtifactRef
    ) -> ArtifactRef:
        """A base trained on the domain; LoRA's rank is matched to the memory's student."""
        inputs = {"tokens": self._tokens, "base_model": base}
        if isinstance(config, LoraConfig) and config.lora_rank is None:
            inputs["student"] = self._student
        sections = section("adaptation", config) | self._jobs.windows
        return self._jobs.add("adapted_model", sections, inputs, name=f"{name}_model")

    def _knn_scores(self, name: str, base: ArtifactRef) -> ArtifactRef:
        """The base's own datastore, its index, and what they score."""
        keys = self._jobs.embeddings(self._tokens, base, f"{name}_embeddings")
        index = self._jobs.index(keys, f"{name}_index")
        embedding = section("embeddings", self._config.embeddings)
        inputs = {"tokens": self._tokens, "model": base, "embeddings": keys, "index": index}
        sections = self._knn_lm | embedding | self._jobs.windows | self._jobs.vocabulary(base)
        return self._jobs.add("scores", sections, inputs, name=f"{name}_scores")
