"""Plans the promotion gate of a finished build: both memories, the new one's text."""

from collections.abc import Mapping

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan
from flows.planning.planned_jobs import Inputs, PlannedJobs, section
from memdec_core.scoring.promotion_gate import PREVIOUS_TEXT
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.production import Release
from tasks.jobs.stage_job import StageJob


def plan_gate(
    config: PipelineConfig, plan: Plan, store: Store, production: Release | None
) -> list[StageJob]:
    """Fingerprints the gate's jobs.

    Args:
        config: The pipeline.
        plan: Its jobs, all done.
        store: Where what is in production says what it was made from.
        production: What the build is compared with, if anything is there.

    Returns:
        The jobs that the pipeline itself does not have, each after those whose artifacts it reads:
        corpora and tokens of other corpora, scores, and last the gate.

    Raises:
        UserError: A document of another corpus is not there.
        MissingArtifact: What is in production is not in the store.
    """
    jobs = PlannedJobs(config, plan.jobs())
    systems = dict(plan.evaluation.inputs)
    inputs: Inputs = {
        "tokens": plan.tokens.ref,
        "targets": plan.targets.ref,
        "evaluation": plan.evaluation.ref,
    } | _scores(systems)
    if production is not None:
        scored = jobs.by_ref[systems["memory_scores"]]
        read = scored.inputs | {"model": production.memory}
        old = jobs.add("scores", scored.config, read, name="production_scores")
        systems["production_scores"] = old
        inputs["production_scores"] = old
        inputs["production_evaluation"] = production.evaluation
        before = store.require(production.memory).inputs["tokens"]
        inputs |= _on_other_tokens(jobs, PREVIOUS_TEXT, before, systems)
    for name, corpus in config.comparison.elsewhere.items():
        there = jobs.corpus(corpus, f"{name}_corpus")
        base = plan.tokens.inputs["base_model"]
        tokens = jobs.tokens(there, base, f"{name}_tokens")
        inputs |= _on_other_tokens(jobs, name, tokens, systems)
    sections = section("promotion", config.promotion, without={"automatic"})
    evaluation = section("evaluation", config.evaluation, without={"bases", "fidelity_rows"})
    jobs.add("promotion_gate", sections | evaluation | jobs.windows, inputs)
    own = {job.ref for job in plan.jobs()}
    return [job for ref, job in jobs.by_ref.items() if ref not in own]


def _on_other_tokens(
    jobs: PlannedJobs, name: str, tokens: ArtifactRef, systems: Mapping[str, ArtifactRef]
) -> Inputs:
    """The same systems on other text, by `name:role`."""
    inputs: Inputs = {f"{name}:tokens": tokens}
    for role, ref in _scores(systems).items():
        job = jobs.by_ref[ref]
        read = job.inputs | {"tokens": tokens}
        inputs[f"{name}:{role}"] = jobs.add("scores", job.config, read, name=f"{name}_{job.name}")
    return inputs


def _scores(systems: Mapping[str, ArtifactRef]) -> Inputs:
    return {role: ref for role, ref in systems.items() if ref.stage == "scores"}
