"""Plans the promotion gate of a finished build: both memories, the new one's text."""

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan
from flows.planning.planned_jobs import Inputs, PlannedJobs, section
from memdec_core.scoring.promotion_gate import PREVIOUS_TEXT
from memdec_core.scoring.system_name import SystemName
from storage.store.artifact_store import Store
from storage.store.production import Release
from tasks.jobs.stage_job import StageJob


def plan_gate(
    config: PipelineConfig, plan: Plan, store: Store, production: Release | None
) -> list[StageJob]:
    """Fingerprints the gate's jobs, which compare a finished build with what is in production.

    Returns:
        The jobs that the pipeline itself does not have, each after those whose artifacts it reads:
        corpora and tokens of other corpora, scores, and last the gate.

    Raises:
        UserError: A document of another corpus is not there.
        MissingArtifact: What is in production is not in the store.
    """
    jobs = PlannedJobs(config, plan.jobs())
    systems = {
        name: plan.evaluation.inputs[name.role]
        for name in SystemName.among(plan.evaluation.inputs, "memory_scores", "base")
    }
    texts: Inputs = {}
    inputs: Inputs = {"targets": plan.targets.ref, "evaluation": plan.evaluation.ref}
    if production is not None:
        scored = jobs.by_ref[systems[SystemName("memory_scores")]]
        read = scored.inputs | {"model": production.memory}
        name = SystemName("production_scores")
        systems[name] = jobs.add("scores", scored.config, read, name=name.job)
        inputs["production_evaluation"] = production.evaluation
        texts[PREVIOUS_TEXT] = store.require(production.memory).inputs["tokens"]
    base = plan.tokens.inputs["base_model"]
    for corpus, documents in config.comparison.elsewhere.items():
        texts[corpus] = jobs.tokens_elsewhere(corpus, documents, base)
    inputs |= {"tokens": plan.tokens.ref} | {name.role: ref for name, ref in systems.items()}
    for corpus, tokens in texts.items():
        inputs[SystemName("tokens", corpus=corpus).role] = tokens
        for name, scores in systems.items():
            inputs[name.on(corpus).role] = jobs.scores_elsewhere(scores, corpus, tokens)
    sections = section("promotion", config.promotion, without={"automatic"})
    evaluation = section("evaluation", config.evaluation, without={"bases", "fidelity_rows"})
    jobs.add("promotion_gate", sections | evaluation | jobs.windows, inputs)
    own = {job.ref for job in plan.jobs()}
    return [job for ref, job in jobs.by_ref.items() if ref not in own]
