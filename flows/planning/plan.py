"""The plan: every stage's fingerprint, computed before anything runs.

`memdec plan` shows it and the flow follows it, so the two cannot disagree.
"""

from dataclasses import dataclass

from flows.config.pipeline_config import PipelineConfig
from flows.planning.planned_jobs import PlannedJobs, section
from memdec_core.errors import UserError
from memdec_core.scoring.system_name import SystemName
from storage.objects.artifact_ref import ArtifactRef
from storage.store.production import Release
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tasks.jobs.stage_catalogue import StageName
from tasks.jobs.stage_job import StageJob


@dataclass(frozen=True)
class Plan:
    """The jobs of a run. Equal jobs (a student that is the base model) are planned once.

    Attributes:
        stages: All jobs by stage, in the order of the catalogue; those of a stage in the order in
            which they were planned.
        base_models: The datastore's model first, then the student and the evaluated ones; all
            have one tokenizer, or longer and shorter ones of a family. The memory of another
            tokenizer that a student is made from is not among them.
        bases: The evaluated base models, in the order of the configuration.
        vocabulary: What the base models' tokenizers share, where some are longer than others.
    """

    stages: dict[str, list[StageJob]]
    base_models: list[StageJob]
    bases: tuple[ArtifactRef, ...]
    vocabulary: SharedVocabulary | None
    tokens: StageJob
    embeddings: StageJob
    index: StageJob
    targets: StageJob
    memory: StageJob
    evaluation: StageJob
    report: StageJob

    def jobs(self) -> list[StageJob]:
        """All jobs, each after those whose artifacts it reads."""
        return [job for jobs in self.stages.values() for job in jobs]

    def until(self, stage: StageName | None) -> list[StageJob]:
        """The jobs up to and including the last one of a stage; all when no stage is named.

        Raises:
            UserError: This pipeline has no such stage.
        """
        jobs = self.jobs()
        found = [i for i, job in enumerate(jobs) if stage in (None, job.ref.stage)]
        if not found:
            raise UserError(
                f"--until {stage}: this pipeline has no such stage; a {stage} is made only where "
                "config.memory.from_memory gives a memory of another tokenizer family"
            )
        return jobs[: found[-1] + 1]


def plan_pipeline(config: PipelineConfig) -> Plan:
    """Fingerprints every stage of a pipeline.

    Documents and local models are read once, to hash their content; nothing is written.

    Raises:
        UserError: A document or a model that the configuration names is not there.
    """
    jobs = PlannedJobs(config)
    corpus = jobs.corpus(config.corpus, "corpus")
    base = student = jobs.base_model(config.base_model, "base_model")
    if config.memory.init is not None:
        student = jobs.base_model(config.memory.init, "student")
    bases = [
        jobs.base_model(model, SystemName("evaluated", number).job)
        for number, model in enumerate(config.evaluation.bases)
    ] or [base]
    alike = list(dict.fromkeys((base, student, *bases)))
    if config.memory.from_memory is not None:
        student = jobs.student(config.memory.from_memory, base)
    vocabulary = jobs.share_vocabulary(alike)
    tokens = jobs.tokens(corpus, base)
    embeddings = jobs.embeddings(tokens, base)
    index = jobs.index(embeddings)
    targets = jobs.targets(embeddings, index)
    learned = {"tokens": tokens, "targets": targets, "student": student}
    memory = jobs.add("memory", section("training", config.training) | jobs.windows, learned)
    scores = {"memory_scores": jobs.scores("memory", tokens, memory)}
    for number, model in enumerate(bases):
        name = SystemName("base", number)
        scores[name.role] = jobs.scores(name.job, tokens, model)
    evaluation = jobs.add(
        "evaluation",
        section("evaluation", config.evaluation, without={"bases"}) | jobs.windows,
        {"tokens": tokens, "memory": memory, "targets": targets} | scores,
    )
    students = [student] if student.stage == "student" else []
    shown = (corpus, base, *students, tokens, embeddings, index, targets, memory, evaluation)
    report = jobs.add("report", {}, {ref.stage: ref for ref in shown})
    by_ref = jobs.by_ref
    return Plan(
        stages=jobs.by_stage(),
        base_models=[by_ref[ref] for ref in alike],
        bases=tuple(bases),
        vocabulary=vocabulary,
        tokens=by_ref[tokens],
        embeddings=by_ref[embeddings],
        index=by_ref[index],
        targets=by_ref[targets],
        memory=by_ref[memory],
        evaluation=by_ref[evaluation],
        report=by_ref[report],
    )


def release_of(plan: Plan) -> Release:
    """What a plan makes that is used together; of several bases the first is the one served."""
    return Release(base=plan.bases[0], memory=plan.memory.ref, evaluation=plan.evaluation.ref)
