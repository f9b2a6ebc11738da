"""The constant α of a base and a memory, as in the comparison's table."""

from memdec_core.scoring.alpha_search import search_alpha
from memdec_core.scoring.result_row import TUNING_SPLIT
from memdec_core.scoring.scoring_config import EvaluationConfig
from tasks.inputs.scored_systems import only_scores
from tasks.jobs.stage_work import ShardRun


def tuned_alpha(run: ShardRun) -> float:
    """The weight that does best on validation.

    Args:
        run: Config section `alpha`, part of `evaluation`; inputs base_scores and memory_scores.
    """
    config = EvaluationConfig.model_validate(run.job.config["alpha"])
    base, memory = (only_scores(run, f"{role}_scores")[TUNING_SPLIT] for role in ("base", "memory"))
    return search_alpha(base, memory, config.alphas, refine=config.refine_alpha).alpha
