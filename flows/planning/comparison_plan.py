"""The plan of a comparison: a pipeline's own stages, and those of the systems beside it."""

from dataclasses import dataclass

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan, plan_pipeline
from flows.planning.planned_jobs import Config, Inputs, PlannedJobs, section
from flows.planning.planned_measures import Systems, plan_choices, plan_measures, plan_routers
from memdec_core.scoring.system_name import SystemName
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
    """Collects the jobs of one comparison; methods return what they planned by its name in it."""

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
        further = self._models()
        models = len(self._jobs.by_ref)
        base_models = [job.ref for job in self._pipeline.base_models]
        vocabulary = self._jobs.share_vocabulary(dict.fromkeys([*base_models, *further.values()]))
        systems = self._mixed_with_every_base(further)
        for number, base in enumerate(self._pipeline.bases):
            systems |= self._beside_base(number, base)
        found = systems | self._elsewhere(systems)
        found |= plan_routers(self._jobs, self._config, self._pipeline, found)
        choices = plan_choices(self._jobs, self._config, systems)
        found |= plan_measures(self._jobs, self._config, self._pipeline, systems)
        inputs = {
            "tokens": self._tokens,
            "evaluation": self._pipeline.evaluation.ref,
            "targets": self._pipeline.targets.ref,
        }
        inputs |= {name.role: ref for name, ref in found.items()} | choices
        unread = {"bases", "fidelity_rows"}
        sections = section("evaluation", self._config.evaluation, without=unread)
        self._jobs.add("comparison", sections | self._jobs.windows | self._knn_lm, inputs)
        jobs = tuple(self._jobs.by_ref.values())
        return ComparisonPlan(self._pipeline, jobs[own:models], vocabulary, jobs[models:])

    def _models(self) -> Systems:
        """Models that further memories are made with: students and datastores."""
        comparison = self._config.comparison
        configs = {SystemName("student", variant=v): c for v, c in comparison.students.items()}
        configs |= {SystemName("datastore", variant=v): c for v, c in comparison.datastores.items()}
        return {name: self._jobs.base_model(each, name.job) for name, each in configs.items()}

    def _mixed_with_every_base(self, further: Systems) -> Systems:
        """Scores of the memories, and of the student's DAPT."""
        comparison, models = self._config.comparison, self._memories(further)
        if "dapt_small" in comparison.baselines:
            name = SystemName("dapt_small")
            models[name] = self._adapted(name, comparison.dapt, self._student)
        return {
            name: self._jobs.scores(name.job, self._tokens, model) for name, model in models.items()
        }

    def _memories(self, further: Systems) -> Systems:
        """The memory, and memories of another β, student or datastore."""
        training, inputs = self._config.training, self._pipeline.memory.inputs
        memories = {SystemName("memory"): self._pipeline.memory.ref}
        for beta in self._config.comparison.betas:
            if beta != training.beta:
                name = SystemName("memory_beta", variant=f"{beta:g}")
                changed = training.model_copy(update={"beta": beta})
                memories[name] = self._memory(name, changed, inputs)
        for made_with, model in further.items():
            if made_with.kind == "student":
                name, changes = SystemName("memory_student", variant=made_with.variant), "student"
                read = model
            else:
                name, changes = SystemName("memory_datastore", variant=made_with.variant), "targets"
                keys = self._jobs.embeddings(self._tokens, model, f"{made_with.job}_embeddings")
                index = self._jobs.index(keys, f"{made_with.job}_index")
                read = self._jobs.targets(keys, index, f"{made_with.job}_targets")
            memories[name] = self._memory(name, training, inputs | {changes: read})
        return memories

    def _beside_base(self, number: int, base: ArtifactRef) -> Systems:
        """Scores of a base, and of all systems that are made from it."""
        comparison, scores, tokens = self._config.comparison, self._jobs.scores, self._tokens
        systems = {(name := SystemName("base", number)): scores(name.job, tokens, base)}
        if "knn_lm" in comparison.baselines:
            name = SystemName("knn_lm", number)
            systems[name] = self._knn_scores(name, base)
        if "rag" in comparison.baselines:
            name, retrieval = SystemName("rag", number), section("retrieval", comparison.retrieval)
            systems[name] = scores(name.job, tokens, base, retrieval)
        for adaptation in (comparison.dapt, comparison.lora):
            if adaptation.method in comparison.baselines:
                name = SystemName(adaptation.method, number)
                model = self._adapted(name, adaptation, base)
                systems[name] = scores(name.job, tokens, model)
        return systems

    def _elsewhere(self, systems: Systems) -> Systems:
        """The tokens of the other corpora, and scores of the same systems but for retrieval."""
        found: Systems = {}
        base = self._pipeline.tokens.inputs["base_model"]
        for corpus, config in self._config.comparison.elsewhere.items():
            tokens = self._jobs.tokens_elsewhere(corpus, config, base)
            found[SystemName("tokens", corpus=corpus)] = tokens
            for name, scores in systems.items():
                if "retrieval" not in self._jobs.by_ref[scores].config:
                    there = self._jobs.scores_elsewhere(scores, corpus, tokens)
                    found[name.on(corpus)] = there
        return found

    def _memory(
        self, name: SystemName, training: MemoryTrainingConfig, inputs: Inputs
    ) -> ArtifactRef:
        sections = section("training", training) | self._jobs.windows
        return self._jobs.add("memory", sections, inputs, name=name.job)

    def _adapted(
        self, name: SystemName, config: DaptConfig | LoraConfig, base: ArtifactRef
    ) -> ArtifactRef:
        """A base trained on the domain; LoRA's rank is matched to the memory's student."""
        inputs = {"tokens": self._tokens, "base_model": base}
        if isinstance(config, LoraConfig) and config.lora_rank is None:
            inputs["student"] = self._student
        sections = section("adaptation", config) | self._jobs.windows
        return self._jobs.add("adapted_model", sections, inputs, name=f"{name.job}_model")

    def _knn_scores(self, name: SystemName, base: ArtifactRef) -> ArtifactRef:
        """The base's own datastore, its index, and what they score."""
        keys = self._jobs.embeddings(self._tokens, base, f"{name.job}_embeddings")
        index = self._jobs.index(keys, f"{name.job}_index")
        embedding = section("embeddings", self._config.embeddings)
        inputs = {"tokens": self._tokens, "model": base, "embeddings": keys, "index": index}
        sections = self._knn_lm | embedding | self._jobs.windows | self._jobs.vocabulary(base)
        return self._jobs.add("scores", sections, inputs, name=f"{name.job}_scores")
