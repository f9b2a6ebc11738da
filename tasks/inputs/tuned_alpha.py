"""The constant α of a base and a memory, as in the comparison's table."""

from pydantic import BaseModel

from memdec_core.scoring.alpha_search import search_alpha
from memdec_core.scoring.result_row import TUNING_SPLIT
from tasks.inputs.scored_systems import only_scores
from tasks.jobs.stage_work import ShardRun


class AlphaConfig(BaseModel):
    """Weights of the memory to try, as in the section `evaluation`."""

    alphas: tuple[float, ...]
    refine_alpha: bool


def tuned_alpha(run: ShardRun) -> float:
    """The weight that does best on validation.

    Args:
        run: Config section `alpha`; inputs base_scores and memory_scores.
    """
    grid = run.config(AlphaConfig)
    base, memory = (only_scores(run, f"{role}_scores")[TUNING_SPLIT] for role in ("base", "memory"))
    return search_alpha(base, memory, grid.alphas, refine=grid.refine_alpha).alpha
