"""What a comparison measures beside perplexity: tasks, latency, text learnt by heart, routers.

Jobs are added to those planned before; `pipeline` has the pipeline's own, and `systems` the scores
of all systems.
"""

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan
from flows.planning.planned_jobs import Config, Inputs, PlannedJobs, section
from memdec_core.scoring.system_name import KINDS, SystemName
from storage.objects.artifact_ref import ArtifactRef
from tasks.identity.corpus_identity import downstream_identity

Systems = dict[SystemName, ArtifactRef]
"""Scores of systems, and what is measured of them, by name."""

_CHOICE_SECTIONS = {"knn_lm", "embeddings", "vocabulary"}
"""Of a system's scoring, which its scoring of choices shares."""


def plan_measures(
    jobs: PlannedJobs, config: PipelineConfig, pipeline: Plan, systems: Systems
) -> Systems:
    """Plans the audits and the measurements of latency that the configuration asks for."""
    measured: Systems = {}
    for number, base in enumerate(pipeline.bases):
        read = {"tokens": pipeline.tokens.ref, "base": base, "memory": pipeline.memory.ref}
        sections = jobs.scoring | jobs.vocabulary(base, pipeline.memory.ref)
        if config.comparison.audit is not None:
            name, scores = SystemName("audit", number), _pair(systems, number)
            audit = section("audit", config.comparison.audit) | _alphas(config) | sections
            measured[name] = jobs.add("memorisation_audit", audit, read | scores, name=name.job)
        if config.comparison.latency is not None:
            name = SystemName("latency", number)
            timed, further = _timed(jobs, config, systems, number)
            measured[name] = jobs.add("latency", timed | sections, read | further, name=name.job)
    return measured


def _pair(systems: Systems, number: int) -> Inputs:
    """The scores that the weight of the memory is tuned with."""
    base, memory = SystemName("base", number), SystemName("memory")
    return {"base_scores": systems[base], "memory_scores": systems[memory]}


def _alphas(config: PipelineConfig) -> Config:
    """The weights of the memory to try, as a section."""
    grid = config.evaluation.model_dump(mode="json", include={"alphas", "refine_alpha"})
    return {"alpha": grid}


def _timed(
    jobs: PlannedJobs, config: PipelineConfig, systems: Systems, number: int
) -> tuple[Config, Inputs]:
    """Sections and inputs of the baselines that a base's latency is measured with."""
    comparison = config.comparison
    assert comparison.latency is not None
    sections, datastore = section("latency", comparison.latency), {}
    if SystemName("rag", number) in systems:
        sections |= section("retrieval", comparison.retrieval)
    if (name := SystemName("knn_lm", number)) in systems:
        sections |= section("index", config.index) | {"knn_lm": {"k": config.targets.k}}
        scored = jobs.by_ref[systems[name]].inputs
        datastore = {role: scored[role] for role in ("embeddings", "index")}
    return sections, datastore


def plan_choices(jobs: PlannedJobs, config: PipelineConfig, systems: Systems) -> Inputs:
    """Plans scores of the choices of downstream tasks, with the models of the systems.

    Returns:
        By role in the comparison: choices_base_0, ….

    Raises:
        UserError: A file of a downstream task is not there.
    """
    downstream = config.comparison.downstream
    if downstream is None:
        return {}
    sections = section("downstream", downstream)
    identity: Config = {"downstream": downstream_identity(downstream)}
    inputs: Inputs = {}
    for name, scores in systems.items():
        if KINDS[name.kind].downstream:
            scored = jobs.by_ref[scores]
            read = {role: ref for role, ref in scored.inputs.items() if role != "tokens"}
            further = {k: v for k, v in scored.config.items() if k in _CHOICE_SECTIONS}
            inputs[name.choices] = jobs.add(
                "choice_scores",
                sections | further,
                read,
                identity=identity | further,
                name=f"{name.job}_choices",
            )
    return inputs


def plan_routers(
    jobs: PlannedJobs, config: PipelineConfig, pipeline: Plan, systems: Systems
) -> Systems:
    """Plans a router for every base, where the configuration asks for them.

    Returns:
        The routers, and the features that they read on other corpora, whose tokens are among the
        systems.
    """
    if config.comparison.router is None:
        return {}
    fitting = section("alpha_router", config.comparison.router) | _alphas(config) | jobs.windows
    routers: Systems = {}
    for number, base in enumerate(pipeline.bases):
        models = {"base": base, "memory": pipeline.memory.ref}
        name, router = SystemName("router_features", number), SystemName("router", number)
        scored = jobs.scoring | jobs.windows | jobs.vocabulary(base, pipeline.memory.ref)
        read = {"tokens": pipeline.tokens.ref}
        features = jobs.add("router_features", scored, read | models, name=name.job)
        read |= {"features": features} | _pair(systems, number)
        routers[router] = jobs.add("alpha_router", fitting, read, name=router.job)
        for corpus in config.comparison.elsewhere:
            read, there = {"tokens": systems[SystemName("tokens", corpus=corpus)]}, name.on(corpus)
            routers[there] = jobs.add("router_features", scored, read | models, name=there.job)
    return routers
