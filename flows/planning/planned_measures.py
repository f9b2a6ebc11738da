"""What a comparison measures beside perplexity: tasks, latency, text learnt by heart, routers."""

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan
from flows.planning.planned_jobs import Config, Inputs, PlannedJobs, section
from memdec_core.scoring.scoring_config import ScoringConfig
from storage.objects.artifact_ref import ArtifactRef
from tasks.identity.downstream_identity import downstream_identity

_MIXED_DOWNSTREAM = ("memory", "dapt_small")
"""Of the systems mixed with every base; downstream, memories of an ablation are left out."""

_CHOICE_SECTIONS = ("knn_lm", "embeddings", "vocabulary")
"""Of a system's scoring, which its scoring of choices shares."""


def plan_measures(
    jobs: PlannedJobs, config: PipelineConfig, pipeline: Plan, systems: Inputs
) -> Inputs:
    """Plans the measurements that the configuration asks for.

    Args:
        jobs: Where they are added.
        config: The pipeline.
        pipeline: Its own jobs.
        systems: Scores of all systems by role.

    Returns:
        What they leave, by role in the comparison: choices_base_0, latency_0, audit_0, ….

    Raises:
        UserError: A file of a downstream task is not there.
    """
    inputs = _choices(jobs, config, systems)
    scoring = section("scoring", ScoringConfig(precision=config.evaluation.precision))
    grid = config.evaluation.model_dump(mode="json", include={"alphas", "refine_alpha"})
    alpha: Config = {"alpha": grid}
    for number, base in enumerate(pipeline.bases):
        read = {"tokens": pipeline.tokens.ref, "base": base, "memory": pipeline.memory.ref}
        cut = jobs.vocabulary(base, pipeline.memory.ref)
        if config.comparison.audit is not None:
            scores = {"base_scores": systems[f"base_{number}"], "memory_scores": systems["memory"]}
            sections = section("audit", config.comparison.audit) | scoring | alpha | cut
            name = f"audit_{number}"
            inputs[name] = jobs.add("memorisation_audit", sections, read | scores, name=name)
        if config.comparison.latency is not None:
            name = f"latency_{number}"
            sections, further = _timed(jobs, config, systems, number)
            inputs[name] = jobs.add("latency", sections | scoring | cut, read | further, name=name)
    return inputs


def _timed(
    jobs: PlannedJobs, config: PipelineConfig, systems: Inputs, number: int
) -> tuple[Config, Inputs]:
    """Sections and inputs of the baselines that a base's latency is measured with."""
    comparison = config.comparison
    assert comparison.latency is not None
    sections, datastore = section("latency", comparison.latency), {}
    if f"rag_{number}" in systems:
        sections |= section("retrieval", comparison.retrieval)
    if (role := f"knn_lm_{number}") in systems:
        sections |= section("index", config.index) | {"knn_lm": {"k": config.targets.k}}
        scored = jobs.by_ref[systems[role]].inputs
        datastore = {role: scored[role] for role in ("embeddings", "index")}
    return sections, datastore


def _choices(jobs: PlannedJobs, config: PipelineConfig, systems: Inputs) -> Inputs:
    """Scores of the choices of downstream tasks, with the models of the systems."""
    downstream = config.comparison.downstream
    if downstream is None:
        return {}
    sections = section("downstream", downstream)
    identity: Config = {"downstream": downstream_identity(downstream)}
    return {
        f"choices_{role}": _choices_of(jobs, sections, identity, role, systems[role])
        for role in systems
        if not role.startswith(("memory_", "rag_")) or role in _MIXED_DOWNSTREAM
    }


def _choices_of(
    jobs: PlannedJobs, sections: Config, identity: Config, role: str, scores: ArtifactRef
) -> ArtifactRef:
    scored = jobs.by_ref[scores]
    further: Config = {
        name: scored.config[name] for name in _CHOICE_SECTIONS if name in scored.config
    }
    inputs = {name: ref for name, ref in scored.inputs.items() if name != "tokens"}
    return jobs.add(
        "choice_scores",
        sections | further,
        inputs,
        identity=identity | further,
        name=f"{role}_choices",
    )


def plan_routers(
    jobs: PlannedJobs, config: PipelineConfig, pipeline: Plan, systems: Inputs
) -> Inputs:
    """Plans a router for every base, where the configuration asks for them.

    Args:
        jobs: Where they are added.
        config: The pipeline.
        pipeline: Its own jobs.
        systems: By role in the comparison: scores of all systems, and of other corpora
            general:tokens.

    Returns:
        By role in the comparison: router_0, …, and for other corpora general:router_features_0, ….
    """
    if config.comparison.router is None:
        return {}
    scoring = section("scoring", ScoringConfig(precision=config.evaluation.precision))
    grid = config.evaluation.model_dump(mode="json", include={"alphas", "refine_alpha"})
    fitting: Config = section("alpha_router", config.comparison.router) | {"alpha": grid}
    inputs: Inputs = {}
    for number, base in enumerate(pipeline.bases):
        pair = {"base": base, "memory": pipeline.memory.ref}
        name = f"router_features_{number}"
        read = {"tokens": pipeline.tokens.ref}
        scored = scoring | jobs.windows | jobs.vocabulary(base, pipeline.memory.ref)
        features = jobs.add("router_features", scored, read | pair, name=name)
        read |= {"features": features, "memory_scores": systems["memory"]}
        read |= {"base_scores": systems[f"base_{number}"]}
        role = f"router_{number}"
        inputs[role] = jobs.add("alpha_router", fitting | jobs.windows, read, name=role)
        for corpus in config.comparison.elsewhere:
            read = {"tokens": systems[f"{corpus}:tokens"]}
            inputs[f"{corpus}:{name}"] = jobs.add(
                "router_features", scored, read | pair, name=f"{corpus}_{name}"
            )
    return inputs
