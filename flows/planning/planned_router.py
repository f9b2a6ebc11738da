"""Plans what an adaptive α takes: for every base a router, and the features it reads."""

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan
from flows.planning.planned_jobs import Config, Inputs, PlannedJobs, section
from memdec_core.scoring.scoring_config import ScoringConfig


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
